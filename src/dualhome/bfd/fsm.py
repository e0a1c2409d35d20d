"""The state machine of RFC 5880 section 6.2 as a total table: (state, kind of event) -> (diagnostic, next state).

A received packet is an event by the state that it carries. A state that stays keeps its diagnostic.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from dualhome.bfd.packet import Diagnostic, State


class Kind(Enum):
    """Kinds of events."""

    REMOTE_ADMIN_DOWN = auto()
    REMOTE_DOWN = auto()
    REMOTE_INIT = auto()
    REMOTE_UP = auto()
    DETECTION_EXPIRED = auto()  # no packet for the detection time (section 6.8.4)
    ENABLE = auto()
    DISABLE = auto()


KINDS: Final = {
    State.ADMIN_DOWN: Kind.REMOTE_ADMIN_DOWN,
    State.DOWN: Kind.REMOTE_DOWN,
    State.INIT: Kind.REMOTE_INIT,
    State.UP: Kind.REMOTE_UP,
}
"""By the state in a packet."""

Cell = tuple[Diagnostic, State]

_ADMIN, _DOWN, _INIT, _UP = State
_NONE, _EXPIRED = Diagnostic.NONE, Diagnostic.DETECTION_TIME_EXPIRED
_SIGNALED, _OFF = Diagnostic.NEIGHBOR_SIGNALED_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN

# One row a kind, one column a state: AdminDown, Down, Init, Up.
_ROWS: Final[Mapping[Kind, tuple[Cell, Cell, Cell, Cell]]] = {
    Kind.REMOTE_ADMIN_DOWN: ((_OFF, _ADMIN), (_NONE, _DOWN), (_SIGNALED, _DOWN), (_SIGNALED, _DOWN)),
    Kind.REMOTE_DOWN: ((_OFF, _ADMIN), (_NONE, _INIT), (_NONE, _INIT), (_SIGNALED, _DOWN)),
    Kind.REMOTE_INIT: ((_OFF, _ADMIN), (_NONE, _UP), (_NONE, _UP), (_NONE, _UP)),
    Kind.REMOTE_UP: ((_OFF, _ADMIN), (_NONE, _DOWN), (_NONE, _UP), (_NONE, _UP)),
    Kind.DETECTION_EXPIRED: ((_OFF, _ADMIN), (_NONE, _DOWN), (_EXPIRED, _DOWN), (_EXPIRED, _DOWN)),
    Kind.ENABLE: ((_NONE, _DOWN), (_NONE, _DOWN), (_NONE, _INIT), (_NONE, _UP)),
    Kind.DISABLE: ((_OFF, _ADMIN), (_OFF, _ADMIN), (_OFF, _ADMIN), (_OFF, _ADMIN)),
}

TABLE: Final[Mapping[tuple[State, Kind], Cell]] = MappingProxyType(
    {(state, kind): cell for kind, cells in _ROWS.items() for state, cell in zip(State, cells, strict=True)}
)
"""Every state on every kind of event."""
