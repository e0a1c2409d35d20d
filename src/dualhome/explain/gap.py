"""What a stream of packets saw of an outage: between which instants its worst flow was lost, and which way it took before, meanwhile and after."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.forwarding.trace import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The longest interruption of one flow since something was done to the network. `after`: its way once packets arrive again; None while they don't."""

    source: str
    destination: str
    marked_us: int  # when it was done
    since_us: int
    until_us: int  # where packets don't arrive yet: the instant of asking
    before: Path | None
    during: Path
    after: Path | None
    flows: int
    flows_hit: int  # how many were interrupted at all

    @property
    def length_us(self) -> int:
        """How long the flow was interrupted."""
        return self.until_us - self.since_us
