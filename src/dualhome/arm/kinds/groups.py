"""Resource groups."""

from __future__ import annotations

from dualhome.arm.errors import bad_request
from dualhome.arm.ids import GROUPS
from dualhome.arm.kinds.base import Call, Context, Kind, Times
from dualhome.arm.records import Record


class ResourceGroup(Kind):
    """A group: deleting it deletes all that it holds."""

    type = GROUPS
    has_etag = False
    times = Times(create=1, update=1, delete=20)
    top = frozenset(("managedBy",))

    def accept(self, call: Call) -> None:
        """The location of a group can't be changed."""
        wanted = str(call.body["location"])
        if call.old is not None and _plain(str(call.old.body["location"])) != _plain(wanted):
            raise bad_request(
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{wanted}'. The Resource group already exists in location '{call.old.body['location']}'.",
            )

    def leaves(self, context: Context, record: Record) -> None:
        """Whoever refers to a group as such goes with it, or doesn't mind."""


def _plain(location: str) -> str:
    return location.lower().replace(" ", "")


KINDS = (ResourceGroup(),)
