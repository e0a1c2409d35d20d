"""The errors that cross a package's border; who is at fault decides the class (see CONTRIBUTING.md).

`TopologyError` is the user's input, `PeerError` a BGP peer, `SystemRefused` the machine. An `AssertionError` is ours, and nobody catches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DualhomeError(Exception):
    """Base of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Fault:
    """One thing wrong in a file: where, what was found, what would be right.

    `line` and `column` count from 1; 0 where the file as a whole is meant. `code`, `rule`, `on`: as a finding has them.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    code: str = ""  # of the finding that it is, where it is one of Azure's own refusals that have a code
    rule: str = ""
    on: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class TopologyError(DualhomeError):
    """The user's file is wrong; `faults` holds every fault that was found, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class RequestError(DualhomeError):
    """A question names what the network doesn't have, or what can't be asked; the message says what would be right."""


class NotSettled(DualhomeError):  # noqa: N818  # a state of the network and not a mistake of anybody's
    """The network didn't come to rest in the time given; says what was still going on."""


class SystemRefused(DualhomeError):  # noqa: N818  # said of the machine, whose fault it is
    """The machine refused, or lacks what is needed: a privilege, a kernel feature, a program, space. The message names it, and what would help."""


class PeerError(DualhomeError):
    """A peer broke the protocol: becomes a NOTIFICATION of this code and subcode (RFC 4271 section 6)."""

    def __init__(self, code: int, subcode: int, data: bytes = b"", reason: str = "") -> None:
        self.code, self.subcode, self.data, self.reason = code, subcode, data, reason
        super().__init__(f"{code}/{subcode} {reason}".rstrip())
