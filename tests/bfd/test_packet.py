"""The control packet of RFC 5880: bytes, and why packets are discarded."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome.bfd.demux import Sessions
from dualhome.bfd.packet import Discarded, Packet, State, decode, diagnostic_words

GOOD = bytes.fromhex("20c80318 00000007 00000009 0000c350 0000ea60 00000000")


def changed(**octets: int) -> bytes:
    """The good packet with some octets changed: b2=0 sets the third."""
    data = bytearray(GOOD)
    for name, value in octets.items():
        data[int(name[1:])] = value
    return bytes(data)


def test_bytes_are_as_the_rfc_draws_them() -> None:
    packet = Packet(
        state=State.UP, multiplier=3, my_discriminator=7, your_discriminator=9, desired_min_tx_us=50_000, required_min_rx_us=60_000,
        independent=True,
    )  # fmt: skip
    assert packet.encode() == GOOD
    assert decode(GOOD) == packet


def test_octets_after_the_packet_are_left_alone() -> None:
    assert decode(GOOD + b"more") == decode(GOOD)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 octets are less than a packet has (24)"),
        (GOOD[:23], "23 octets are less than a packet has (24)"),
        (changed(b0=0x40), "version 2 is not 1"),
        (changed(b0=0x00), "version 0 is not 1"),
        (changed(b3=23), "its length says 23 octets, less than 24"),
        (changed(b1=0xC4), "its length says 24 octets, less than 26"),
        (changed(b3=25), "its length says 25 octets, but 24 came"),
        (changed(b2=0), "its multiplier is 0"),
        (changed(b1=0xC1), "it is multipoint"),
        (changed(b7=0), "its own discriminator is 0"),
        (changed(b11=0), "it is Up without our discriminator"),
        (changed(b1=0x80, b11=0), "it is Init without our discriminator"),
        (changed(b1=0xC4, b3=26) + b"\1\2", "it is authenticated, and no authentication is in use"),
    ],
)
def test_a_packet_that_is_discarded_says_why(data: bytes, reason: str) -> None:
    assert decode(data) == Discarded(reason)


@given(
    st.builds(
        Packet,
        state=st.sampled_from(State),
        multiplier=st.integers(1, 255),
        my_discriminator=st.integers(1, 2**32 - 1),
        your_discriminator=st.integers(1, 2**32 - 1),
        desired_min_tx_us=st.integers(0, 2**32 - 1),
        required_min_rx_us=st.integers(0, 2**32 - 1),
        required_min_echo_rx_us=st.integers(0, 2**32 - 1),
        diagnostic=st.integers(0, 31),
        poll=st.booleans(),
        final=st.booleans(),
        independent=st.booleans(),
        demand=st.booleans(),
    )
)
def test_decoding_undoes_encoding(packet: Packet) -> None:
    assert decode(packet.encode()) == packet


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    decode(data)


def test_diagnostics_have_words() -> None:
    assert diagnostic_words(1) == "detection time expired"
    assert diagnostic_words(30) == "diagnostic 30"


def test_a_packet_finds_its_session_by_discriminator_and_the_first_one_by_path() -> None:
    sessions = Sessions[str, str](random.Random(1))
    number = sessions.draw()
    sessions.add("path", number, "session")
    first = Packet(state=State.DOWN, multiplier=3, my_discriminator=1, desired_min_tx_us=1, required_min_rx_us=1)
    later = Packet(state=State.UP, multiplier=3, my_discriminator=1, your_discriminator=number, desired_min_tx_us=1, required_min_rx_us=1)
    assert sessions.find(first, "path") == "session"
    assert sessions.find(first, "elsewhere") == Discarded("no session has this path")
    assert sessions.find(later, "elsewhere") == "session"
    sessions.remove("path")
    assert "path" not in sessions
    assert sessions.find(later, "path") == Discarded(f"no session has discriminator {number}")
