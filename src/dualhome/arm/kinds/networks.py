"""Virtual networks, their subnets and peerings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.ranges import Network, addresses_in, canonical, network_of, overlap
from dualhome.arm.records import Record

NETWORKS: Final = "Microsoft.Network/virtualNetworks"
SPECIAL: Final = {
    "routeserversubnet": "RouteServerSubnet",
    "gatewaysubnet": "GatewaySubnet",
    "azurefirewallsubnet": "AzureFirewallSubnet",
    "azurebastionsubnet": "AzureBastionSubnet",
}
LARGEST_PREFIX: Final = {"routeserversubnet": 27, "gatewaysubnet": 29, "azurefirewallsubnet": 26, "azurebastionsubnet": 26}


def guid_of(record: Record, word: str = "") -> str:
    """resourceGuid, or another id of a resource: the same for its life."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.key}:{record.number}{word}"))


def space_of(record: Record) -> list[str]:
    """Its address ranges."""
    found: list[str] = (record.properties.get("addressSpace") or {}).get("addressPrefixes") or []
    return found


def ranges_of(subnet: Record | Data) -> list[str]:
    """A subnet's prefixes, by either property."""
    given = subnet.properties if isinstance(subnet, Record) else subnet
    return [each for each in [given.get("addressPrefix"), *(given.get("addressPrefixes") or [])] if each]


class VirtualNetwork(Kind):
    """R1, R15, R16."""

    type = NETWORKS
    embedded = {"subnets": "subnets", "virtualNetworkPeerings": "virtualNetworkPeerings"}
    handle = True
    in_use = (400, "InUseVirtualNetworkCannotBeDeleted")
    times = Times(create=4, update=4, delete=11)
    views = {"checkipaddressavailability": "availability", "usages": "usages"}

    def accept(self, call: Call) -> None:
        """Ranges that are some and don't overlap one another."""
        space = call.properties.get("addressSpace")
        given = space.get("addressPrefixes") if isinstance(space, dict) else None
        if not isinstance(space, dict) or not isinstance(given, list) or not given:
            raise bad_request(
                "InvalidRequestFormat", f"Virtual network {call.id.name} needs an addressSpace with at least one of addressPrefixes."
            )
        found = [canonical(each, call.text) for each in given]
        for place, each in enumerate(found):
            if any(overlap(each, other) for other in found[:place]):
                raise bad_request(
                    "VnetAddressPrefixesOverlap",
                    f"Address prefix {each} of virtual network {call.id.name} overlaps with another one of it.",
                )
        space["addressPrefixes"] = found
        call.properties.setdefault("enableDdosProtection", False)

    def accepted(self, call: Call, record: Record) -> None:
        """Subnets stay within; peers don't overlap (R15); what peers know of it is no more in sync (R16)."""
        records = call.context.records
        for subnet in records.children(record.id, "subnets"):
            _inside(record, subnet.name, ranges_of(subnet))
        if call.old is not None and set(space_of(call.old)) == set(space_of(record)):
            return
        for peering in records.children(record.id, "virtualNetworkPeerings"):
            if (remote := call.context.get((peering.properties.get("remoteVirtualNetwork") or {}).get("id"))) is not None:
                _check_overlap(call.context, record, remote)

    def leaves(self, context: Context, record: Record) -> None:
        """Peerings of others become Disconnected (R21), anything else that refers to it must go first."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        blocking = [each for each in users if not each.type.lower().endswith("/virtualnetworkpeerings")]
        if blocking:
            raise self.used_by(record, blocking)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Lists are there, even empty."""
        properties.setdefault("virtualNetworkPeerings", [])
        properties["resourceGuid"] = guid_of(record)

    async def availability(self, context: Context, record: Record, query: Data) -> Any:
        """CheckIPAddressAvailability?ipAddress=."""
        wanted = next((value for name, value in query.items() if name.lower() == "ipaddress"), "")
        for subnet in context.records.children(record.id, "subnets"):
            for prefix in ranges_of(subnet):
                network = network_of(prefix)
                free = list(addresses_in(network, used_in(context, subnet)))
                if wanted in map(str, network) if network.num_addresses < 4096 else _within(wanted, network):
                    return {"available": wanted in free, "availableIPAddresses": [] if wanted in free else free[:5]}
        raise bad_request(
            "PrivateIPAddressNotInAnySubnet",
            f"Private static IP address {wanted} does not belong to the range of any subnet in the virtual network {record.id}.",
        )

    async def usages(self, context: Context, record: Record, query: Data) -> Any:
        """How many addresses of each subnet are in use."""
        found = []
        for subnet in context.records.children(record.id, "subnets"):
            limit = sum(max(0, network_of(prefix).num_addresses - 5) for prefix in ranges_of(subnet))
            name = {"value": "SubnetSpace", "localizedValue": "Subnet size and usage"}
            found.append(
                {
                    "id": subnet.id,
                    "name": name,
                    "currentValue": float(len(used_in(context, subnet))),
                    "limit": float(limit),
                    "unit": "Count",
                }
            )
        return {"value": found}


