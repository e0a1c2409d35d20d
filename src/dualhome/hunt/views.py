"""Routes as the core shows them, and as the hunt's own forms have them, side by side."""

from __future__ import annotations

from collections.abc import Iterable

from dualhome._core import Route
from dualhome.hunt import oracle
from dualhome.hunt.decision import Decision
from dualhome.hunt.oracle import Path, Source
from dualhome.hunt.talk import Session
from dualhome.hunt.wire import Attributes

Visible = tuple[object, ...]


def shown(a: Attributes) -> Visible:
    """What a `Route` shows of attributes."""
    return (
        a.next_hop,
        a.as_path,
        oracle.ORIGINS[a.origin],
        a.med,
        a.local_preference,
        tuple(sorted(map(oracle.community_text, a.communities))),
        tuple(":".join(map(str, each)) for each in a.large_communities),
    )


def seen(route: Route) -> Visible:
    """The same of a route of the core's; its weight is last."""
    return (
        route.next_hop,
        _path(route.as_path),
        route.origin,
        route.med,
        route.local_preference,
        tuple(sorted(route.communities)),
        tuple(route.large_communities),
        route.weight,
    )


def visible(path: Path) -> Visible:
    """The same of a path of ours."""
    found = list(shown(path.attributes))
    found[4] = 100 if found[4] is None else found[4]
    return (*found, path.weight)


def on_the_wire(visible: Visible, session: Session) -> Visible:
    """Without LOCAL_PREF, which external peers are not told."""
    return (*visible[:4], None, *visible[5:]) if session.agreed.ebgp else visible


def decided(routes: Iterable[Route]) -> Decision:
    """As the RIB has it."""
    all_ = list(routes)
    return Decision(
        best=next((route.peer for route in all_ if route.best), None),
        multipath=frozenset(route.peer for route in all_ if route.multipath),
        lost_in={route.peer: route.lost_in for route in all_ if route.lost_in},
    )


def _path(text: str) -> tuple[int | frozenset[int], ...]:
    """A path as the core writes it; a set in braces."""
    return tuple(frozenset(map(int, word[1:-1].split(","))) if word[0] == "{" else int(word) for word in text.split())


def believed(route: Route, source: Source) -> Path:
    """A path as the RIB has it."""
    attributes = Attributes(
        next_hop=route.next_hop,
        as_path=_path(route.as_path),
        origin=oracle.ORIGINS.index(route.origin),
        med=route.med,
        local_preference=route.local_preference,
        communities=tuple(sorted(map(oracle.community_number, route.communities))),
        large_communities=tuple(sorted(tuple(map(int, text.split(":"))) for text in route.large_communities)),
    )
    return Path(source=source, attributes=attributes, weight=route.weight, exact=False)
