"""Machines: a VM with one NIC that forwards nothing is a virtual machine, any other an NVA; a NIC without a VM answers as a machine of its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dualhome.arm.guests.configs import keys_of, of_data, originated
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.compute import power_of
from dualhome.arm.records import Record
from dualhome.arm.world.draft import Data, Draft, overlaid, reference, told, unique
from dualhome.arm.world.hubs import home_of, neighbours

OWN_KEYS: Final = frozenset(("subnet", "address", "interfaces", "ip_forwarding"))


def add_machines(draft: Draft) -> None:
    """Every VM, and NICs that have none."""
    draft.each(draft.of("Microsoft.Compute/virtualMachines"), _add_vm)
    draft.each((nic for nic in draft.of("networkInterfaces") if nic.key not in draft.machines), _add_lone_nic)
    draft.each(draft.of("azureFirewalls"), _add_firewall)


def _add_vm(draft: Draft, record: Record) -> None:
    found = [nic for key in nic_keys(record) if (nic := draft.records.get(key)) is not None]
    nics = [(nic, where) for nic in found if nic.key not in draft.machines and (where := place(draft, nic)) is not None]
    if nics:
        _add_machine(draft, record, nics)
    else:
        draft.leave(record.id, "it has no network interface in a subnet")


def _add_lone_nic(draft: Draft, nic: Record) -> None:
    where = place(draft, nic)
    if where is not None:
        draft.section("virtual_machines")[nic.handle] = where
        _note(draft, nic, nic.handle, nic.handle, where)


def _add_firewall(draft: Draft, record: Record) -> None:
    """It forwards, and says nothing in BGP."""
    where = place(draft, record)
    if where is None:
        draft.leave(record.id, "it has no ipConfiguration in an AzureFirewallSubnet")
        return
    name = record.handle
    draft.section("network_virtual_appliances")[name] = {**where, "ip_forwarding": True}
    _note(draft, record, name, name, where)


def _note(draft: Draft, nic: Record, name: str, machine: str, where: Data) -> None:
    """A NIC's name, its machine, and that the address is that machine's."""
    draft.nodes[nic.key], draft.machines[nic.key] = name, machine
    draft.addresses[where["subnet"].partition("/")[0], where["address"]] = machine


def nic_keys(record: Record) -> list[str]:
    """A VM's NICs, the primary first."""
    listed = (record.properties.get("networkProfile") or {}).get("networkInterfaces") or []
    first = sorted(listed, key=lambda each: not (each.get("properties") or {}).get("primary", False))
    return [key_of(each["id"]) for each in first if isinstance(each.get("id"), str)]


def place(draft: Draft, nic: Record) -> Data | None:
    """Subnet and address of its first IPv4 configuration; None where it has none."""
    for part in nic.properties.get("ipConfigurations") or []:
        properties = part.get("properties") or {}
        subnet, address = draft.subnets.get(reference(properties.get("subnet"))), properties.get("privateIPAddress")
        if subnet is not None and isinstance(address, str):
            return {"subnet": subnet, "address": address, "ip_forwarding": bool(nic.properties.get("enableIPForwarding", False))}
    return None


def _add_machine(draft: Draft, record: Record, nics: list[tuple[Record, Data]]) -> None:
    peers = [each for _, where in nics for each in connections_to(draft, where)]
    nics = sorted(
        nics, key=lambda each: not connections_to(draft, each[1])
    )  # a topology has the NIC first that speaks BGP; else the primary
    name, (nic, first) = record.handle, nics[0]
    said, wrong = told(draft, record)
    if wrong:
        draft.leave(record.id, wrong)
    router = record.private.get("router")
    draft.nodes[record.key] = name
    _note(draft, nic, name, name, first)
    if power_of(record) != "running":
        draft.down.append(name)
    if said.pop("virtual_machine", False) or (len(nics) == 1 and not said and not router and not peers and not first["ip_forwarding"]):
        draft.section("virtual_machines")[name] = first
        return
    one: Data = dict(first)
    for nic, where in nics[1:]:
        short = unique(nic.name.replace(".", "-"), one.setdefault("interfaces", {}))
        one["interfaces"][short] = where
        _note(draft, nic, f"{name}.{short}", name, where)
    one |= _speech(draft, record, said, router, peers)
    draft.section("network_virtual_appliances")[name] = one


def _speech(draft: Draft, record: Record, said: Data, router: Mapping[str, Any] | None, peers: list[Record]) -> Data:
    """What it says in BGP: told by a tag or user data, else read from its configuration; its ASN, where neither says it, is what its peers expect."""
    expected = {int(each.properties["peerAsn"]) for each in peers if isinstance(each.properties.get("peerAsn"), int)}
    found: Data = {"asn": expected.pop()} if len(expected) == 1 else {}
    own = {key: value for key, value in said.items() if key not in OWN_KEYS}
    if own:
        return found | own
    if router and router.get("asn"):
        draft.routers[record.handle] = router
        found = {"asn": int(router["asn"])}
        if record.private.get("program") and record.private.get("configuration"):  # live; in a simulation the keys that are read speak
            found |= {"runtime": record.private["program"], "configuration": record.private["configuration"]}
    return found


