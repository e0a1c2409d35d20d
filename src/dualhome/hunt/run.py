"""One seed from its beginning to its end: faults, rest, and the comparison with a fresh network. A failure is made smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from dualhome.bgp.speaker import Speaker
from dualhome.hunt.case import Case, Fault
from dualhome.hunt.draw import draw
from dualhome.hunt.rest import check_rest, unrest
from dualhome.hunt.talk import BrokenError
from dualhome.hunt.views import seen
from dualhome.hunt.world import World
from dualhome.net import Prefix
from dualhome.units import Instant, as_seconds, seconds

PATIENCE_S: Final = 900.0
"""How long after the last fault the network may take to come to rest: hold times, then pauses of a minute."""
STILL_S: Final = 2.0
"""How long nothing may have to happen before it counts as rest."""

State = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a seed. `faults` are those that were done; of a failure that was made smaller, those that it takes."""

    seed: int
    shape: str
    broken: str = ""  # what didn't hold; "" where all did
    at_s: float = 0.0
    faults: tuple[Fault, ...] = ()
    events: int = 0

    @property
    def command(self) -> str:
        """What replays it."""
        only = ",".join(str(fault.number) for fault in self.faults) or "none"
        return f"dualhome hunt --seed {self.seed} --only {only}"


def hunt(seed: int, only: frozenset[int] | None = None, tell: Callable[[str], None] | None = None) -> Outcome:
    """Run a seed, or some of its faults; no exception but those of the process itself."""
    case = draw(seed)
    return run_case(case if only is None else case.only(only), tell)


def run_case(case: Case, tell: Callable[[str], None] | None = None) -> Outcome:
    """Run a case; whatever a speaker raises is a failure, too."""
    world = World(case, tell)
    broken = ""
    try:
        world.start()
        world.run(case.ends)
        world.heal()
        _come_to_rest(world)
        fresh = World(replace(case, speakers={name: node.config for name, node in world.nodes.items()}, faults=(), ends=Instant(0)))
        fresh.start()
        _come_to_rest(fresh)
        _compare(world, fresh)
    except BrokenError as error:
        broken = str(error)
    except BaseException as error:  # a speaker that raises is as broken as one that errs, and a panic of the core is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        broken = f"{type(error).__name__}: {error}"
        if tell:
            import traceback

            tell(traceback.format_exc())
    return Outcome(seed=case.seed, shape=case.shape, broken=broken, at_s=as_seconds(world.now), faults=case.faults, events=world.events)


def shrink(outcome: Outcome) -> Outcome:
    """The same failure, or another of the same seed, with so few faults that it takes each of them."""
    best, again = outcome, True
    while again:
        again = False
        for fault in reversed(best.faults):
            tried = hunt(outcome.seed, frozenset(each.number for each in best.faults) - {fault.number})
            if tried.broken:
                best, again = tried, True
    return best


def _come_to_rest(world: World) -> None:
    """Wait until all sessions that should be up are, and nothing is under way; then look at all of it."""
    begun = world.now
    why = ""
    while world.now < begun + seconds(PATIENCE_S):
        world.run(world.now + seconds(STILL_S))
        why = unrest(world)
        if not why:
            version = _versions(world)
            world.run(world.now + seconds(STILL_S))
            if not unrest(world) and _versions(world) == version:
                check_rest(world)
                return
    raise BrokenError(f"no rest {PATIENCE_S:.0f} s after the last fault: {why or 'routes keep changing'}")


def _versions(world: World) -> list[int]:
    return [node.speaker.version() for node in world.nodes.values() if node.speaker]


def _compare(world: World, fresh: World) -> None:
    """What a network settled to hangs on its configuration alone."""
    for name in world.nodes:
        mine, theirs = world.nodes[name].speaker, fresh.nodes[name].speaker
        assert mine is not None
        assert theirs is not None
        alike = {peer: mine.peer_number(peer) for peer in mine.config.peers} == {
            peer: theirs.peer_number(peer) for peer in theirs.config.peers
        }
        found, wanted = _state(mine, alike), _state(theirs, alike)
        for what in found:
            if found[what] != wanted[what]:
                raise BrokenError(f"{name} has other {what} than in a fresh network: {_other(found[what], wanted[what])}")


def _state(speaker: Speaker, alike: bool) -> dict[str, set[object]]:
    """All that a speaker holds, by the names of peers. Which of many equal paths are used may hang on the peers' numbers, if nothing else does."""
    multipath = alike or speaker.config.multipath != 2
    names = {number: speaker.peer_name(number) for number in range(-1, 2 * len(speaker.config.peers) + 2)}
    routes = speaker.table()
    return {
        "routes": {(r.prefix, names.get(r.peer), seen(r), r.best, multipath and r.multipath, r.lost_in) for r in routes},
        "refused routes": {(r.prefix, names.get(r.peer), r.reason) for r in speaker.rejected()},
        "routes told": {
            (peer, r.prefix, seen(r)) for peer in speaker.config.peers if speaker.session(peer).peer_open for r in speaker.advertised(peer)
        },
    }


def _other(found: set[object], wanted: set[object]) -> str:
    def text(rows: Iterable[object]) -> str:
        return "; ".join(f"{Prefix(*row[0]) if len(row[0]) == 3 else row[0]} {row[1:]}" for row in sorted(rows, key=repr)[:2])  # type: ignore[index]

    return f"too many: {text(found - wanted) or 'none'}, missing: {text(wanted - found) or 'none'}"
