"""ExpressRoute circuits: private peering, authorizations, Global Reach, and what their routers know."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dualhome.app import azure
from dualhome.arm.errors import bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.gateways import told
from dualhome.arm.kinds.ranges import canonical, network_of, overlap
from dualhome.arm.records import Record

if TYPE_CHECKING:
    from dualhome.arm.backend import Running

CIRCUITS: Final = "Microsoft.Network/expressRouteCircuits"
PEERINGS: Final = {each.lower(): each for each in ("AzurePrivatePeering", "AzurePublicPeering", "MicrosoftPeering")}
PROVIDERS: Final = ("Equinix", "Megaport", "AT&T Netbond", "Colt", "Interxion", "Orange", "Telia Carrier", "Verizon")
LOCATIONS: Final = ("Amsterdam", "Chicago", "Dublin", "Frankfurt", "London", "Paris", "Silicon Valley", "Singapore", "Washington DC")
BANDWIDTHS: Final = (50, 100, 200, 500, 1000, 2000, 5000, 10000)
PATHS: Final = {"primary": 0, "secondary": 1}


class Circuit(Kind):
    """A circuit; its provider provisions it at once."""

    type = CIRCUITS
    handle = True
    embedded = {"peerings": "peerings", "authorizations": "authorizations"}
    in_use = (400, "InUseExpressRouteCircuitCannotBeDeleted")
    read_only = frozenset(("serviceKey", "circuitProvisioningState", "serviceProviderProvisioningState", "stag"))
    times = Times(create=30, update=30, delete=60)
    views = {"stats": "stats"}
    actions = {"startcircuitlinkfailovertest": "start_drill", "stopcircuitlinkfailovertest": "stop_drill"}

    def accept(self, call: Call) -> None:
        """A provider, or a port."""
        given = call.properties
        provider = given.get("serviceProviderProperties")
        if not provider and not given.get("expressRoutePort"):
            raise bad_request("InvalidRequestFormat", f"Circuit {call.id.name} needs serviceProviderProperties or expressRoutePort.")
        if provider and not (provider.get("serviceProviderName") and provider.get("peeringLocation") and provider.get("bandwidthInMbps")):
            raise bad_request(
                "InvalidRequestFormat",
                f"serviceProviderProperties of circuit {call.id.name} are serviceProviderName, peeringLocation and bandwidthInMbps.",
            )
        sku = call.body.setdefault("sku", {})
        sku.setdefault("tier", "Standard")
        sku.setdefault("family", "MeteredData")
        sku.setdefault("name", f"{sku['tier']}_{sku['family']}")
        call.private.setdefault("key", str(uuid.uuid4()))
        given.setdefault("allowClassicOperations", False)
        given.setdefault("globalReachEnabled", False)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """What circuit and provider are doing."""
        properties["circuitProvisioningState"] = "Enabled"
        properties["serviceProviderProvisioningState"] = "Provisioned"
        properties["serviceKey"] = record.private["key"]

    def leaves(self, context: Context, record: Record) -> None:
        """Not while gateways are connected to it."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise self.used_by(record, users)

    async def stats(self, context: Context, record: Record, query: Data) -> Any:
        """Nothing is counted."""
        return dict.fromkeys(("primarybytesIn", "primarybytesOut", "secondarybytesIn", "secondarybytesOut"), 0)

    async def start_drill(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """A link failover test: the primary or secondary link fails until it is stopped."""
        await context.network.drill(_link(context, record, query, body))
        return "Succeeded"

    async def stop_drill(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """The end of it."""
        await context.network.undo([_link(context, record, query, body)])
        return "Succeeded"


def _link(context: Context, record: Record, query: Data, body: Any) -> str:
    asked = {**(body if isinstance(body, dict) else {}), **query}
    which = next((str(value) for name, value in asked.items() if name.lower() == "linktype"), "Primary").lower()
    name = context.network.name_of(record.key)
    if which not in PATHS or name is None:
        raise bad_request(
            "InvalidLinkType", f"linkType is Primary or Secondary, not {which}, and circuit {record.name} must be in the network."
        )
    return f"{name}#{PATHS[which]}"


class CircuitPeering(Kind):
    """Private or Microsoft peering (R139)."""

    type = f"{CIRCUITS}/peerings"
    embedded = {"connections": "connections"}
    times = Times(create=60, update=60, delete=60)
    views = {"stats": "stats"}
    actions = {"arptables/{}": "arp", "routetables/{}": "routes", "routetablessummary/{}": "summary"}

    def accept(self, call: Call) -> None:
        """ASNs, VLAN and the two links."""
        given = call.properties
        kind = PEERINGS.get(str(given.get("peeringType", call.id.name)).lower())
        if kind is None or call.id.name.lower() != kind.lower():
            raise bad_request(
                "InvalidPeeringType",
                f"A peering is named by its type: {', '.join(PEERINGS.values())}, not {call.id.name} of type {given.get('peeringType')}.",
            )
        given["peeringType"] = kind
        given["azureASN"] = 12076
        state = str(given.setdefault("state", "Enabled")).capitalize()
        if state not in ("Enabled", "Disabled"):
            raise bad_request("InvalidRequestFormat", f"state of {call.text} is Enabled or Disabled, not {given['state']}.")
        given["state"] = state
        asn = given.get("peerASN")
        if not isinstance(asn, int) or not 0 < asn < 4294967295 or asn in (12076, 65515, 23456) or 65517 <= asn <= 65520:
            raise bad_request("InvalidPeerASN", f"The peerASN {asn} of peering {call.text} cannot be used.")
        for which in ("primary", "secondary"):
            name = f"{which}PeerAddressPrefix"
            if name in given:
                given[name] = canonical(given[name], call.text)
                if network_of(given[name]).prefixlen not in (30, 126):
                    raise bad_request("InvalidPeerAddressPrefix", f"{name} of {call.text} is a /30, not {given[name]}.")
            elif "ipv6PeeringConfig" not in given:
                raise bad_request("InvalidRequestFormat", f"Peering {call.text} needs {name}.")
        self._links(call)
        self._vlan(call)
        given.setdefault("gatewayManagerEtag", "")
        given.pop("sharedKey", None)

    def _links(self, call: Call) -> None:
        """Primary and secondary link have addresses of their own (R139)."""
        links = [
            str(call.properties[name]) for name in ("primaryPeerAddressPrefix", "secondaryPeerAddressPrefix") if name in call.properties
        ]
        if len(links) == 2 and overlap(*links):
            raise bad_request(
                "PeerAddressPrefixesOverlap", f"primary and secondary PeerAddressPrefix of {call.text} overlap: {', '.join(links)}."
            )

    def _vlan(self, call: Call) -> None:
        """One that no other peering of the circuit has."""
        vlan = call.properties.get("vlanId")
        if not isinstance(vlan, int) or not 1 <= vlan <= 4094:
            raise bad_request("InvalidVlanId", f"vlanId of {call.text} is 1 to 4094, not {vlan}.")
        for other in call.context.records.children(call.id.above, "peerings"):
            if other.key != call.id.key and other.properties["vlanId"] == vlan:
                raise bad_request("VlanIdInUse", f"vlanId {vlan} of {call.text} is that of peering {other.name} already.")

    async def stats(self, context: Context, record: Record, query: Data) -> Any:
        """Nothing is counted."""
        return dict.fromkeys(("primarybytesIn", "primarybytesOut", "secondarybytesIn", "secondarybytesOut"), 0)

    async def arp(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """arpTables of a path: both ends of the link."""
        path = _path(query)
        prefix = network_of(record.properties[f"{'primary' if path == 0 else 'secondary'}PeerAddressPrefix"])
        return {
            "value": [
                {
                    "age": 0 if place == 2 else 30,
                    "interface": who,
                    "ipAddress": str(prefix[place]),
                    "macAddress": f"0{path}{place}0.0d3a.{record.number & 0xFFFF:04x}",
                }
                for place, who in ((1, "On-Prem"), (2, "Microsoft"))
            ]
        }

    async def routes(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """routeTables of a path (R194)."""
        path = _path(query)
        return await told(context, context.require(record.parsed.above), lambda run, name: azure.speaker(run, f"{name}#{path}"))

    async def summary(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """routeTablesSummary of a path (R194)."""
        path = _path(query)

        def ask(run: Running, name: str) -> Any:
            return azure.peers(run, f"{name}#{path}")

        return await told(context, context.require(record.parsed.above), ask)


def _path(query: Data) -> int:
    word = str(query.get("/", "")).lower()
    if word not in PATHS:
        raise bad_request("InvalidDevicePath", f"The path is primary or secondary, not '{word}'.")
    return PATHS[word]


class Authorization(Kind):
    """Lets a gateway of another subscription connect."""

    type = f"{CIRCUITS}/authorizations"
    read_only = frozenset(("authorizationKey", "authorizationUseStatus", "connectionResourceUri"))
    actions = {"listkeys": "keys"}

    def accept(self, call: Call) -> None:
        """Its key is made once."""
        call.private.setdefault("key", secrets.token_hex(16))

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Whether a connection used it."""
        users = [
            each
            for each in context.records.of_type("Microsoft.Network/connections")
            if key_of(each.private.get("authorization", "")) == record.key
        ]
        properties["authorizationKey"] = record.private["key"]
        properties["authorizationUseStatus"] = "InUse" if users else "Available"
        if users:
            properties["connectionResourceUri"] = users[0].id

    async def keys(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """The key."""
        return {"authorizationKey": record.private["key"]}


class GlobalReach(Kind):
    """Two circuits exchange routes (R131)."""

    type = f"{CIRCUITS}/peerings/connections"
    read_only = frozenset(("circuitConnectionStatus",))

    def accept(self, call: Call) -> None:
        """Between private peerings of two circuits."""
        for name in ("expressRouteCircuitPeering", "peerExpressRouteCircuitPeering"):
            target = call.reference(name, type_=f"{CIRCUITS}/peerings")
            if target is None and name == "peerExpressRouteCircuitPeering":
                raise bad_request("InvalidRequestFormat", f"Connection {call.text} needs {name}.")
        if key_of(call.properties["peerExpressRouteCircuitPeering"]["id"]) == key_of(call.id.above):
            raise bad_request("CircuitConnectionToItself", f"Connection {call.text} joins a circuit with itself.")
        self._once(call)
        if "addressPrefix" in call.properties:
            prefix = canonical(call.properties["addressPrefix"], call.text)
            if network_of(prefix).prefixlen not in (29, 125):
                raise bad_request("InvalidAddressPrefix", f"addressPrefix of {call.text} is a /29, not {prefix}.")
            call.properties["addressPrefix"] = prefix
        call.properties.pop("authorizationKey", None)

    def _once(self, call: Call) -> None:
        """Two circuits are joined once, from either of them."""
        ends = {key_of(call.id.above), key_of(call.properties["peerExpressRouteCircuitPeering"]["id"])}
        for other in call.context.records.of_type(self.type):
            theirs = {key_of(other.parsed.above), key_of(other.properties["peerExpressRouteCircuitPeering"]["id"])}
            if other.key != call.id.key and theirs == ends:
                raise bad_request("CircuitConnectionAlreadyExists", f"The circuits of {call.text} are joined already by {other.id}.")

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Connected: nothing lies between."""
        properties["circuitConnectionStatus"] = "Connected"


async def providers(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """expressRouteServiceProviders: some, any other is taken as well."""
    subscription = context.settings.get("subscription")
    return {
        "value": [
            {
                "id": f"/subscriptions/{subscription}/resourceGroups//providers/Microsoft.Network/expressRouteServiceProviders/",
                "name": name,
                "type": "Microsoft.Network/expressRouteServiceProviders",
                "properties": {
                    "provisioningState": "Succeeded",
                    "peeringLocations": list(LOCATIONS),
                    "bandwidthsOffered": [
                        {"offerName": f"{each}Mbps" if each < 1000 else f"{each // 1000}Gbps", "valueInMbps": each} for each in BANDWIDTHS
                    ],
                },
            }
            for name in PROVIDERS
        ]
    }


LOOKUPS: Final = ((r"providers/Microsoft\.Network/expressRouteServiceProviders", providers),)
KINDS = (Circuit(), CircuitPeering(), Authorization(), GlobalReach())
