"""What a live driver has and a simulation hasn't: speakers that are programs of somebody else's, transports that fill up, detection by real packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dualhome.engine.views import SessionView
from dualhome.forwarding.world import RibHop
from dualhome.net import Address, Prefix


class Outside(Protocol):
    """The engine asks it for what it doesn't hold itself. With one, BFD is the driver's: it tells of what it finds by `events.Undetected`."""

    def foreign(self, speaker: str) -> bool:
        """Whether a program of somebody else's speaks for this node."""
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
