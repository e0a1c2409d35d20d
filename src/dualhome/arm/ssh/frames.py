"""What comes of a command that runs in a machine, on the wire: frames of a channel, a length, so many bytes. Both sides read it here."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

HEAD: Final = struct.Struct(">BI")


class Channel(IntEnum):
    """What a frame holds: the session's token, which comes first; output; what was written on standard error; the exit code, which comes last."""

    TOKEN, OUT, ERR, CODE = range(4)


def frame(channel: Channel, data: bytes) -> bytes:
    """Channel, length, bytes."""
    return HEAD.pack(channel, len(data)) + data
