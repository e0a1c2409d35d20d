"""A million mutated UPDATEs through `_core.Rib`, with watchers beside: no exception, no needless reset, nothing wrong sent on.

python benches/mutated.py [--count 1000000] [--seed 1] [--group four|two|internal] [--seconds S]

Each message is drawn from the seed, judged by the oracle of tests/live/adversary (RFC 7606's text, apart from the core), and given to the RIB; what two
watchers, an external one and one of two-octet AS numbers, are then told is read strictly. What they hold must be what the oracle says. A message that
fails is printed in hexadecimal with its number: `--seed K --first N --count 1` sends it alone.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from dualhome import _core
from dualhome.bgp.policy import PeerPolicy
from tests.live.adversary import octets as o
from tests.live.adversary.bench import Context
from tests.live.adversary.mutate import mutated
from tests.live.adversary.oracle import Judgement, judge
from tests.live.adversary.servers import Group
from tests.live.adversary.strict import FaultError, Prefix, Told, cut, read_update

OWN = 65515
ROUNDS = ["next-hop", "local-preference", "as-path", "origin", "med", "ebgp", "|", "router-id", "peer"]
SENDER = 1
WATCHERS = {2: True, 3: False}
"""Numbers, and whether they have AS numbers of four octets."""
FAMILIES = [o.IPV4, o.IPV6]
GROUPS = {"four": (65001, True), "two": (65001, False), "internal": (OWN, True)}
CALM = 16  # a sender's prefixes are so many messages' own


@dataclass
class Report:
    """What came of the messages."""

    sent: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(self.counts.items()))
        return f"{self.sent:,} sent: {counts}; {len(self.wrong)} wrong"


class Network:
    """A speaker, the sender and the watchers, and what must be held by now: True or False; a prefix that is missing here may be so or so."""

    def __init__(self, group: str) -> None:
        self.asn, self.four = GROUPS[group]
        self.rib = _core.Rib(asn=OWN, router_id="1.1.1.1", rounds=ROUNDS)
        self.tables: dict[int, dict[Prefix, dict[int, bytes]]] = {number: {} for number in WATCHERS}
        self.known: dict[Prefix, bool] = {}
        for number, asn in ((SENDER, self.asn), (2, 65012), (3, 65013)):
            policy = PeerPolicy(
                name=f"p{number}", asn=asn, ebgp=asn != OWN, local_address="10.0.0.254", peer_address=f"10.0.0.{number}", tags=(),
                reject_as_sets=True, next_hop="unchanged",
            )  # fmt: skip
            self.rib.set_peer(number, policy.json())
            self.up(number)

    def up(self, number: int) -> None:
        """Its session is Established."""
        four = self.four if number == SENDER else WATCHERS[number]
        self.rib.peer_up(number, four_octet_as=four, families=FAMILIES, max_message=4096, router_id=f"1.0.0.{number}")

    def hear(self, message: bytes) -> _core.WireError | None:
        """The sender's message; a reset ends its session, and another one begins."""
        error = self.rib.receive(SENDER, message)
        if error is not None:
            self.rib.peer_down(SENDER)
            self.up(SENDER)
        self.rib.process()
        return error

    def tell(self) -> None:
        """All that the watchers are to be told; FaultError where it is not strictly right."""
        for number, four in WATCHERS.items():
            told, table = Told(OWN, four=four), self.tables[number]
            while data := self.rib.output(number):
                messages, rest = cut(data, 4096)
                if rest:
                    raise FaultError("a message is not whole")
                for kind, body in messages:
                    if kind != o.UPDATE:
                        raise FaultError(f"message of type {kind}")
                    update = read_update(body, told)
                    for prefix in update.withdrawn:
                        if table.pop(prefix, None) is None:
                            raise FaultError(f"{prefix} is withdrawn, but was not announced")
                    attributes = {kind: value for kind, (_, value) in update.attributes.items()}
                    table.update(dict.fromkeys(update.announced, attributes))

    def judged(self, judgement: Judgement, error: _core.WireError | None) -> tuple[str, list[str]]:
        """A word for what came of a message, and what is wrong with that."""
        if error is not None:
            self.known = {}
            left = [f"{prefix} is left" for table in self.tables.values() for prefix in table]
            if error.code != 3:
                left.append(f"NOTIFICATION {error.code}/{error.subcode}")
            if judgement.reset or judgement.may_reset:
                return "resets", left
            return "resets", [*left, f"a needless reset: {error.reason}; by the oracle {judgement}"]
        if judgement.reset:
            return "survived", [f"the session lives on after {judgement.reset}"]
        changed = judgement.gone | judgement.told | judgement.either
        for prefix in changed:
            self.known.pop(prefix, None)
        if judgement.may_reset:
            return "either way", []
        self.known |= dict.fromkeys(judgement.gone, False) | dict.fromkeys(judgement.told, True)
        word = (
            "taken" if judgement.told else "either way" if judgement.either else "withdrawn" if judgement.withdraw else "nothing announced"
        )
        return word, [wrong for number, table in self.tables.items() for wrong in self._differs(number, table, judgement, changed)]

    def _differs(self, number: int, table: dict[Prefix, dict[int, bytes]], judgement: Judgement, changed: set[Prefix]) -> Iterator[str]:
        for prefix in changed & self.known.keys():
            if (prefix in table) != self.known[prefix]:
                yield f"{prefix} {'is missing' if self.known[prefix] else 'is still there'} at {number}; by the oracle {judgement}"
            elif self.known[prefix] and prefix in judgement.told:
                yield from (f"{prefix} at {number}: {what}" for what in _changed(table[prefix], judgement))


