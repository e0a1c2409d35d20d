"""Views as plain data, under the keys of the topology format: what JSON prints, and what a scenario's items are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dualhome.net import Address, Prefix

if TYPE_CHECKING:
    from dualhome.check import Finding
    from dualhome.engine.views import RouteView, SessionView
    from dualhome.errors import Fault
    from dualhome.forwarding.effective import EffectiveRoute
    from dualhome.forwarding.trace import Path

Data = dict[str, object]


def effective_route(row: EffectiveRoute) -> Data:
    """As `routes --json` prints it."""
    return {
        "prefix": str(row.prefix),
        "source": row.source,
        "state": row.state,
        "next_hop_type": row.next_hop_type,
        "next_hops": [str(a) for a in row.next_hops],
    }


def route(row: RouteView) -> Data:
    """A route of a RIB; `learned_from` is the peer's full name, or `self`."""
    return {
        "speaker": row.speaker,
        "peer": row.peer,
        "prefix": str(row.prefix),
        "next_hop": str(row.next_hop),
        "as_path": row.as_path,
        "communities": list(row.communities),
        "med": row.med,
        "local_preference": row.local_preference,
        "origin": row.origin,
        "weight": row.weight,
        "learned_from": row.learned_from,
        "best": row.best,
        "multipath": row.multipath,
        "lost_in": row.lost_in,
        "reason": row.reason,
        "detail": row.detail,
    }


def session(row: SessionView) -> Data:
    """One side of a session."""
    return {
        "speaker": row.speaker,
        "peer": row.peer,
        "state": row.state,
        "since_s": row.since_s,
        "last_error": row.last_error,
        "hold_time_s": row.hold_time_s,
        "routes_learned": row.routes_learned,
        "carrier": str(row.carrier),
    }


def finding(row: Finding) -> Data:
    """As `check --json` prints it."""
    return {
        "code": row.code,
        "severity": str(row.severity),
        "on": row.on,
        "message": row.message,
        "remedy": row.remedy,
        "rule": row.rule,
        "file": row.file,
        "line": row.line,
        "column": row.column,
        "fixable": bool(row.edits),
        "edits": [edit.to_data() for edit in row.edits],
    }


def fault(row: Fault) -> Data:
    """A fault of the file, in the shape of a finding."""
    return {
        "code": "file",
        "severity": "error",
        "on": "",
        "message": row.message,
        "remedy": row.hint,
        "rule": "",
        "file": row.file,
        "line": row.line,
        "column": row.column,
        "fixable": False,
        "edits": [],
    }


def path(row: Path) -> Data:
    """One branch of the way of a packet."""
    return {
        "hops": [
            {"name": h.name, "kind": str(h.kind), "address": None if h.address is None else str(h.address), "note": h.note}
            for h in row.hops
        ],
        "outcome": row.outcome,
        "at": row.at,
        "end": row.end,
        "because": row.because,
        "detail": row.detail,
        "choices": [list(c) for c in row.choices],
    }


def plain(value: object) -> object:
    """Any view as plain data: data classes by field, addresses and prefixes as text, tuples as lists."""
    if isinstance(value, (Address, Prefix)):
        return str(value)
    if isinstance(value, Enum):
        return plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, (set, frozenset)):
        return sorted((plain(v) for v in value), key=str)
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    return str(value)
