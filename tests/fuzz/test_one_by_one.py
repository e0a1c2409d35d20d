"""The short form of benches/mutated.py, each message judged by itself; by hand it sends a million."""

from __future__ import annotations

import pytest
from benches import mutated

from tests.live.adversary.oracle import Judgement


@pytest.mark.parametrize("group", mutated.GROUPS)
def test_mutated_updates_do_no_harm(group: str) -> None:
    report = mutated.run(group, seed=2, count=1500)
    assert report.wrong == []
    assert report.sent == 1500
    assert all(report.counts[word] > 100 for word in ("taken", "withdrawn", "resets"))


def test_what_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the oracle to say that nothing may be taken and nothing reset, almost each message would be a fault."""

    def strict(body: bytes, **given: object) -> Judgement:
        judgement = mutated.judge_rightly(body, **given)
        return Judgement(gone=judgement.told | judgement.gone)

    monkeypatch.setattr(mutated, "judge_rightly", mutated.judge, raising=False)
    monkeypatch.setattr(mutated, "judge", strict)
    report = mutated.run("four", seed=2, count=200)
    assert any("is still there" in each for each in report.wrong)
    assert any("a needless reset" in each for each in report.wrong)


def test_what_is_malformed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the core to send AS_PATH with an octet more, the watchers would say so."""
    output = mutated.Network.tell

    class Spoiled:
        def __init__(self, rib: object) -> None:
            self.rib = rib

        def __getattr__(self, name: str) -> object:
            return getattr(self.rib, name)

        def output(self, number: int) -> bytes:
            return self.rib.output(number).replace(b"\x40\x01\x01", b"\x40\x01\x02")  # type: ignore[attr-defined]

    def tell(self: mutated.Network) -> None:
        rib = self.rib
        self.rib = Spoiled(rib)  # type: ignore[assignment]
        output(self)
        self.rib = rib

    monkeypatch.setattr(mutated.Network, "tell", tell)
    report = mutated.run("four", seed=2, count=100)
    assert any("FaultError" in each for each in report.wrong)
