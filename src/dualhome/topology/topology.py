"""A file as a whole: read, examined, built; and what becomes of it by its `change` steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dualhome.errors import TopologyError
from dualhome.model import Network
from dualhome.topology import change, rules_addressing, rules_gateways, rules_personality, rules_routing
from dualhome.topology.build import attempt
from dualhome.topology.edits import actual
from dualhome.topology.form import UNKNOWN_KEY, Use, inspect
from dualhome.topology.names import Names
from dualhome.topology.reading import Locator, read, read_file
from dualhome.topology.reading import Path as Where
from dualhome.topology.site import Site
from dualhome.topology.words import PAIRS, Wrong, ends, faults, nearest, owner

Data = Mapping[str, Any]
SECTIONS_OF_STEPS = ("settle", "expect", "fail", "restore", "announce", "withdraw", "change", "wait_s")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a scenario: `kind` is its key, `value` what stands under it, as plain data."""

    index: int
    line: int
    kind: str  # settle | expect | fail | restore | announce | withdraw | change | wait_s
    value: object
    description: str


@dataclass(frozen=True)
class Topology:
    """A valid file: the network at its beginning (or after `changed`), and its scenario."""

    network: Network
    scenario: tuple[Step, ...]
    file: str
    data: Data
    lines: Locator

    def locate(self, path: Where) -> tuple[int, int]:
        """Line and column of what a path names; its steps may be names of a list's items, as `edits` has them."""
        return self.lines.of(actual(self.data, path))

    def changed(self, patch: Data) -> Topology:
        """What a `change` step makes of it. TopologyError where what comes out is not valid."""
        step = next((step.index for step in self.scenario if step.kind == "change" and step.value == patch), None)
        base: Where = () if step is None else ("scenario", step, "change")
        net = {key: value for key, value in self.data.items() if key != "scenario"}
        after = _after(net, self.lines, patch, base)
        if after.wrongs or after.network is None:
            lines = Locator() if step is None else self.lines
            raise TopologyError(faults(after.wrongs, self.data, lines, self.file))
        scenario = {"scenario": self.data["scenario"]} if "scenario" in self.data else {}
        return Topology(after.network, self.scenario, self.file, {**after.net, **scenario}, after.lines)


def load(path: Path) -> Topology:
    """The file's topology. TopologyError with every fault of it, or that it cannot be read."""
    return parse(read_file(path), str(path))


def parse(text: str, file: str = "topology.yaml") -> Topology:
    """A text's topology. TopologyError with every fault of it."""
    root, doubled = read(text, file)
    data: Data = root.value
    lines = Locator(root)
    wrongs, uses = inspect(data)
    examined = _Examined({key: value for key, value in data.items() if key != "scenario"}, lines)
    of_network = [use for use in uses if use.path[0] != "scenario"]
    malformed = [wrong for wrong in wrongs if wrong.path[:1] != ("scenario",)]
    examined.judge(of_network, malformed)
    wrongs += examined.wrongs
    wrongs += _steps(data, examined, uses, {wrong.path[1] for wrong in wrongs if wrong.path[:1] == ("scenario",) and len(wrong.path) > 1})
    found = sorted(doubled + faults(wrongs, data, lines, file), key=lambda fault: (fault.line, fault.column))
    if found or examined.network is None:
        raise TopologyError(found)
    steps = tuple(_step(place, step, lines) for place, step in enumerate(data.get("scenario", [])))
    return Topology(examined.network, steps, file, data, lines)


def examine(data: Data) -> tuple[Network | None, list[Wrong]]:
    """The network of data that was never a text, and what is wrong with it; of both at most one is there."""
    examined = _Examined(data, Locator())
    wrongs, uses = inspect(data)
    examined.judge(uses, wrongs)
    found = [*wrongs, *examined.wrongs]
    return (None, found) if found or examined.network is None else (examined.network, [])


def from_data(data: Data, network: Network, file: str) -> Topology:
    """The topology of data of which `examine` found nothing wrong."""
    return Topology(network, (), file, data, Locator())


