"""Gateways, circuits, VPN connections, and what lies at their far ends."""

from __future__ import annotations

from typing import Final

from dualhome.arm.records import Record
from dualhome.arm.world.draft import Data, Draft, overlaid, plain_name, prefixes, reference, told, unique

OF_CIRCUITS: Final = (
    "max_prefixes",
    "bfd",
    "microsoft_asn",
    "provider_edge",
    "peering_location",
    "global_reach",
)  # the rest is the router's


def add_gateways(draft: Draft) -> None:
    """Virtual network gateways; their virtual network is that of their GatewaySubnet (R11)."""
    draft.each(draft.of("virtualNetworkGateways"), _add_gateway)


def _add_gateway(draft: Draft, record: Record) -> None:
    given = record.properties
    subnets = [draft.subnets.get(reference((part.get("properties") or {}).get("subnet"))) for part in given.get("ipConfigurations") or []]
    home = next((each.partition("/")[0] for each in subnets if each), None)
    kind = {"vpn": "Vpn", "expressroute": "ExpressRoute"}.get(str(given.get("gatewayType", "")).lower())
    if home is None or kind is None:
        draft.leave(record.id, "it is in no GatewaySubnet, or of no known type")
        return
    one: Data = {"type": kind, "virtual_network": home}
    if addresses := record.private.get("addresses"):
        one["addresses"] = list(addresses)
    if sku := (given.get("sku") or {}).get("name"):
        one["sku"] = plain_name(str(sku))
    if kind == "Vpn":
        one["asn"] = int((given.get("bgpSettings") or {}).get("asn") or 65515)
        one["active_active"] = bool(given.get("activeActive", False))
        if str(given.get("vpnType", "")).lower() == "policybased":
            one["vpn_type"] = "PolicyBased"
        clients = (given.get("vpnClientConfiguration") or {}).get("vpnClientAddressPool") or {}
        if pool := prefixes(clients.get("addressPrefixes")):
            one["point_to_site"] = {"address_pool": pool}
    elif given.get("allowRemoteVnetTraffic"):
        one["allow_remote_virtual_network_traffic"] = True
    draft.section("virtual_network_gateways")[record.handle] = overlaid(draft, record, one)
    draft.nodes[record.key] = record.handle


def add_circuits(draft: Draft) -> None:
    """Circuits, with the on-premises router behind an enabled private peering (R139)."""
    of_circuit: dict[str, list[Record]] = {}
    for connection in draft.of("connections"):
        if _word(connection) == "expressroute":
            circuit = reference(connection.properties.get("peer"))
            of_circuit.setdefault(circuit, []).append(connection)
            if draft.records.get(circuit) is None:
                draft.leave(connection.id, "its circuit is not there")
    draft.each(draft.of("expressRouteCircuits"), lambda draft, record: _add_circuit(draft, record, of_circuit.get(record.key, [])))
    draft.each(draft.of("expressRouteCircuits/peerings/connections"), _add_global_reach)


def _word(connection: Record) -> str:
    return str(connection.properties.get("connectionType", "")).lower()


def _add_circuit(draft: Draft, record: Record, connections: list[Record]) -> None:
    circuit: Data = {"gateways": [], "provider_edge": []}
    draft.nodes[record.key] = record.handle
    for connection in connections:
        gateway = draft.nodes.get(reference(connection.properties.get("virtualNetworkGateway1")))
        if gateway not in draft.section("virtual_network_gateways"):
            draft.leave(connection.id, "its gateway is not there")
            continue
        weight, fast = connection.properties.get("routingWeight") or 0, bool(connection.properties.get("expressRouteGatewayBypass", False))
        draft.links[connection.key] = f"{gateway}<->{record.handle}"
        circuit["gateways"].append({"gateway": gateway, "routing_weight": int(weight), "fast_path": fast})
    if location := (record.properties.get("serviceProviderProperties") or {}).get("peeringLocation"):
        circuit["peering_location"] = str(location)
    said, wrong = told(draft, record)
    if wrong:
        draft.leave(record.id, wrong)
    own = {key: said.pop(key) for key in OF_CIRCUITS if key in said}
    peering = draft.records.get(f"{record.id}/peerings/AzurePrivatePeering")
    if peering is not None and str(peering.properties.get("state", "Enabled")).lower() != "disabled":
        links = prefixes([peering.properties.get(f"{which}PeerAddressPrefix") for which in ("primary", "secondary")])
        if len(links) == 2:
            circuit["link_subnets"] = links
        if "provider_edge" not in own:
            name = unique(str(said.pop("name", f"{record.handle}-ce")), draft.taken())
            draft.section("on_premises")[name] = {"asn": int(peering.properties.get("peerASN") or 65000), **said}
            circuit["provider_edge"] = [name]
    draft.section("expressroute_circuits")[record.handle] = {key: value for key, value in (circuit | own).items() if value is not None}