def add_speech(draft: Draft) -> None:
    """What NVAs say whose configuration was read: neighbors by the names that they have by now."""
    hubs = {
        str(ip): record.handle
        for record in draft.of("virtualHubs")
        for ip in record.private.get("router_ips", ())
        if record.handle in draft.section("route_servers")
    }
    gateways = {str(ip): record.handle for record in draft.of("virtualNetworkGateways") for ip in record.private.get("addresses", ())}
    routers = [each for each in draft.of("Microsoft.Compute/virtualMachines") if each.handle in draft.routers]
    draft.each(routers, lambda draft, record: _add_speech(draft, record, hubs | gateways))


def _add_speech(draft: Draft, record: Record, fixed: Mapping[str, str]) -> None:
    one = draft.section("network_virtual_appliances").get(record.handle)
    if one is None:
        return
    home = one["subnet"].partition("/")[0]
    anywhere = {address: name for (_, address), name in draft.addresses.items()}

    def name_of(address: str) -> str | None:
        near = (draft.addresses[at, address] for at in (home, *neighbours(draft, home)) if (at, address) in draft.addresses)
        return next(near, None) or fixed.get(address) or anywhere.get(address)

    config, subnets = of_data(draft.routers[record.handle]), _prefixes_of(draft, one)
    for unread in config.unread:
        draft.leave(record.id, f"of its configuration was not understood: {unread}")
    for network in originated(config, subnets)[1]:
        draft.leave(record.id, f"network {network}: there is no route to it, so it is not announced (no bgp network import-check would)")
    one |= {key: value for key, value in keys_of(config, name_of, subnets).items() if key != "asn"}


def _prefixes_of(draft: Draft, one: Data) -> list[str]:
    """Of the subnets that an NVA is in."""
    places = [each["subnet"].partition("/") for each in (one, *one.get("interfaces", {}).values())]
    return [draft.data["virtual_networks"][network]["subnets"][subnet]["prefix"] for network, _, subnet in places]


def connections_to(draft: Draft, where: Data) -> list[Record]:
    """The bgpConnections whose peer has this address, of route servers in its network or beside it."""
    home = where["subnet"].partition("/")[0]
    found = draft.connections.get(where["address"], [])
    return [each for each in found if _reaches(draft, each, home)] if found else found


def _reaches(draft: Draft, connection: Record, home: str) -> bool:
    hub = draft.records.get(connection.id.rpartition("/bgpConnections/")[0])
    at = home_of(draft, hub) if hub is not None else None
    return at is not None and (at == home or home in neighbours(draft, at))


def add_balancers(draft: Draft) -> None:
    """Internal load balancers, their backends by NIC or by address."""
    draft.each(draft.of("loadBalancers"), _add_balancer)


def _add_balancer(draft: Draft, record: Record) -> None:
    fronts = [front for each in record.properties.get("frontendIPConfigurations") or [] if (front := _front(draft, each)) is not None]
    if not fronts:
        return  # a public one, or one without a subnet: no part of routing
    for each in fronts[1:]:
        draft.leave(record.id, f"its frontend {each['address']}: a load balancer has one in a topology")
    front = fronts[0]
    home = front["subnet"].partition("/")[0]
    backends = _backends(draft, record, home)
    if not backends:
        draft.leave(record.id, "no machine is in its backend pools")
        return
    one: Data = {**front, "backends": backends}
    for probe in record.properties.get("probes") or []:
        values = probe.get("properties") or {}
        threshold = values.get("probeThreshold") or values.get("numberOfProbes") or 2
        one["probe"] = {"interval_s": values.get("intervalInSeconds") or 5, "threshold": max(1, int(threshold))}
    draft.section("load_balancers")[record.handle] = overlaid(draft, record, one)
    draft.nodes[record.key] = record.handle
    draft.addresses[home, front["address"]] = record.handle


def _front(draft: Draft, part: Data) -> Data | None:
    properties = part.get("properties") or {}
    subnet, address = draft.subnets.get(reference(properties.get("subnet"))), properties.get("privateIPAddress")
    return {"subnet": subnet, "address": address} if subnet and isinstance(address, str) else None


def _backends(draft: Draft, record: Record, network: str) -> list[str]:
    found: dict[str, None] = {}
    for user in draft.records.referrers(record.id):
        if (name := draft.machines.get(user.key)) is not None:
            found[name] = None
    for pool in record.properties.get("backendAddressPools") or []:
        for each in (pool.get("properties") or {}).get("loadBalancerBackendAddresses") or []:
            address = str((each.get("properties") or {}).get("ipAddress"))
            near = (network, *neighbours(draft, network))
            if (name := next((draft.addresses[at, address] for at in near if (at, address) in draft.addresses), None)) is not None:
                found[name] = None
    for name in found:
        draft.forwards(name)
    return [name for name in found if name in draft.section("network_virtual_appliances")]
