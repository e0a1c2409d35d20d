"""Route servers: virtual hubs of kind RouteServer, where they are, their BGP connections and route maps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dualhome.app import azure
from dualhome.arm.errors import ArmError, bad_request, missing_reference
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.addresses import free_public
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.networks import NETWORKS, ranges_of, space_of, used_in
from dualhome.arm.kinds.ranges import address, free_in, network_of, overlap
from dualhome.arm.records import Record

if TYPE_CHECKING:
    from dualhome.arm.backend import Running
    from dualhome.arm.world import World

HUBS: Final = "Microsoft.Network/virtualHubs"
PREFERENCES: Final = {each.lower(): each for each in ("ExpressRoute", "VpnGateway", "ASPath")}
RESERVED: Final = (*(8074, 8075, 12076, 65515, 23456), *range(65517, 65521), *range(64496, 64512), *range(65535, 65552))  # R79
MOST_PEERS: Final = 8  # R89
ASSOCIATED: Final = {"associatedInboundConnections": "inboundRouteMap", "associatedOutboundConnections": "outboundRouteMap"}
MAPS: Final = {
    "matchCondition": ("Unknown", "Contains", "Equals", "NotContains", "NotEquals"),
    "type": ("Unknown", "Remove", "Add", "Replace", "Drop"),
    "nextStepIfMatched": ("Unknown", "Continue", "Terminate"),
}


def is_route_server(record: Record) -> bool:
    """No Virtual WAN has it."""
    return not record.properties.get("virtualWan") and not record.properties.get("addressPrefix")


def subnet_of(context: Context, hub: Record) -> Record | None:
    """The RouteServerSubnet in which its ipConfiguration puts it."""
    for part in context.records.children(hub.id, "ipConfigurations"):
        return context.get(part.properties["subnet"]["id"])
    return None


class VirtualHub(Kind):
    """A route server (or a hub of Virtual WAN, which is only kept)."""

    type = HUBS
    handle = True
    in_use = (400, "InUseVirtualHubCannotBeDeleted")
    read_only = frozenset(
        (
            "routingState",
            "bgpConnections",
            "ipConfigurations",
            "routeMaps",
            "virtualRouterIps",
            "virtualRouterAsn",
            "azureFirewall",
            "vpnGateway",
        )
    )
    times = Times(create=600, update=120, delete=600)
    actions = {"inboundroutes": "inbound", "outboundroutes": "outbound", "effectiveroutes": "effective"}

    def accept(self, call: Call) -> None:
        """Its words, and as many units as there may be (R90)."""
        given = call.properties
        preference = str(given.setdefault("hubRoutingPreference", "ExpressRoute"))
        if preference.lower() not in PREFERENCES:
            raise bad_request(
                "InvalidRequestFormat",
                f"hubRoutingPreference of {call.text} is one of {', '.join(PREFERENCES.values())}, not {preference}.",
            )
        given["hubRoutingPreference"] = PREFERENCES[preference.lower()]
        if not given.get("virtualWan"):
            if str(given.setdefault("sku", "Standard")).lower() != "standard":
                raise bad_request("InvalidRequestFormat", f"The sku of route server {call.id.name} is Standard.")
            if not isinstance(given.setdefault("allowBranchToBranchTraffic", False), bool):
                raise bad_request(
                    "InvalidRequestFormat", f"Cannot parse the request: allowBranchToBranchTraffic of {call.text} is true or false."
                )
            units = given.setdefault("virtualRouterAutoScaleConfiguration", {"minCapacity": 2}).get("minCapacity", 2)
            if not isinstance(units, int) or not 2 <= units <= 50:
                raise bad_request(
                    "InvalidRequestFormat", f"virtualRouterAutoScaleConfiguration.minCapacity of {call.text} is 2 to 50, not {units}."
                )
        if call.old is None:
            call.private["made_at"] = call.context.now()

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """What the service fills in; virtualRouterIps once it has a place."""
        properties["virtualRouterAsn"] = 65515
        properties["virtualRouterIps"] = list(record.private.get("router_ips", ()))
        lag = float(context.settings.get("routing_lag_s", 0))
        made = float(record.private.get("made_at", 0))
        provisioned = record.provisioning_state(context.now()) == "Succeeded" and context.now() >= made + lag
        properties["routingState"] = "Provisioned" if provisioned else "Provisioning"
        for name in ("bgpConnections", "ipConfigurations", "routeMaps"):
            properties[name] = [{"id": each.id} for each in context.records.children(record.id, name)]
        properties.setdefault("virtualHubRouteTableV2s", [])
        properties.setdefault("routeTable", {"routes": []})

    def show_top(self, context: Context, record: Record, shown: Data) -> None:
        """kind."""
        if is_route_server(record):
            shown["kind"] = "RouteServer"

    def leaves(self, context: Context, record: Record) -> None:
        """A route map or connection beneath it goes with it."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise self.used_by(record, users)

    async def inbound(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """inboundRoutes of a connection, before its route map."""
        return await self._routes(context, body, "learned")

    async def outbound(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """outboundRoutes of a connection, after its route map."""
        return await self._routes(context, body, "advertised")

    async def _routes(self, context: Context, body: Any, which: str) -> Any:
        connection = context.referred({"id": (body or {}).get("resourceUri")}, "resourceUri")

        def question(run: Running | None, world: World) -> Any:
            session = world.sessions.get(connection.key)
            rows = getattr(run, which)(session) if run is not None and session else ()
            found = {
                str(row.prefix): {
                    "prefix": str(row.prefix),
                    "bgpCommunities": " ".join(row.communities),
                    "asPath": row.as_path.replace(" ", "-"),
                }
                for row in rows
            }
            return {"value": list(found.values())}

        return await context.network.ask(question)

    async def effective(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """effectiveRoutes: the best of its routes."""

        def question(run: Running | None, world: World) -> Any:
            name = world.nodes.get(record.key)
            rows = run.table(name) if run is not None and name else ()
            found: dict[str, Data] = {}
            for row in rows:
                if row.best or row.multipath:
                    one = found.setdefault(
                        str(row.prefix),
                        {
                            "addressPrefixes": [str(row.prefix)],
                            "nextHops": [],
                            "nextHopType": "IPAddress",
                            "asPath": row.as_path.replace(" ", "-"),
                            "routeOrigin": record.id,
                        },
                    )
                    if row.next_hop not in one["nextHops"]:
                        one["nextHops"].append(row.next_hop)
            return {"value": list(found.values())}

        return await context.network.ask(question)


class HubIpConfiguration(Kind):
    """Where a route server is (R5, R6, R9, R86)."""

    type = f"{HUBS}/ipConfigurations"
    times = Times(create=600, update=60, delete=300)

    def accept(self, call: Call) -> None:
        """In a RouteServerSubnet that no other has, large enough, with a Standard public address."""
        subnet = call.reference("subnet", type_=f"{NETWORKS}/subnets")
        if subnet is None:
            raise bad_request("InvalidRequestFormat", f"ipConfiguration {call.id.name} needs a subnet.")
        hub = call.context.require(call.id.above)
        call.properties["subnet"] = {"id": subnet.id}
        if subnet.name.lower() != "routeserversubnet":
            raise bad_request(
                "InvalidSubnetName", f"Route server {hub.name} must be in a subnet named RouteServerSubnet, not {subnet.name}."
            )
        if call.old is not None and key_of(call.old.properties["subnet"]["id"]) != subnet.key:
            raise bad_request(
                "PropertyChangeNotAllowed", f"The subnet of ipConfiguration {call.text} cannot be changed; delete it and create another."
            )
        self._alone(call, hub, subnet)
        self._no_wan(call, subnet)
        if (public := call.properties.get("publicIPAddress")) is not None:
            record = free_public(call.context, str(public.get("id")), call.text, hub.id)
            call.properties["publicIPAddress"] = {"id": record.id}
            if str((record.body.get("sku") or {}).get("name", "")).lower() == "basic":
                raise bad_request(
                    "InvalidOperation", f"Route Server creation requires a public ip address of Standard SKU; {record.id} is Basic."
                )
        call.properties.setdefault("privateIPAllocationMethod", "Dynamic")

    def _alone(self, call: Call, hub: Record, subnet: Record) -> None:
        context = call.context
        for other in context.records.referrers(subnet.id):
            if other.type.lower() == self.type.lower() and key_of(other.parsed.above) != hub.key:
                raise bad_request(
                    "VirtualNetworkHasRouteServer",
                    f"Virtual network {subnet.parsed.above} has a route server already: {other.parsed.above}. There can be one.",
                )
        siblings = [each for each in context.records.children(hub.id, "ipConfigurations") if each.key != call.id.key]
        if siblings:
            raise bad_request(
                "MultipleIpConfigurationsNotSupported", f"Route server {hub.name} has an ipConfiguration already: {siblings[0].name}."
            )
        prefix = network_of(ranges_of(subnet)[0])
        if prefix.prefixlen > 27:
            raise bad_request("InvalidSubnetSize", f"RouteServerSubnet {prefix} is too small for a route server: /27 or larger is wanted.")
        network = context.require(subnet.parsed.above)
        peerings = context.records.children(network.id, "virtualNetworkPeerings")
        if using := next((each for each in peerings if each.properties.get("useRemoteGateways")), None):
            raise bad_request(
                "VnetHasGatewaysAndUseRemoteGateways",
                f"Virtual network {network.id} cannot have a route server while its peering {using.id} has UseRemoteGateways set.",
            )

    def _no_wan(self, call: Call, subnet: Record) -> None:
        """R86."""
        for other in call.context.records.referrers(subnet.parsed.above):
            if other.type.lower() == f"{HUBS}/hubVirtualNetworkConnections".lower():
                raise bad_request(
                    "VnetConnectedToVirtualHubCannotHaveRouteServer",
                    f"Virtual network {subnet.parsed.above} cannot have a route server: it is connected to a virtual WAN hub by {other.id}.",
                )

    def accepted(self, call: Call, record: Record) -> None:
        """The two instances take the lowest free addresses (R9)."""
        hub = call.context.require(record.parsed.above)
        subnet = call.context.require(record.properties["subnet"]["id"])
        if not hub.private.get("router_ips"):
            taken = used_in(call.context, subnet)
            free = free_in([network_of(ranges_of(subnet)[0])], taken, 2)
            call.context.records.put(replace(hub, private={**hub.private, "router_ips": free}))

    def leaves(self, context: Context, record: Record) -> None:
        """The hub has no place then."""
        hub = context.get(record.parsed.above)
        if hub is not None and hub.key not in context.going:
            if context.records.children(hub.id, "bgpConnections"):
                raise bad_request(
                    "InUseIpConfigurationCannotBeDeleted",
                    f"ipConfiguration {record.id} cannot be deleted: route server {hub.name} has BGP connections.",
                )
            context.records.put(replace(hub, private={name: value for name, value in hub.private.items() if name != "router_ips"}))

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """The first instance's address."""
        hub = context.get(record.parsed.above)
        if hub is not None and (ips := hub.private.get("router_ips")):
            properties["privateIPAddress"] = ips[0]


class BgpConnection(Kind):
    """A peer of a route server (R76 to R89, R123, R190)."""

    type = f"{HUBS}/bgpConnections"
    read_only = frozenset(("connectionState",))
    live = True
    times = Times(create=60, update=60, delete=60)
    actions = {"learnedroutes": "learned", "advertisedroutes": "advertised"}

    def accept(self, call: Call) -> None:
        """An address and an ASN that a peer may have, not twice, and no more than eight."""
        given, context = call.properties, call.context
        hub = context.require(call.id.above)
        subnet = subnet_of(context, hub)
        lag = float(context.settings.get("routing_lag_s", 0))
        if is_route_server(hub) and (subnet is None or context.now() < float(hub.private.get("made_at", 0)) + lag):
            raise bad_request(
                "HubBgpConnectionParentHubMustHaveProvisionedRoutingState",
                f"BGP connection {call.text} cannot be created: the routing state of its hub {hub.name} must be Provisioned"
                + (" (it has no ipConfiguration)." if subnet is None else "."),
            )
        if not given.get("peerIp"):
            raise bad_request("InvalidRequestFormat", f"BGP connection {call.id.name} needs peerIp.")
        given["peerIp"] = address(given["peerIp"], call.text)
        if ":" in given["peerIp"]:
            raise bad_request("HubBgpConnectionPeerIpMustBeIPv4", f"The peerIp of {call.text} is an IPv4 address, not {given['peerIp']}.")
        self._asn(call)
        others = [each for each in context.records.children(hub.id, "bgpConnections") if each.key != call.id.key]
        if twin := next((each for each in others if each.properties["peerIp"] == given["peerIp"]), None):
            raise bad_request(
                "HubBgpConnectionPeerIpAlreadyInUse", f"BGP connection {twin.name} of {hub.name} has peerIp {given['peerIp']} already."
            )
        if len(others) >= MOST_PEERS:
            raise bad_request(
                "MaximumLocalNetworkSitesLimitReachedForGateway",
                f"Route server {hub.name} has {len(others)} BGP connections; {MOST_PEERS} is the maximum.",
            )
        if given["peerIp"] in hub.private.get("router_ips", ()):
            raise bad_request(
                "HubBgpConnectionInvalidPeerIp", f"The peerIp {given['peerIp']} of {call.text} is the route server's own address."
            )
        self._maps(call, subnet)

    def _asn(self, call: Call) -> None:
        """R79."""
        asn = call.properties.get("peerAsn")
        if not isinstance(asn, int) or isinstance(asn, bool) or asn < 1:
            raise bad_request("InvalidRequestFormat", f"BGP connection {call.id.name} needs peerAsn, a number from 1 to 65534.")
        if asn in RESERVED or asn > 65535:
            why = "the hub's own ASN" if asn == 65515 else "reserved by Azure or IANA" if asn in RESERVED else "more than 16 bits"
            raise bad_request(
                "HubBgpConnectionInvalidPeerAsn", f"The peerAsn {asn} of BGP connection {call.text} cannot be used: it is {why}."
            )

    def _maps(self, call: Call, subnet: Record | None) -> None:
        """Route maps are of the same hub, and only for peers within its virtual network (R123)."""
        routing = call.properties.get("routingConfiguration") or {}
        for name in ("inboundRouteMap", "outboundRouteMap"):
            if routing.get(name) is None:
                continue
            record = call.context.referred(routing[name], call.text, f"{HUBS}/routeMaps")
            if key_of(record.parsed.above) != key_of(call.id.above):
                raise missing_reference(record.id, call.text)
            routing[name] = {"id": record.id}
            check_local(call.context, call.text, call.properties["peerIp"], subnet, record)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """connectionState, as far as it was last seen."""
        properties["connectionState"] = context.network.connection_state(record.key)

    async def learned(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """What each instance learned of this peer (R189)."""
        return await self._ask(context, record, "learned")

    async def advertised(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """What each instance tells it (R189)."""
        return await self._ask(context, record, "advertised")

    async def _ask(self, context: Context, record: Record, which: str) -> Any:
        def question(run: Running | None, world: World) -> Any:
            session = world.sessions.get(record.key)
            if run is None or session is None:
                return {f"RouteServiceRole_IN_{instance}": [] for instance in (0, 1)}
            found = getattr(azure, which)(run, session)
            return {name: value for name, value in found.items() if name != "value"}

        return await context.network.ask(question)


def check_local(context: Context, connection: str, peer: str, subnet: Record | None, record: Record) -> None:
    """R123: a route map needs a peer in the route server's own virtual network. ArmError 400."""
    network = context.get(subnet.parsed.above) if subnet is not None else None
    inside = network is not None and any(overlap(f"{peer}/32", each) for each in space_of(network))
    if not inside:
        raise bad_request(
            "HubBgpConnectionFromSpokeVnetCannotReferenceRouteMap",
            f"BGP connection {connection} cannot reference route map {record.id}: its peer {peer} is not in the virtual network of the hub.",
        )


class RouteMap(Kind):
    """Rules for what connections tell and are told (R120 to R123)."""

    type = f"{HUBS}/routeMaps"
    times = Times(create=1800, update=120, delete=120)
    in_use = (400, "InUseRouteMapCannotBeDeleted")

    def accept(self, call: Call) -> None:
        """Words of Azure's, and no connections of its own choice."""
        given = call.properties
        for name, word in ASSOCIATED.items():
            told = given.pop(name, None) or []
            known = {each.key for each in users_of(call.context, call.text, word)}
            if not isinstance(told, list) or not {key_of(str(each)) for each in told} <= known:
                raise bad_request(
                    "InvalidJson",
                    f"{name} of route map {call.id.name} cannot be written: connections refer to it by their routingConfiguration.",
                )
        rules = given.setdefault("rules", [])
        if not isinstance(rules, list) or not all(isinstance(each, dict) for each in rules):
            raise bad_request("InvalidJson", f"Rules of route map {call.id.name} are a list of objects.")
        names = [str(rule.get("name", "")).lower() for rule in rules]
        if len(set(names)) < len(names):
            raise bad_request("RouteMapDuplicateRuleName", f"Rules of route map {call.id.name} have different names.")
        for rule in rules:
            self._words(call, rule, "nextStepIfMatched", "Terminate")
            for criterion in _objects(call, rule, "matchCriteria"):
                self._words(call, criterion, "matchCondition", "Unknown")
            for action in _objects(call, rule, "actions"):
                self._words(call, action, "type", "Unknown")
                for parameter in _objects(call, action, "parameters"):
                    self._prepends(call, action, parameter)

    def _words(self, call: Call, holder: Data, name: str, default: str) -> None:
        word = next((each for each in MAPS[name] if each.lower() == str(holder.get(name, default)).lower()), None)
        if word is None:
            raise bad_request(
                "InvalidJson", f"{name} of route map {call.id.name} is one of {', '.join(MAPS[name])}, not {holder.get(name)}."
            )
        holder[name] = word

    def _prepends(self, call: Call, action: Data, parameter: Data) -> None:
        """R122: no private or reserved ASN, and none of four octets."""
        for each in parameter.get("asPath") or []:
            asn = int(each) if str(each).isdigit() else 0
            private = asn in RESERVED or 64512 <= asn <= 65534
            if action["type"] in ("Add", "Replace") and (private or not 0 < asn < 65536):
                raise bad_request(
                    "RouteMapInvalidAsn",
                    f"ASN {each} in an action of route map {call.id.name} cannot be used: it is private, reserved or of four octets.",
                )

    def leaves(self, context: Context, record: Record) -> None:
        """Not while a connection has it."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise self.used_by(record, users)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """The connections that refer to it."""
        for name, word in ASSOCIATED.items():
            properties[name] = [each.id for each in users_of(context, record.id, word)]


def users_of(context: Context, route_map: str, word: str) -> list[Record]:
    """Connections that have a route map as their `inboundRouteMap` or `outboundRouteMap`."""
    key = key_of(route_map)
    users = context.records.referrers(route_map)
    return [each for each in users if key_of(((each.properties.get("routingConfiguration") or {}).get(word) or {}).get("id", "")) == key]


def _objects(call: Call, holder: Data, name: str) -> list[Data]:
    found = holder.setdefault(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ArmError(400, "InvalidJson", f"{name} of route map {call.id.name} is a list of objects.")
    return found


KINDS = (VirtualHub(), HubIpConfiguration(), BgpConnection(), RouteMap())
