"""Route tables and their routes (R52 to R54)."""

from __future__ import annotations

from typing import Final

from dualhome.arm.errors import bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind
from dualhome.arm.kinds.networks import check_gateway_table, guid_of
from dualhome.arm.kinds.ranges import address, canonical
from dualhome.arm.records import Record

TABLES: Final = "Microsoft.Network/routeTables"
HOPS: Final = {
    each.lower(): each for each in ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "VirtualApplianceEcmp", "None")
}


class RouteTable(Kind):
    """A table that subnets refer to."""

    type = TABLES
    embedded = {"routes": "routes"}
    in_use = (400, "InUseRouteTableCannotBeDeleted")
    read_only = frozenset(("subnets",))

    def accept(self, call: Call) -> None:
        """disableBgpRoutePropagation is not for GatewaySubnet (R13)."""
        call.properties.setdefault("disableBgpRoutePropagation", False)
        peering = str(call.properties.setdefault("disablePeeringRoute", "None"))
        if peering.lower() not in ("none", "all"):
            raise bad_request("InvalidRequestFormat", f"disablePeeringRoute of {call.text} is None or All, not {peering}.")

    def accepted(self, call: Call, record: Record) -> None:
        """What refers to it still may."""
        for user in call.context.records.referrers(record.id):
            if user.name.lower() == "gatewaysubnet" and key_of(user.properties["routeTable"]["id"]) == record.key:
                check_gateway_table(call.context, record, user.id)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """The subnets that have it."""
        users = [{"id": each.id} for each in context.records.referrers(record.id) if each.type.lower().endswith("/subnets")]
        if users:
            properties["subnets"] = users
        properties["resourceGuid"] = guid_of(record)


class Route(Kind):
    """A user-defined route."""

    type = f"{TABLES}/routes"
    read_only = frozenset(("hasBgpOverride",))

    def accept(self, call: Call) -> None:
        """A type that users may set, with a next hop where it takes one, and no second route for the prefix (R52, R54)."""
        given = call.properties
        prefix = given.get("addressPrefix")
        if not isinstance(prefix, str):
            raise bad_request("InvalidRequestFormat", f"Route {call.id.name} needs an addressPrefix.")
        if prefix[:1].isdigit() or ":" in prefix:
            given["addressPrefix"] = canonical(prefix, call.text)
        kind = HOPS.get(str(given.get("nextHopType", "")).lower())
        if kind is None:
            raise bad_request(
                "InvalidRequestFormat",
                f"nextHopType of route {call.id.name} is one of {', '.join(HOPS.values())}, not {given.get('nextHopType')}.",
            )
        given["nextHopType"] = kind
        self._next_hop(call, kind)
        for other in call.context.records.children(call.id.above, "routes"):
            if other.key != call.id.key and other.properties["addressPrefix"].lower() == given["addressPrefix"].lower():
                raise bad_request(
                    "RouteConflict",
                    f"Routes cannot have the same AddressPrefix: {call.id.name} and {other.name} of {call.id.above} both have {prefix}.",
                )

    def _next_hop(self, call: Call, kind: str) -> None:
        given = call.properties
        if kind == "VirtualAppliance":
            if not given.get("nextHopIpAddress"):
                raise bad_request("InvalidRouteNextHop", f"Route {call.id.name} of type VirtualAppliance needs nextHopIpAddress.")
            given["nextHopIpAddress"] = address(given["nextHopIpAddress"], call.text)
        elif given.pop("nextHopIpAddress", None):
            raise bad_request("RouteCannotHaveNextHopIpAddress", f"Route {call.id.name} of type {kind} takes no nextHopIpAddress.")
        if kind == "VirtualApplianceEcmp":
            hops = (given.get("nextHop") or {}).get("nextHopIpAddresses")
            if not isinstance(hops, list) or not 2 <= len(hops) <= 64:
                raise bad_request(
                    "InvalidRouteNextHop", f"Route {call.id.name} of type VirtualApplianceEcmp needs 2 to 64 nextHop.nextHopIpAddresses."
                )
            given["nextHop"] = {"nextHopIpAddresses": [address(each, call.text) for each in hops]}

    def accepted(self, call: Call, record: Record) -> None:
        """A default route is not for GatewaySubnet (R13)."""
        table = call.context.require(call.id.above)
        for user in call.context.records.referrers(table.id):
            if user.name.lower() == "gatewaysubnet":
                check_gateway_table(call.context, table, user.id)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Read-only."""
        properties["hasBgpOverride"] = False


KINDS = (RouteTable(), Route())