def _changed(told: dict[int, bytes], judgement: Judgement) -> Iterator[str]:
    """Attributes that must go on as they came, and did not; communities have no order."""
    sizes = {o.ORIGIN: 1, o.ATOMIC: 1, o.COMMUNITIES: 4, o.LARGE: 12, o.IPV6_COMMUNITIES: 1}
    for kind, value in judgement.attributes.items():
        size = sizes.get(kind, 0 if kind < 40 else max(1, len(value)))
        if not size:
            continue
        parts = [{data[at : at + size] for at in range(0, len(data), size)} for data in (value, told.get(kind, b""))]
        if kind not in told or parts[0] != parts[1]:
            yield f"attribute {kind} went on as {told.get(kind)!r}, not as {value!r}"


def run(group: str, seed: int, count: int, first: int = 0, until: float = float("inf")) -> Report:
    """`count` messages from number `first` on. Each is drawn by seed and number alone."""
    network, report = Network(group), Report()
    network.tell()
    members = Group(group, 1, network.asn, 1)
    for number in range(first, first + count):
        chance = random.Random(f"{seed} {group} {number}")
        context = Context(number % CALM, members, "10.0.0.1", network.four)
        message = mutated(chance, context, number // CALM)
        judgement = judge(
            message[19:], internal=network.asn == OWN, four=network.four, asn=network.asn, own=OWN, addresses=("10.0.0.254", "1.1.1.1")
        )
        try:
            error = network.hear(message)
            network.tell()
        except KeyboardInterrupt:
            raise
        except BaseException as fault:  # a panic of the core is no Exception
            report.wrong.append(f"{group} seed {seed} number {number}: {type(fault).__name__}: {fault}: {message.hex()}")
            network = Network(group)
            network.tell()
            continue
        word, wrong = network.judged(judgement, error)
        report.sent += 1
        report.counts[word] += 1
        report.wrong += [f"{group} seed {seed} number {number}: {each}: {message.hex()}" for each in wrong]
        if len(report.wrong) > 50 or time.monotonic() > until:
            break
    return report


def main() -> int:
    """Run, print, 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", choices=[*GROUPS], action="append")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    given = parser.parse_args()
    groups = given.group or list(GROUPS)
    bad = 0
    for group in groups:
        began = time.monotonic()
        report = run(group, given.seed, -(-given.count // len(groups)), given.first, began + given.seconds)
        print(f"{group}: {report}; {report.sent / (time.monotonic() - began):,.0f}/s", flush=True)
        print(*report.wrong[:10], sep="\n", end="\n" if report.wrong else "", flush=True)
        bad += len(report.wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