def _add_global_reach(draft: Draft, record: Record) -> None:
    """R131: the connection stands at one of the two circuits, and joins both."""
    here = draft.nodes.get("/".join(record.key.split("/")[:-4]))
    there = draft.nodes.get("/".join(reference(record.properties.get("peerExpressRouteCircuitPeering")).split("/")[:-2]))
    circuits = draft.section("expressroute_circuits")
    if here not in circuits or there not in circuits:
        draft.leave(record.id, "one of its two circuits is not there")
        return
    listed = circuits[here].setdefault("global_reach", [])
    if there not in listed:
        listed.append(there)


def add_connections(draft: Draft) -> None:
    """VPN connections: to what a local network gateway's address is, or to another gateway; two that mirror each other are one."""
    done: set[frozenset[str]] = set()
    listed = [each for each in draft.of("connections") if _word(each) in ("ipsec", "vnet2vnet")]
    draft.each(listed, lambda draft, record: _add_connection(draft, record, done))


def _add_connection(draft: Draft, record: Record, done: set[frozenset[str]]) -> None:
    gateway = draft.nodes.get(reference(record.properties.get("virtualNetworkGateway1")))
    if gateway is None:
        draft.leave(record.id, "its gateway is not there")
        return
    far, made = _far_end(draft, record)
    if far is None:
        draft.leave(record.id, "what it leads to is not there")
        return
    draft.links[record.key] = f"{gateway}<->{far}"
    if frozenset((gateway, far)) in done and far in draft.section("virtual_network_gateways"):
        return
    done.add(frozenset((gateway, far)))
    draft.pairs[gateway, far] = record.id
    one: Data = {"gateway": gateway, "to": far, "routing_weight": int(record.properties.get("routingWeight") or 0)}
    one["bgp"] = bool(record.properties.get("enableBgp", False))
    if not one["bgp"] and made is not None:
        one["prefixes"] = prefixes((made.properties.get("localNetworkAddressSpace") or {}).get("addressPrefixes"))
    draft.listed("vpn_connections").append({key: value for key, value in overlaid(draft, record, one).items() if value != []})


def _far_end(draft: Draft, record: Record) -> tuple[str | None, Record | None]:
    """Its name, and the local network gateway that stands for it."""
    if _word(record) == "vnet2vnet":
        return draft.nodes.get(reference(record.properties.get("virtualNetworkGateway2"))), None
    local = draft.records.get(reference(record.properties.get("localNetworkGateway2")))
    if local is None:
        return None, None
    if (known := _by_public_address(draft, str(local.properties.get("gatewayIpAddress", "")))) is not None:
        return known, local
    return _site(draft, local), local


def _by_public_address(draft: Draft, address: str) -> str | None:
    """The machine or gateway that has this public address."""
    for public in draft.of("publicIPAddresses"):
        if address and public.properties.get("ipAddress") == address:
            for user in draft.records.referrers(public.id):
                if (name := draft.nodes.get(user.key)) is not None:
                    machine = draft.machines.get(user.key, name)
                    draft.forwards(machine)  # an end of a tunnel
                    return machine
    return None


def _site(draft: Draft, local: Record) -> str:
    """The on-premises router that a local network gateway stands for."""
    if local.key not in draft.nodes:
        said, wrong = told(draft, local)
        if wrong:
            draft.leave(local.id, wrong)
        settings = local.properties.get("bgpSettings") or {}
        own = str(settings.get("bgpPeeringAddress") or "")
        lans = [
            each
            for each in prefixes((local.properties.get("localNetworkAddressSpace") or {}).get("addressPrefixes"))
            if each.partition("/")[0] != own
        ]
        one: Data = {}
        if settings.get("asn"):
            one["asn"] = int(settings["asn"])
        if own:
            one["address"] = own
        if lans:
            one["prefixes"] = lans
        draft.section("on_premises")[local.handle] = said if said.pop("only", False) else one | said
        draft.nodes[local.key] = local.handle
    return draft.nodes[local.key]
