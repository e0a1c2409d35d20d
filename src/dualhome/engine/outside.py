"""What a live driver has and a simulation hasn't: speakers that are programs of somebody else's, transports that fill up, detection by real packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dualhome.engine.views import RouteView, SessionView
from dualhome.forwarding.world import RibHop
from dualhome.net import Address, Prefix


class Outside(Protocol):
    """The engine asks it for what it doesn't hold itself. With one, BFD is the driver's: it tells of what it finds by `events.Undetected`."""

    def foreign(self, speaker: str) -> bool:
        """Whether a program of somebody else's speaks for this node."""
        ...

    def expected(self, speaker: str, peer: str) -> bool:
        """Whether a foreign speaker, if it lives, will have this session up."""
        ...

    def learned(self, speaker: str, peer: str) -> list[RouteView]:
        """What a foreign speaker says it has from a peer; RequestError or SystemRefused where it can't be asked."""
        ...

    def instead(self, speaker: str, peer: str = "") -> str:
        """Who speaks there, and by which command its user asks it for its table, or for what it tells a peer."""
        ...

    def session(self, speaker: str, peer: str) -> SessionView:
        """A foreign speaker's side of a session."""
        ...

    def writable(self, speaker: str, peer: str) -> bool:
        """Whether the transport of this session takes more now."""
        ...

    def table(self, speaker: str) -> Sequence[tuple[Prefix, tuple[RibHop, ...]]]:
        """Routes of BGP that a foreign speaker has put into its kernel; the same object while they are the same."""
        ...

    def lookup(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """The longest match among them."""
        ...
