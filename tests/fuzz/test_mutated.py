"""Mutated UPDATEs through a RIB, from a new seed each time; and that what must be seen is seen. A million: `python benches/mutants.py`."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dualhome._core import Rib, WireError
from tests.fuzz import mutants


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_mutated_updates_do_what_the_oracle_says(kind: str) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}: python benches/mutants.py --seed {seed} --kind {kind} --batch 0")
    counts = mutants.run(seed, kind, 0)
    assert counts["messages"] == mutants.PER_BATCH
    assert min(counts["taken"], counts["withdrawn"], counts["resets"]) > 100, counts


def test_the_same_seed_gives_the_same_batch() -> None:
    assert mutants.run(5, "external", 7, 300) == mutants.run(5, "external", 7, 300)


class Planted:
    """A RIB in which something is wrong; the rest is the real one's."""

    def __init__(self, **given: Any) -> None:
        self.rib = Rib(**given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rib, name)


class NeedlessReset(Planted):
    """It ends the session wherever RFC 7606 says "treat-as-withdraw"."""

    def receive(self, peer: int, updates: bytes) -> WireError | None:
        before = len(self.rib.rejected(peer))
        error = self.rib.receive(peer, updates)
        return WireError(3, 1, b"", "a needless one") if error is None and len(self.rib.rejected(peer)) > before else error


class LivesOn(Planted):
    """It ends no session."""

    def receive(self, peer: int, updates: bytes) -> WireError | None:
        self.rib.receive(peer, updates)
        return None


class Deaf(Planted):
    """Every fiftieth message isn't heard."""

    heard = 0

    def receive(self, peer: int, updates: bytes) -> WireError | None:
        self.heard += 1
        return None if self.heard % 50 == 0 else self.rib.receive(peer, updates)


class Forgets(Planted):
    """What goes, goes without a word to peer 5."""

    def output(self, peer: int, max_bytes: int = 65536) -> bytes:
        data = self.rib.output(peer, max_bytes)
        return b"" if peer == 5 and data[19:21] > b"\0\0" else data


class SendsOnAsItCame(Planted):
    """An unknown attribute goes on without Partial."""

    def output(self, peer: int, max_bytes: int = 65536) -> bytes:
        return self.rib.output(peer, max_bytes).replace(b"\xe0\x63", b"\xc0\x63")


PLANTED = {
    NeedlessReset: "a needless reset",
    LivesOn: "the session lives on",
    Deaf: "(are missing|the session lives on|goes on as)",
    Forgets: "are still there",
    SendsOnAsItCame: "unrecognized attribute 99 is sent on with flags 0xc0",
}


@pytest.mark.parametrize(("planted", "words"), PLANTED.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_planted_fault_is_found(planted: type[Planted], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "Rib", planted)
    with pytest.raises(mutants.WrongError, match=words):
        mutants.run(1, "external", 0)
