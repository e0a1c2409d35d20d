"""Programs that speak for a node: started in its namespace, watched, ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dualhome.live.layout import Node
from dualhome.live.place import Place
from dualhome.plan import Plan


class Program(Protocol):
    """One node's, maybe several processes."""

    @property
    def running(self) -> bool: ...  # noqa: D102
    def start(self) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102
    def states(self) -> Mapping[str, str]:
        """By peer, the state of the session as RFC 4271 calls it."""
        ...


def program_for(plan: Plan, node: Node, place: Place) -> Program | None:
    """The program that a node's runtime names; None for one that is the user's own."""
    raise NotImplementedError