class _Examined:
    """A network's data and what is wrong with it."""

    def __init__(self, net: Data, lines: Locator) -> None:
        self.net, self.lines = net, lines
        self.wrongs: list[Wrong] = []
        self.network: Network | None = None

    @cached_property
    def names(self) -> Names:
        return Names(self.net)

    def judge(self, uses: list[Use], malformed: list[Wrong]) -> None:
        """Names whatever the form; rules where it is right but for unknown keys; and the network itself where all is."""
        formed = all(wrong.text.startswith(UNKNOWN_KEY) for wrong in malformed)
        self.wrongs += self.names.conflicts()
        self.wrongs += [wrong for use in uses for wrong in self.names.missing(use)]
        self.wrongs += self.names.pairs()
        if formed:
            site = Site(self.net)
            judges = (*rules_addressing.RULES, *rules_routing.RULES, *rules_personality.RULES, *rules_gateways.RULES)
            self.wrongs += [wrong for rule in judges for wrong in rule(site)]
        if not malformed and not self.wrongs:
            self.network, self.wrongs = attempt(self.net)


def _after(net: Data, lines: Locator, patch: Data, base: Where) -> _Examined:
    """A network after a patch; its faults stand where the patch does."""
    malformed = [Wrong((*base, *wrong.path), wrong.text, wrong.hint, wrong.key) for wrong in change.malformed(patch)]
    if malformed:
        unchanged = _Examined(net, lines)
        unchanged.wrongs = malformed
        return unchanged
    after, moved = change.changed(net, lines, patch, base)
    examined = _Examined(after, moved)
    wrongs, uses = inspect(after)
    examined.judge(uses, wrongs)
    examined.wrongs += wrongs
    examined.wrongs += _removed(examined.names, patch)
    examined.wrongs = [*dict.fromkeys(_blamed(wrong, examined, base) for wrong in examined.wrongs)]
    return examined


def _removed(names: Names, patch: Data) -> Iterator[Wrong]:
    """A pair that is removed must be of things that there are, lest a misspelled one stays."""
    for section in PAIRS:
        for pair, value in (patch.get(section) or {}).items():
            for end in ends(pair) if value is None else ():
                if end.partition("#")[0] not in names.pools["names"]:
                    yield Wrong((section, pair), f"no object {end!r}", nearest(end, names.pools["names"]), key=True)


def _blamed(wrong: Wrong, examined: _Examined, base: Where) -> Wrong:
    """A fault of the changed network, told of the change: where the pair or the value stands in it, or else the change itself."""
    origin = examined.lines.origin(wrong.path)
    if base and origin[: len(base)] == base:
        return replace(wrong, path=origin)
    if wrong.path[0] in PAIRS and len(wrong.path) > 1 and isinstance(wrong.path[1], int):
        who, _ = owner(wrong.path, examined.net)
        return replace(wrong, path=base, text=f"{who}: {wrong.text}", key=False)
    return replace(wrong, path=(*base, *wrong.path))


def _steps(data: Data, examined: _Examined, uses: list[Use], malformed: set[str | int]) -> Iterator[Wrong]:
    """Names in the steps, held against the network as it is by then; and what is wrong with it after each change."""
    scenario = data.get("scenario")
    current = examined
    for place, step in enumerate(scenario if isinstance(scenario, list) else []):
        if place in malformed or not isinstance(step, Mapping):
            continue
        if "change" in step:
            if current.network is None:
                return  # what the network would be from here on, nobody can say
            after = _after(current.net, current.lines, step["change"], ("scenario", place, "change"))
            yield from after.wrongs
            current = after if after.network is not None else current
        for use in uses:
            if use.path[:2] == ("scenario", place):
                yield from current.names.missing(use)


def _step(place: int, step: Data, lines: Locator) -> Step:
    kind = next(key for key in SECTIONS_OF_STEPS if key in step)
    return Step(place, lines.of(("scenario", place))[0], kind, step[kind], step.get("description", ""))