def _within(text: str, network: Network) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def used_in(context: Context, subnet: Record) -> dict[str, str]:
    """Addresses in use in a subnet: address -> the record that has it."""
    found: dict[str, str] = {}
    for user in context.records.referrers(subnet.id):
        for part in [*(user.properties.get("ipConfigurations") or []), *(user.properties.get("frontendIPConfigurations") or [])]:
            properties = part.get("properties") or {}
            if key_of((properties.get("subnet") or {}).get("id", "")) == subnet.key and (address := properties.get("privateIPAddress")):
                found[str(address)] = user.id
        for address in (*user.private.get("addresses", ()), *user.private.get("router_ips", ())):
            found[str(address)] = user.id
    return found


def _inside(network: Record, name: str, prefixes: list[str]) -> None:
    for prefix in prefixes:
        wanted = network_of(prefix)
        if not any(wanted.version == known.version and wanted.subnet_of(known) for known in map(network_of, space_of(network))):  # type: ignore[arg-type]
            raise bad_request("NetcfgInvalidSubnet", f"Subnet '{name}' is not valid in virtual network '{network.name}'.")


class Subnet(Kind):
    """R2, R5 to R8, R13."""

    type = f"{NETWORKS}/subnets"
    in_use = (400, "InUseSubnetCannotBeDeleted")
    read_only = frozenset(
        ("ipConfigurations", "ipConfigurationProfiles", "privateEndpoints", "purpose", "resourceNavigationLinks", "serviceAssociationLinks")
    )
    times = Times(create=4, update=4, delete=11)

    def accept(self, call: Call) -> None:
        """Within the network, beside the others, large enough, and without what its name forbids."""
        given = call.properties
        network = call.context.require(call.id.above)
        found = [canonical(each, call.text) for each in ranges_of(given)]
        if not found:
            raise bad_request("InvalidRequestFormat", f"Subnet {call.id.name} needs an addressPrefix.")
        if given.get("addressPrefix"):
            given["addressPrefix"] = found[0]
        if given.get("addressPrefixes"):
            given["addressPrefixes"] = found[-len(given["addressPrefixes"]) :]
        _inside(network, call.id.name, found)
        self._beside(call, network, found)
        self._special(call, found)
        for reference, type_ in (
            ("routeTable", "routeTables"),
            ("networkSecurityGroup", "networkSecurityGroups"),
            ("natGateway", "natGateways"),
        ):
            if (target := call.reference(reference, type_=f"Microsoft.Network/{type_}")) is not None:
                given[reference] = {"id": target.id}
        if call.old is not None and set(ranges_of(call.old)) != set(found) and used_in(call.context, call.old):
            outside = [
                address for address in used_in(call.context, call.old) if not any(_within(address, network_of(each)) for each in found)
            ]
            if outside:
                raise bad_request(
                    "InUsePrefixCannotBeDeleted",
                    f"IpPrefix of subnet {call.id.name} has active allocations ({', '.join(outside[:3])}) and cannot be deleted.",
                )
        given.setdefault("privateEndpointNetworkPolicies", "Disabled")
        given.setdefault("privateLinkServiceNetworkPolicies", "Enabled")

    def _beside(self, call: Call, network: Record, found: list[str]) -> None:
        others = [each for each in call.context.records.children(network.id, "subnets") if each.key != call.id.key]
        for other in others:
            if any(overlap(mine, theirs) for mine in found for theirs in ranges_of(other)):
                raise bad_request(
                    "NetcfgSubnetRangesOverlap",
                    f"Subnet '{call.id.name}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{network.name}'.",
                )

    def _special(self, call: Call, found: list[str]) -> None:
        name = call.id.name.lower()
        longest = LARGEST_PREFIX.get(name, 29)
        for prefix in map(network_of, found):
            if prefix.version == 4 and prefix.prefixlen > longest:
                raise bad_request(
                    "NetcfgInvalidSubnet" if name not in SPECIAL else "InvalidSubnetSize",
                    f"Subnet '{call.id.name}' with prefix {prefix} is too small: /{longest} or larger is wanted.",
                )
        if name == "routeserversubnet":
            for reference, what in (("networkSecurityGroup", "Network security group"), ("routeTable", "Route table")):
                if reference in call.properties:
                    raise bad_request(
                        f"{what.title().replace(' ', '')}CannotBeAttachedToRouteServerSubnet",
                        f"{what} {call.properties[reference].get('id')} cannot be associated with subnet {call.text}: RouteServerSubnet takes none.",
                    )
        if name == "gatewaysubnet" and (table := call.reference("routeTable")) is not None:
            check_gateway_table(call.context, table, call.text)

    def leaves(self, context: Context, record: Record) -> None:
        """409 or 400 while something is in it."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise ArmError(
                400,
                "InUseSubnetCannotBeDeleted",
                f"Subnet {record.name} is in use by {users[0].id} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet.",
            )

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Who is in it."""
        listed = []
        for user in context.records.referrers(record.id):
            for part in user.properties.get("ipConfigurations") or []:
                if key_of(((part.get("properties") or {}).get("subnet") or {}).get("id", "")) == record.key:
                    listed.append({"id": f"{user.id}/ipConfigurations/{part['name']}"})
            if user.type.lower() == "microsoft.network/virtualhubs/ipconfigurations":
                listed.append({"id": user.id})
        if listed:
            properties["ipConfigurations"] = listed
        properties.setdefault("delegations", [])


