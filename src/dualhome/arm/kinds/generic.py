"""Types of which nothing is known: kept, and given back."""

from __future__ import annotations

from dualhome.arm.kinds.base import Kind


class Stored(Kind):
    """A resource that changes nothing in the network."""

    location = False

    def __init__(self, type_: str) -> None:
        self.type = type_  # type: ignore[misc]  # of a class with one type each, this one has many
        if type_.lower().startswith("microsoft.insights/"):
            self.created, self.at_once = 200, True  # type: ignore[misc]  # its clients take nothing else

    def __repr__(self) -> str:
        return f"Stored({self.type!r})"
