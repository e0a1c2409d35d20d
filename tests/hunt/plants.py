"""Bugs that tests plant in the engine, each of them one line: the hunt must find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dualhome import _core
from dualhome.bgp import fsm, judge, session, speaker
from dualhome.bgp.link import Link


class Rib:
    """The core's RIB, of which one thing is done otherwise."""

    def __init__(self, **given: Any) -> None:
        self._rib = _core.Rib(**given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rib, name)


class MedAfterRouterId(Rib):
    """The decision process compares MEDs too late."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "rounds": late(given["rounds"])})

    def set_decision(self, *, rounds: list[str], preference: str) -> None:
        self._rib.set_decision(rounds=late(rounds), preference=preference)


def late(rounds: Sequence[str]) -> list[str]:
    meds = [name for name in rounds if name.startswith("med")]
    rest = [name for name in rounds if name not in meds]
    at = rest.index("router-id") + 1
    return [*rest[:at], *meds, *rest[at:]]


class KeepsWithdrawn(Rib):
    """An UPDATE that withdraws and announces loses its withdrawals."""

    def receive(self, peer: int, updates: bytes) -> Any:
        kept = b""
        while updates:
            length = int.from_bytes(updates[16:18])
            message, updates = updates[:length], updates[length:]
            gone = int.from_bytes(message[19:21])
            kept += message if gone == 0 or length == 23 + gone else without(message, gone)
        return self._rib.receive(peer, kept)


def without(message: bytes, gone: int) -> bytes:
    """Without its withdrawn routes."""
    return message[:16] + (len(message) - gone).to_bytes(2) + message[18:19] + b"\0\0" + message[21 + gone :]


class ForgetsWithdrawal(Rib):
    """The last of several prefixes that go at once is not withdrawn toward peers: as if a list were read one too short."""

    def output(self, peer: int, max_bytes: int = 65536) -> bytes:
        data = self._rib.output(peer, max_bytes)
        told = b""
        while data:
            length = int.from_bytes(data[16:18])
            message, data = data[:length], data[length:]
            gone = int.from_bytes(message[19:21])
            first = 1 + (message[21] + 7) // 8 if gone else 0
            if 0 < first < gone and length == 23 + gone:
                message = message[:16] + (23 + first).to_bytes(2) + b"\2" + first.to_bytes(2) + message[21 : 21 + first] + b"\0\0"
            told += message
        return told


class KeepsDeadPeers(Rib):
    """What a peer announced stays when its session ends, if nothing else was ever told of it."""

    def peer_down(self, peer: int, **more: Any) -> None:
        if self._rib.counts(peer)[0] != 1:
            self._rib.peer_down(peer, **more)


class KeepsStale(Rib):
    """What a peer that was away has not told again, when it says that it told all, stays."""

    def sweep_stale(self, peer: int, afi: int, safi: int) -> int:
        return 0


class MarksStaleTooLate(Rib):
    """What a refresh doesn't repeat stays: its beginning is not heard."""

    def mark_stale(self, peer: int, afi: int, safi: int) -> None:
        pass


class ForgetsOneInRefresh(Rib):
    """Of a refresh with marks the first message is lost."""

    def output(self, peer: int, max_bytes: int = 65536) -> bytes:
        data, told, begun = self._rib.output(peer, max_bytes), b"", False
        while data:
            length = int.from_bytes(data[16:18])
            message, data = data[:length], data[length:]
            if message[18] == 2 and begun and length > 40:
                begun = False
                continue
            begun = begun or (message[18] == 5 and message[21] == 1)
            told += message
        return told


class OneTooMany(Rib):
    """A limit is reached by one more than it says."""

    def set_peer(self, peer: int, config: str) -> None:
        given = json.loads(config)
        if given["max_prefixes"]:
            given["max_prefixes"]["limit"] += 1
        self._rib.set_peer(peer, json.dumps(given))


class ForgetsGreatNumbers(Rib):
    """AS4_PATH is not read: AS_TRANS stays in paths (RFC 6793)."""

    def receive(self, peer: int, updates: bytes) -> Any:
        kept = b""
        while updates:
            length = int.from_bytes(updates[16:18])
            message, updates = updates[:length], updates[length:]
            kept += without_as4_path(message)
        return self._rib.receive(peer, kept)


def without_as4_path(message: bytes) -> bytes:
    """Without attribute 17; a message that is not sound stays as it is."""
    start = 23 + int.from_bytes(message[19:21])
    rest, kept = message[start : start + int.from_bytes(message[start - 2 : start])], b""
    nlri = message[start + len(rest) :]
    while len(rest) > 3:
        length = 4 + int.from_bytes(rest[2:4]) if rest[0] & 0x10 else 3 + rest[2]
        kept += b"" if rest[1] == 17 else rest[:length]
        rest = rest[length:]
    body = message[19 : start - 2] + len(kept).to_bytes(2) + kept + nlri
    return message[:16] + (19 + len(body)).to_bytes(2) + b"\2" + body


def decides_at_once(self: speaker.Speaker, now: Any) -> None:
    """After a restart it says so, and doesn't wait for anybody."""
    for each in self._sessions.values():
        each.restarted = True
    self._restarted = False


def losers_by_text(links: Sequence[Link], newest: Link, message: _core.OpenMessage, config: Any) -> list[Link]:
    """BGP Identifiers compare as text, not as numbers."""
    ours_stays = (config.router_id, config.local_asn) > (message.router_id, message.asn)
    others = [link for link in links if link is not newest]
    for other in others:
        if other.state is session.State.ESTABLISHED or (other.ours != newest.ours and other.ours == ours_stays):
            return [newest]
    return others


def losers_of_the_other_end(links: Sequence[Link], newest: Link, message: _core.OpenMessage, config: Any) -> list[Link]:
    """The end with the lower identifier wins; both ends agree, so that sessions come up all the same."""
    found = judge.collision_losers(links, newest, message, config)
    mixed = len({link.ours for link in links}) == 2 and not any(link.state is session.State.ESTABLISHED for link in links)
    return [link for link in links if link not in found] if mixed and len(links) == 2 else found


def rib(kind: type[Rib]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(speaker, "Rib", kind)


def losers(function: Callable[..., list[Link]]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(session, "collision_losers", function)


def hard_resets(patch: pytest.MonkeyPatch) -> None:
    """Routes are kept after a Hard Reset, too."""
    patch.setattr(fsm, "HARD_RESET", (0, 0))


def restarts_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(speaker.Speaker, "_await_peers", decides_at_once)


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "decision: MED after router ID": rib(MedAfterRouterId),
    "withdrawal in: lost beside announcements": rib(KeepsWithdrawn),
    "withdrawal out: one of several": rib(ForgetsWithdrawal),
    "withdrawal: a peer's only route outlives it": rib(KeepsDeadPeers),
    "collision: identifiers as text": losers(losers_by_text),
    "collision: the lower identifier wins": losers(losers_of_the_other_end),
    "restart: stale routes stay": rib(KeepsStale),
    "restart: kept after a Hard Reset": hard_resets,
    "restart: it decides before it has heard its peers": restarts_early,
    "refresh: its beginning is not heard": rib(MarksStaleTooLate),
    "refresh: one message is lost": rib(ForgetsOneInRefresh),
    "limit: one too many": rib(OneTooMany),
    "two octets: AS4_PATH is not read": rib(ForgetsGreatNumbers),
}