def check_gateway_table(context: Context, table: Record, by: str) -> None:
    """R13: GatewaySubnet keeps its gateway routes, and has no route for everything.

    Raises:
        ArmError: 400.
    """
    if table.properties.get("disableBgpRoutePropagation"):
        raise bad_request(
            "GatewaySubnetCannotHaveDisableBgpRoutePropagation",
            f"Route table {table.id} with disableBgpRoutePropagation cannot be associated with {by}.",
        )
    if any(route.properties.get("addressPrefix") == "0.0.0.0/0" for route in context.records.children(table.id, "routes")):
        raise bad_request(
            "GatewaySubnetUserDefinedRouteNotAllowed",
            f"Route table {table.id} has a route for 0.0.0.0/0, which cannot be associated with {by}.",
        )


class Peering(Kind):
    """R20 to R42: one direction."""

    type = f"{NETWORKS}/virtualNetworkPeerings"
    read_only = frozenset(
        (
            "peeringSyncLevel",
            "remoteVirtualNetworkAddressSpace",
            "localVirtualNetworkAddressSpace",
            "localAddressSpace",
            "remoteVirtualNetworkEncryption",
        )
    )
    times = Times(create=11, update=11, delete=11)

    def accept(self, call: Call) -> None:
        """The two don't overlap, are peered once, and flags fit what they have (R15, R22, R29 to R32)."""
        given, context = call.properties, call.context
        local = context.require(call.id.above)
        remote = call.reference("remoteVirtualNetwork", type_=NETWORKS)
        if remote is None:
            raise bad_request("InvalidRequestFormat", f"Peering {call.id.name} needs remoteVirtualNetwork.")
        if remote.key == local.key:
            raise bad_request("VnetCannotBePeeredWithItself", f"Virtual network {local.id} cannot be peered with itself.")
        self._once(call, local, remote)
        _check_overlap(context, local, remote)
        for flag, default in (
            ("allowVirtualNetworkAccess", True),
            ("allowForwardedTraffic", False),
            ("allowGatewayTransit", False),
            ("useRemoteGateways", False),
        ):
            if not isinstance(given.setdefault(flag, default), bool):
                raise bad_request("InvalidRequestFormat", f"Cannot parse the request: {flag} of {call.text} is true or false.")
        given.setdefault("doNotVerifyRemoteGateways", False)
        given.setdefault("peerCompleteVnets", True)
        if given["useRemoteGateways"]:
            self._remote_gateways(call, local, remote)
        self._knows(call, remote)
        given.pop("peeringState", None)

    def _once(self, call: Call, local: Record, remote: Record) -> None:
        for other in call.context.records.children(local.id, "virtualNetworkPeerings"):
            if other.key != call.id.key and key_of(other.properties["remoteVirtualNetwork"]["id"]) == remote.key:
                raise bad_request(
                    "AnotherPeeringAlreadyReferencesRemoteVnet",
                    f"Peering {call.text} cannot be created or updated because there is another peering {other.id} with status {state_of(call.context, other)} "
                    f"already referencing remote virtual network {remote.id}.",
                )
        if call.old is not None and key_of(call.old.properties["remoteVirtualNetwork"]["id"]) != remote.key:
            raise bad_request("CannotUpdateRemoteVirtualNetwork", f"The remote virtual network of peering {call.text} cannot be changed.")

    def _remote_gateways(self, call: Call, local: Record, remote: Record) -> None:
        context = call.context
        for other in context.records.children(local.id, "virtualNetworkPeerings"):
            if other.key != call.id.key and other.properties.get("useRemoteGateways"):
                raise bad_request(
                    "PeeringCannotHaveUseRemoteGatewaysFlag",
                    f"Peering {call.text} cannot have UseRemoteGateways flag set to true, because another peering {other.id} already has UseRemoteGateways flag set to true.",
                )
        if gateways_in(context, local):
            raise bad_request(
                "VnetHasGatewaysAndUseRemoteGateways",
                f"Peering {call.text} cannot have UseRemoteGateways flag set to true, because virtual network {local.id} has a gateway or a route server of its own.",
            )
        if not gateways_in(context, remote) and not call.properties.get("doNotVerifyRemoteGateways"):
            raise bad_request(
                "RemoteVnetHasNoGateways",
                f"Peering {call.text} cannot have UseRemoteGateway flag set to true because remote virtual network "
                f"{remote.id} referenced by the peering does not have any gateways.",
            )
        mirror = mirror_of(context, call.id.above, remote)
        if mirror is not None and not mirror.properties.get("allowGatewayTransit"):
            raise bad_request(
                "RemotePeeringDoesNotAllowGatewayTransit",
                f"Peering {call.text} cannot have UseRemoteGateways flag set to true, because corresponding remote peering "
                f"{mirror.id} does not have AllowGatewayTransit flag set to true.",
            )

    def _knows(self, call: Call, remote: Record) -> None:
        """remoteAddressSpace: what this side knows of the remote's ranges; asked for by ?syncRemoteAddressSpace=true, or when it is made (R16)."""
        sync = any(name.lower() == "syncremoteaddressspace" and value.lower() == "true" for name, value in call.query.items())
        if call.old is None or sync:
            call.properties["remoteAddressSpace"] = {"addressPrefixes": list(space_of(remote))}
        else:
            call.properties["remoteAddressSpace"] = call.old.properties["remoteAddressSpace"]

    def accepted(self, call: Call, record: Record) -> None:
        """Both are Connected where both are there; one that was Disconnected must be made anew (R20, R21)."""
        remote = call.context.require(record.properties["remoteVirtualNetwork"]["id"])
        mirror = mirror_of(call.context, call.id.above, remote)
        records = call.context.records
        if mirror is not None and call.old is None:
            records.put(replace(mirror, private={**mirror.private, "disconnected": False}))
            records.put(replace(record, private={**record.private, "disconnected": False}))

    def leaves(self, context: Context, record: Record) -> None:
        """The mirror is Disconnected from now on (R21). Refused while the mirror uses this side's gateways... that one keeps its flag and has no use of it."""
        remote = context.get(record.properties["remoteVirtualNetwork"]["id"])
        mirror = mirror_of(context, record.parsed.above, remote) if remote is not None else None
        if mirror is not None and mirror.key not in context.going:
            context.records.put(replace(mirror, private={**mirror.private, "disconnected": True}))

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """State and sync level."""
        properties["peeringState"] = state_of(context, record)
        properties["peeringSyncLevel"] = sync_of(context, record)
        remote = context.get(record.properties["remoteVirtualNetwork"]["id"])
        current = space_of(remote) if remote else properties["remoteAddressSpace"]["addressPrefixes"]
        properties["remoteVirtualNetworkAddressSpace"] = {"addressPrefixes": list(current)}
        properties["resourceGuid"] = guid_of(record)


