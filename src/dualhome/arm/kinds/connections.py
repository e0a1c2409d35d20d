"""Connections of gateways: to local network gateways, to other gateways, to circuits."""

from __future__ import annotations

from typing import Any, Final

from dualhome.arm.errors import bad_request, missing_reference
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.circuits import CIRCUITS
from dualhome.arm.kinds.gateways import GATEWAYS
from dualhome.arm.kinds.networks import guid_of
from dualhome.arm.kinds.servers import HUBS, subnet_of
from dualhome.arm.records import Record

CONNECTIONS: Final = "Microsoft.Network/connections"
TYPES: Final = {each.lower(): each for each in ("IPsec", "Vnet2Vnet", "ExpressRoute", "VPNClient")}
NEEDS: Final = {"IPsec": "localNetworkGateway2", "Vnet2Vnet": "virtualNetworkGateway2", "ExpressRoute": "peer"}


class Connection(Kind):
    """R146 to R156."""

    type = CONNECTIONS
    live = True
    read_only = frozenset(("connectionStatus", "tunnelConnectionStatus", "egressBytesTransferred", "ingressBytesTransferred"))
    times = Times(create=60, update=60, delete=60)
    actions = {"put sharedkey": "set_key", "sharedkey/reset": "reset_key", "resetconnection": "reset", "getikesas": "ike"}
    views = {"sharedkey": "key"}

    def accept(self, call: Call) -> None:
        """Its type, and both of its ends."""
        given = call.properties
        kind = TYPES.get(str(given.get("connectionType", "")).lower())
        if kind is None:
            raise bad_request(
                "InvalidRequestFormat",
                f"connectionType of {call.text} is one of {', '.join(TYPES.values())}, not {given.get('connectionType')}.",
            )
        given["connectionType"] = kind
        gateway = call.reference("virtualNetworkGateway1", type_=GATEWAYS)
        if gateway is None:
            raise bad_request("InvalidRequestFormat", f"Connection {call.id.name} needs virtualNetworkGateway1.")
        given["virtualNetworkGateway1"] = {"id": gateway.id}
        if kind in NEEDS and given.get(NEEDS[kind]) is None:
            raise bad_request("InvalidRequestFormat", f"Connection {call.id.name} of type {kind} needs {NEEDS[kind]}.")
        for name, type_ in (
            ("localNetworkGateway2", "Microsoft.Network/localNetworkGateways"),
            ("virtualNetworkGateway2", GATEWAYS),
            ("peer", CIRCUITS),
        ):
            if (target := call.reference(name, type_=type_)) is not None:
                given[name] = {"id": target.id}
        self._same_ends(call, gateway)
        self._maps(call, gateway)
        if kind == "ExpressRoute":
            self._circuit(call, gateway)
        elif gateway.properties["gatewayType"] != "Vpn":
            raise bad_request(
                "ConnectionTypeNotSupportedByGateway",
                f"Connection {call.id.name} of type {kind} needs a gateway of type Vpn; {gateway.id} is {gateway.properties['gatewayType']}.",
            )
        weight = given.setdefault("routingWeight", 10 if kind != "ExpressRoute" else 0)
        if not isinstance(weight, int) or not 0 <= weight <= 32000:
            raise bad_request("InvalidRoutingWeight", f"routingWeight of {call.text} is 0 to 32000, not {weight}.")
        given.setdefault("enableBgp", False)
        if given["enableBgp"] and kind == "IPsec" and not gateway.properties.get("bgpSettings"):
            raise bad_request(
                "BgpNotEnabledOnGateway", f"Connection {call.id.name} has enableBgp, and its gateway {gateway.id} no bgpSettings."
            )
        if (key := given.pop("sharedKey", None)) is not None:
            call.private["key"] = str(key)
        given.pop("authorizationKey", None)

    def _same_ends(self, call: Call, gateway: Record) -> None:
        """What it joins is settled when it is made; a gateway is not joined with itself."""
        given, old = call.properties, call.old
        if key_of((given.get("virtualNetworkGateway2") or {}).get("id", "")) == gateway.key:
            raise bad_request("ConnectionToSameGateway", f"Connection {call.id.name} joins gateway {gateway.id} with itself.")
        for name in ("connectionType", "virtualNetworkGateway1", "virtualNetworkGateway2", "localNetworkGateway2", "peer"):
            if old is not None and _end(old.properties.get(name)) != _end(given.get(name)):
                raise bad_request(
                    "PropertyChangeNotAllowed", f"{name} of connection {call.id.name} cannot be changed; delete it and create another."
                )

    def _maps(self, call: Call, gateway: Record) -> None:
        """R121: route maps of the route server in the gateway's own virtual network."""
        routing = call.properties.get("routingConfiguration") or {}
        for name in ("inboundRouteMap", "outboundRouteMap"):
            if routing.get(name) is None:
                continue
            record = call.context.referred(routing[name], call.text, f"{HUBS}/routeMaps")
            routing[name] = {"id": record.id}
            subnet = subnet_of(call.context, call.context.require(record.parsed.above))
            own = ResourceId.parse(gateway.properties["ipConfigurations"][0]["properties"]["subnet"]["id"])
            if subnet is None or key_of(subnet.parsed.above) != key_of(own.above):
                raise missing_reference(record.id, call.text)

    def _circuit(self, call: Call, gateway: Record) -> None:
        """One connection of a gateway to a circuit (R146); with an authorization's key where one is given."""
        circuit = call.context.require(call.properties["peer"]["id"])
        if gateway.properties["gatewayType"] != "ExpressRoute":
            raise bad_request(
                "ConnectionTypeNotSupportedByGateway",
                f"Connection {call.id.name} of type ExpressRoute needs a gateway of type ExpressRoute; {gateway.id} is Vpn.",
            )
        for other in call.context.records.referrers(circuit.id):
            same = (
                other.type == CONNECTIONS
                and other.key != call.id.key
                and key_of(other.properties["virtualNetworkGateway1"]["id"]) == gateway.key
            )
            if same:
                raise bad_request(
                    "ExpressRouteGatewayConnectionAlreadyExists",
                    f"Gateway {gateway.id} has a connection to circuit {circuit.id} already: {other.id}.",
                )
        key = call.properties.get("authorizationKey")
        if key is not None:
            known = [each for each in call.context.records.children(circuit.id, "authorizations") if each.private.get("key") == key]
            if not known:
                raise bad_request(
                    "ExpressRouteCircuitAuthorizationKeyInvalid", f"The authorization key of {call.text} is none of circuit {circuit.id}."
                )
            call.private["authorization"] = known[0].id

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """As far as the network was last seen."""
        properties["connectionStatus"] = "Connected" if context.network.connected(record.key) else "NotConnected"
        properties["ingressBytesTransferred"] = properties["egressBytesTransferred"] = 0
        properties["resourceGuid"] = guid_of(record)

    async def key(self, context: Context, record: Record, query: Data) -> Any:
        """sharedkey."""
        return {"value": record.private.get("key", "")}

    async def set_key(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """PUT sharedkey."""
        value = (body or {}).get("value")
        if not isinstance(value, str) or not value:
            raise bad_request("InvalidSharedKey", f"The shared key of {record.id} is a text of 1 to 128 characters.")
        context.keep_private(record, key=value)
        return {"value": value}

    async def reset_key(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """A new one, of as many characters as asked for."""
        import secrets

        length = (body or {}).get("keyLength", 32)
        if not isinstance(length, int) or not 1 <= length <= 128:
            raise bad_request("InvalidKeyLength", "keyLength is 1 to 128.")
        context.keep_private(record, key=secrets.token_hex(length)[:length])
        return {"keyLength": length}

    async def reset(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """Its tunnel ends, and comes up again."""
        if (link := context.network.link_of(record.key)) is not None:
            await context.network.drill(link)
            await context.network.undo([link])
        return None

    async def ike(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """There is no IKE here, and so no security association."""
        return []


def _end(value: Any) -> str:
    """What a connection's property names, for comparison."""
    return key_of(value["id"]) if isinstance(value, dict) else str(value or "").lower()


KINDS = (Connection(),)
