"""Time as integers: an `Instant` is microseconds since the start of a run, a `Duration` microseconds between two."""

from __future__ import annotations

from typing import NewType

Instant = NewType("Instant", int)
Duration = NewType("Duration", int)

MICROSECONDS = 1_000_000


def seconds(value: float) -> Duration:
    """A duration of so many seconds, to the microsecond."""
    return Duration(round(value * MICROSECONDS))


def after(start: Instant, wait: Duration) -> Instant:
    """The instant that lies `wait` after `start`."""
    return Instant(start + wait)


def between(start: Instant, end: Instant) -> Duration:
    """The time from `start` to `end`."""
    return Duration(end - start)


def as_seconds(value: int) -> float:
    """A duration or an instant as seconds."""
    return value / MICROSECONDS
