"""MRT, the format in which routing data is kept: what a speaker heard, and its tables (RFC 6396). Pure: values in, octets out, and back.

In: messages as they came, prefixes with path attributes as octets. Out: records, to be written one after the other. Begin at `writing`
(`message`, `state_change`, `peer_index`, `rib`); `reading.records` takes a file apart, strictly.
"""

from dualhome.mrt.reading import Message, PeerIndex, Record, RibEntries, StateChange, records
from dualhome.mrt.writing import Entry, Party, message, peer_index, rib, state_change

__all__ = [
    "Entry", "Message", "Party", "PeerIndex", "Record", "RibEntries", "StateChange", "message", "peer_index", "records", "rib", "state_change",
]  # fmt: skip