def mirror_of(context: Context, local: str, remote: Record) -> Record | None:
    """The remote's peering back to a virtual network. Of a hub with many it is looked for among those that refer to the spoke."""
    wanted, beneath = key_of(local), f"{remote.key}/virtualnetworkpeerings/"
    near = context.records.children(remote.id, "virtualNetworkPeerings")
    if len(near) > 8:
        near = [each for each in context.records.referrers(local) if each.key.startswith(beneath)]
    return next((each for each in near if key_of(each.properties["remoteVirtualNetwork"]["id"]) == wanted), None)


def state_of(context: Context, record: Record) -> str:
    """peeringState (R20, R21)."""
    remote = context.get(record.properties["remoteVirtualNetwork"]["id"])
    above = record.parsed.parent
    if record.private.get("disconnected") or (remote is None and record.private.get("connected")):
        return "Disconnected"
    if remote is None or above is None:
        return "Disconnected"
    mirror = mirror_of(context, above.text, remote)
    return "Connected" if mirror is not None and not mirror.private.get("disconnected") else "Initiated"


def sync_of(context: Context, record: Record) -> str:
    """peeringSyncLevel (R16)."""
    above = record.parsed.parent
    remote = context.get(record.properties["remoteVirtualNetwork"]["id"])
    local = context.get(above.text) if above else None
    if remote is None or local is None:
        return "FullyInSync"
    mirror = mirror_of(context, local.id, remote)
    knows = set(record.properties["remoteAddressSpace"]["addressPrefixes"]) == set(space_of(remote))
    known = mirror is None or set(mirror.properties["remoteAddressSpace"]["addressPrefixes"]) == set(space_of(local))
    if knows:
        return "FullyInSync" if known else "LocalNotInSync"
    return "RemoteNotInSync" if known else "LocalAndRemoteNotInSync"


