"""Virtual network gateways and local network gateways."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dualhome.app import azure
from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.addresses import free_public
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.networks import NETWORKS, guid_of, ranges_of, used_in
from dualhome.arm.kinds.ranges import address, canonical, free_in, network_of
from dualhome.arm.records import Record
from dualhome.errors import DualhomeError

if TYPE_CHECKING:
    from dualhome.arm.backend import Running
    from dualhome.arm.world import World

GATEWAYS: Final = "Microsoft.Network/virtualNetworkGateways"
SKUS: Final = {
    "Vpn": ("Basic", "Standard", "HighPerformance", *(f"VpnGw{size}{zone}" for zone in ("", "AZ") for size in range(1, 6))),
    "ExpressRoute": ("Standard", "HighPerformance", "UltraPerformance", "ErGw1AZ", "ErGw2AZ", "ErGw3AZ", "ErGwScale"),
}
TYPES: Final = {"vpn": "Vpn", "expressroute": "ExpressRoute", "localgateway": "LocalGateway"}


class Gateway(Kind):
    """A VPN or ExpressRoute gateway: two instances in a GatewaySubnet (R12, R14)."""

    type = GATEWAYS
    handle = True
    parts = ("ipConfigurations",)
    in_use = (400, "VirtualNetworkGatewayCannotBeDeleted")
    times = Times(create=1500, update=300, delete=600)
    actions = {
        "getbgppeerstatus": "peers",
        "getlearnedroutes": "learned",
        "getadvertisedroutes": "advertised",
        "reset": "reset",
        "supportedvpndevices": "devices",
        "startsitefailovertest": "start_drill",
        "stopsitefailovertest": "stop_drill",
    }
    views = {"connections": "connections"}

    def accept(self, call: Call) -> None:
        """In a GatewaySubnet, one of a type in a virtual network, with the ASN that it may have."""
        given = call.properties
        kind = TYPES.get(str(given.get("gatewayType", "")).lower())
        if kind is None:
            raise bad_request("InvalidRequestFormat", f"gatewayType of {call.text} is Vpn or ExpressRoute, not {given.get('gatewayType')}.")
        given["gatewayType"] = kind
        subnet = self._subnet(call)
        self._one_of_a_type(call, kind, subnet)
        self._stays(call, kind, subnet)
        self._sku(call, kind)
        given.setdefault("vpnType", "RouteBased")
        given.setdefault("enableBgp", False)
        given["activeActive"] = bool(given.get("activeActive", False))
        for part in given["ipConfigurations"]:
            if kind == "Vpn" and not part["properties"].get("publicIPAddress"):
                raise bad_request(
                    "InvalidRequestFormat", f"ipConfiguration {part['name']} of VPN gateway {call.id.name} needs a publicIPAddress."
                )
        if kind == "Vpn" and given["activeActive"] and len(given["ipConfigurations"]) < 2:
            raise bad_request(
                "ActiveActiveGatewayNeedsTwoIpConfigurations", f"Gateway {call.text} with activeActive needs two ipConfigurations."
            )
        bgp = given.setdefault("bgpSettings", {})
        asn = bgp.setdefault("asn", 65515)
        if (
            not isinstance(asn, int)
            or not 0 < asn < 4294967295
            or asn in (8074, 8075, 12076, 23456)
            or (kind == "ExpressRoute" and asn != 65515)
        ):
            raise bad_request("InvalidAsn", f"The ASN {asn} of gateway {call.text} cannot be used.")
        bgp.setdefault("peerWeight", 0)
        self._addresses(call, subnet)

    def _stays(self, call: Call, kind: str, subnet: Record) -> None:
        """Its type and its virtual network are settled when it is made."""
        if call.old is None:
            return
        before = call.old.properties["ipConfigurations"][0]["properties"]["subnet"]["id"]
        if call.old.properties["gatewayType"] != kind or key_of(before) != subnet.key:
            raise bad_request(
                "PropertyChangeNotAllowed",
                f"gatewayType and subnet of gateway {call.id.name} cannot be changed; delete it and create another.",
            )

    def _sku(self, call: Call, kind: str) -> None:
        """One that there is, for gateways of its type."""
        sku = call.properties.setdefault("sku", {})
        given = str(sku.setdefault("name", "VpnGw1AZ" if kind == "Vpn" else "ErGw1AZ"))
        known = {each.lower(): each for each in (*SKUS["Vpn"], *SKUS["ExpressRoute"])}
        if given.lower() not in known:
            listed = ",".join(dict.fromkeys(known.values()))
            raise bad_request(
                "InvalidGatewaySize", f"The specified gateway size {given} is not valid, supported gateway sizes are {listed}."
            )
        sku["name"] = known[given.lower()]
        if kind in SKUS and sku["name"] not in SKUS[kind]:
            raise bad_request(
                "InvalidGatewaySkuSpecifiedForGatewayDeploymentType",
                f"Virtual network gateway Sku {given} specified is not valid for gateway {call.text} of type {kind}. "
                f"The allowed Skus are {','.join(SKUS[kind])}.",
            )
        sku.setdefault("tier", sku["name"])

    def _subnet(self, call: Call) -> Record:
        parts = call.properties.get("ipConfigurations")
        if not parts:
            raise bad_request("InvalidRequestFormat", f"Gateway {call.id.name} needs ipConfigurations.")
        found = None
        for part in parts:
            values, by = part["properties"], f"{call.text}/ipConfigurations/{part['name']}"
            subnet = call.context.referred(values.get("subnet"), by, f"{NETWORKS}/subnets")
            if subnet.name.lower() != "gatewaysubnet":
                raise bad_request(
                    "InvalidSubnetName", f"Gateway {call.id.name} must be in a subnet named GatewaySubnet, not {subnet.name}."
                )
            values["subnet"] = {"id": subnet.id}
            values.setdefault("privateIPAllocationMethod", "Dynamic")
            if (public := values.get("publicIPAddress")) is not None:
                values["publicIPAddress"] = {"id": free_public(call.context, str(public.get("id")), by, call.text).id}
            if found is not None and found.key != subnet.key:
                raise bad_request(
                    "IpConfigurationsNotInSameSubnet", f"The ipConfigurations of gateway {call.id.name} must be in one GatewaySubnet."
                )
            found = subnet
        addresses = [key_of(each["properties"]["publicIPAddress"]["id"]) for each in parts if "publicIPAddress" in each["properties"]]
        if len(set(addresses)) < len(addresses):
            raise bad_request(
                "PublicIPAddressInUse", f"Two ipConfigurations of gateway {call.id.name} are referencing the same public IP address."
            )
        assert found is not None, "there is one at least"
        return found

    def _one_of_a_type(self, call: Call, kind: str, subnet: Record) -> None:
        for other in call.context.records.referrers(subnet.id):
            if other.key != call.id.key and other.type == GATEWAYS and other.properties.get("gatewayType") == kind:
                raise bad_request(
                    "VirtualNetworkGatewayAlreadyExists",
                    f"Virtual network {subnet.parsed.above} has a gateway of type {kind} already: {other.id}.",
                )
        network = call.context.require(subnet.parsed.above)
        peerings = call.context.records.children(network.id, "virtualNetworkPeerings")
        if using := next((each for each in peerings if each.properties.get("useRemoteGateways")), None):
            raise bad_request(
                "VnetHasGatewaysAndUseRemoteGateways",
                f"Virtual network {network.id} cannot have a gateway while its peering {using.id} has UseRemoteGateways set.",
            )

    def _addresses(self, call: Call, subnet: Record) -> None:
        """R14: the lowest free addresses, kept for good."""
        if call.private.get("addresses"):
            return
        taken = used_in(call.context, subnet)
        free = free_in([network_of(ranges_of(subnet)[0])], taken, 2)
        if len(free) < 2:
            raise bad_request(
                "SubnetIsFull",
                f"Subnet {subnet.name} with address prefix {ranges_of(subnet)[0]} does not have enough capacity for 2 IP addresses.",
            )
        call.private["addresses"] = free

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """bgpSettings as the service fills them in."""
        own = list(record.private.get("addresses", ()))
        parts = properties["ipConfigurations"]
        both = properties["activeActive"]
        bgp = properties["bgpSettings"]
        bgp["bgpPeeringAddress"] = ",".join(own if both else own[:1])
        custom = {
            key_of(each.get("ipconfigurationId", "")): each.get("customBgpIpAddresses") or []
            for each in record.properties["bgpSettings"].get("bgpPeeringAddresses") or []
        }
        bgp["bgpPeeringAddresses"] = [
            {
                "ipconfigurationId": part["id"],
                "defaultBgpIpAddresses": [mine],
                "customBgpIpAddresses": custom.get(key_of(part["id"]), []),
                "tunnelIpAddresses": _public(context, part),
            }
            for part, mine in zip(parts, own, strict=False)
        ]
        for part, mine in zip(parts, own, strict=False):
            part["properties"]["privateIPAddress"] = mine
        properties.setdefault("enablePrivateIpAddress", False)
        properties["resourceGuid"] = guid_of(record)

    def leaves(self, context: Context, record: Record) -> None:
        """Not while it has connections."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise self.used_by(record, users)

    async def peers(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """getBgpPeerStatus (R193)."""
        wanted = _query(query, "peer")
        return await told(context, record, lambda run, name: _only(azure.peers(run, name), "neighbor", wanted))

    async def learned(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """getLearnedRoutes (R193)."""
        return await told(context, record, lambda run, name: azure.speaker(run, name))

    async def advertised(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """getAdvertisedRoutes?peer= (R193)."""
        wanted = _query(query, "peer")
        if not wanted:
            raise bad_request("MissingQueryParameter", f"getAdvertisedRoutes of {record.id} needs ?peer=, the address of a BGP peer.")

        def ask(run: Running, name: str) -> Any:
            peers = dict.fromkeys(view.peer for view in run.sessions(name) if view.peer_address == wanted)
            if not peers:
                raise bad_request("VpnGatewayBgpPeerNotFound", f"Gateway {record.id} has no BGP peer {wanted}.")
            found = [row for peer in peers for row in azure.advertised(run, f"{name}/{peer}")["value"]]  # type: ignore[attr-defined]  # a list
            return {"value": found}

        return await told(context, record, ask)

    async def reset(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """Its sessions end, and come up again; the answer is the gateway."""
        name = context.network.name_of(record.key)
        if name:
            await context.network.drill(f"{name}#0")
            await context.network.undo([f"{name}#0"])
        return record

    async def devices(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """There are none to name."""
        return "<VpnDevices/>"

    async def start_drill(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """A failover test of an ExpressRoute gateway: connections of a peering location fail until it is stopped."""
        for target in _drilled(context, record, _query(query, "peeringLocation")):
            await context.network.drill(target)
        return "Succeeded"

    async def stop_drill(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """The end of it."""
        where = (body or {}).get("peeringLocation") or _query(query, "peeringLocation")
        await context.network.undo(_drilled(context, record, str(where or "")))
        return "Succeeded"

    async def connections(self, context: Context, record: Record, query: Data) -> Any:
        """Those that begin or end here."""
        users = [each for each in context.records.referrers(record.id) if each.type == "Microsoft.Network/connections"]
        return {
            "value": [
                {
                    "id": each.id,
                    "name": each.name,
                    "type": each.type,
                    "location": each.body["location"],
                    "properties": dict(each.properties),
                }
                for each in users
            ]
        }


def _drilled(context: Context, record: Record, where: str) -> list[str]:
    gateway = context.network.name_of(record.key)
    found = []
    for connection in context.records.referrers(record.id):
        circuit = context.get((connection.properties.get("peer") or {}).get("id"))
        location = ((circuit.properties.get("serviceProviderProperties") or {}).get("peeringLocation") or "") if circuit else ""
        if circuit is not None and location.lower() == where.lower() and gateway and (name := context.network.name_of(circuit.key)):
            found.append(f"{gateway}<->{name}")
    if not found:
        raise bad_request("PeeringLocationNotFound", f"Gateway {record.id} has no connection to a circuit of peering location '{where}'.")
    return found


def _query(query: Data, word: str) -> str:
    return next((str(value) for name, value in query.items() if name.lower() == word.lower()), "")


def _only(answer: Any, name: str, wanted: str) -> Any:
    return {"value": [each for each in answer["value"] if not wanted or each[name] == wanted]}


def _public(context: Context, part: Data) -> list[str]:
    record = context.get((part["properties"].get("publicIPAddress") or {}).get("id"))
    return [record.properties["ipAddress"]] if record is not None and record.properties.get("ipAddress") else []


async def told(context: Context, record: Record, ask: Callable[[Running, str], Any]) -> Any:
    """An answer of the running network about a gateway or circuit; empty where it is no part of it."""

    def question(run: Running | None, world: World) -> Any:
        name = world.nodes.get(record.key)
        if run is None or name is None:
            return {"value": []}
        try:
            return ask(run, name)
        except ArmError:
            raise
        except DualhomeError:  # it speaks no BGP yet: a gateway without connections, a circuit without its peering
            return {"value": []}

    return await context.network.ask(question)


class LocalGateway(Kind):
    """What a VPN connection leads to."""

    type = "Microsoft.Network/localNetworkGateways"
    handle = True
    in_use = (400, "LocalNetworkGatewayCannotBeDeleted")

    def accept(self, call: Call) -> None:
        """An address or a name, and prefixes or BGP."""
        given = call.properties
        if not given.get("gatewayIpAddress") and not given.get("fqdn"):
            raise bad_request("InvalidRequestFormat", f"Local network gateway {call.id.name} needs gatewayIpAddress or fqdn.")
        if given.get("gatewayIpAddress"):
            given["gatewayIpAddress"] = address(given["gatewayIpAddress"], call.text)
        space = given.setdefault("localNetworkAddressSpace", {"addressPrefixes": []})
        space["addressPrefixes"] = [canonical(each, call.text) for each in space.get("addressPrefixes") or []]
        bgp = given.get("bgpSettings")
        if not space["addressPrefixes"] and not (bgp and bgp.get("bgpPeeringAddress")):
            raise bad_request(
                "LocalNetworkGatewayAddressSpaceEmpty", f"Local network gateway {call.id.name} needs addressPrefixes, or bgpSettings."
            )
        if bgp is not None:
            bgp.setdefault("peerWeight", 0)
            asn = bgp.get("asn")
            if asn is None or not 0 < asn < 4294967295 or asn in (8074, 8075, 12076, 23456):
                raise bad_request("InvalidAsn", f"The ASN {asn} of local network gateway {call.text} cannot be used.")
            if bgp.get("bgpPeeringAddress"):
                bgp["bgpPeeringAddress"] = address(bgp["bgpPeeringAddress"], call.text)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Read-only."""
        properties["resourceGuid"] = guid_of(record)


KINDS = (Gateway(), LocalGateway())
