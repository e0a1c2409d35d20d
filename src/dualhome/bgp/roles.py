"""Roles of the two ends of a session (RFC 9234 section 4)."""

from __future__ import annotations

from typing import Final

from dualhome._core import OpenMessage
from dualhome.errors import PeerError

CAPABILITY: Final = 9
VALUES: Final = {"provider": 0, "rs": 1, "rs-client": 2, "customer": 3, "peer": 4}
_NAMES: Final = {value: name for name, value in VALUES.items()}
_OTHER_END: Final = {"provider": "customer", "customer": "provider", "rs": "rs-client", "rs-client": "rs", "peer": "peer"}


def judge_role(message: OpenMessage, ours: str | None, strict: bool) -> None:
    """Whether the peer's role fits ours.

    Raises:
        PeerError: another one than ours asks for, several that differ, or none where that is not let (2/11).

    Source: RFC 9234 section 4.2.
    """
    if ours is None:
        return
    said = {value for code, value in message.capabilities if code == CAPABILITY}
    if not said:
        if strict:
            raise PeerError(2, 11, reason=f"we are its {ours}, and the peer names no role")
        return
    wanted = _OTHER_END[ours]
    if said != {bytes([VALUES[wanted]])}:
        theirs = ", ".join(sorted(_NAMES.get(value[0], str(value[0])) if len(value) == 1 else value.hex() for value in said))
        raise PeerError(2, 11, reason=f"we are its {ours}, so it is our {wanted}; it says: {theirs}")