def gateways_in(context: Context, network: Record) -> list[Record]:
    """Gateways and route servers whose subnet is in a virtual network (R31, R32)."""
    found = []
    for subnet in context.records.children(network.id, "subnets"):
        if subnet.name.lower() in ("gatewaysubnet", "routeserversubnet"):
            users = context.records.referrers(subnet.id)
            found += [
                each
                for each in users
                if each.type.lower() in ("microsoft.network/virtualnetworkgateways", "microsoft.network/virtualhubs/ipconfigurations")
            ]
    return found


def _check_overlap(context: Context, local: Record, remote: Record) -> None:
    """R15, both codes."""
    if _overlaps(local, remote):
        raise bad_request(
            "VnetAddressSpacesOverlap",
            f"Cannot create or update peering between {local.id} and {remote.id} because their address spaces overlap: "
            f"{', '.join(space_of(local))} and {', '.join(space_of(remote))}.",
        )
    for here, there in ((local, remote), (remote, local)):
        for other in _peers(context, here):
            if other.key not in (there.key, here.key) and _overlaps(other, there):
                raise bad_request(
                    "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
                    f"Address space of the virtual network {there.id} overlaps with that of {other.id}, which is already peered with {here.id}.",
                )


def _peers(context: Context, network: Record) -> Iterator[Record]:
    for peering in context.records.children(network.id, "virtualNetworkPeerings"):
        if (remote := context.get(peering.properties["remoteVirtualNetwork"]["id"])) is not None:
            yield remote


def _overlaps(a: Record, b: Record) -> bool:
    return any(overlap(mine, theirs) for mine in space_of(a) for theirs in space_of(b))


KINDS = (VirtualNetwork(), Subnet(), Peering())
