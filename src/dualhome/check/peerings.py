"""Findings about peerings, and about what reaches NICs through them."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.finding import Design, Draft, Path
from dualhome.check.remedies import flag
from dualhome.model import GATEWAY_SUBNET, Network, Peering, VirtualMachine
from dualhome.net import Address

APPLIANCES = ("VirtualAppliance", "VirtualApplianceEcmp")


def place(peering: Peering) -> Path:
    """Where a peering's resource stands in the file."""
    return ("peerings", peering.name)


def two_remote_gateways(design: Design) -> Iterator[Draft]:
    """L-006: one peering of a virtual network may use remote gateways (R30)."""
    by_owner: dict[str, list[Peering]] = {}
    for each in (p for p in design.network.peerings if p.use_remote_gateways):
        by_owner.setdefault(each.local, []).append(each)
    for using in by_owner.values():
        for peering in using[1:]:
            yield Draft(
                on=peering.name,
                message=f"Azure refuses use_remote_gateways here, since {using[0].name} has it already",
                remedy=f"keep it at one of {', '.join(p.name for p in using)}",
                rule="R30",
                where=place(peering),
            )


def remote_gateways_beside_own(design: Design) -> Iterator[Draft]:
    """L-007: a virtual network with a gateway or route server of its own cannot use remote ones (R31, R42)."""
    for peering in (p for p in design.network.peerings if p.use_remote_gateways):
        own = _gateways_and_servers(design.network, peering.local)
        if own:
            yield Draft(
                on=peering.name,
                message=f"Azure refuses use_remote_gateways, since {peering.local} has {own[0]}",
                remedy="set use_remote_gateways to false",
                rule="R31",
                where=place(peering),
                edits=(flag(peering.name, "use_remote_gateways", False),),
            )


def remote_gateways_without_any(design: Design) -> Iterator[Draft]:
    """L-008: remote gateways need a gateway or route server there, and the mirror's allow_gateway_transit (R29, R32)."""
    for peering in (p for p in design.network.peerings if p.use_remote_gateways):
        mirror = design.network.peering(peering.remote, peering.local)
        if not _gateways_and_servers(design.network, peering.remote):
            yield Draft(
                on=peering.name,
                message=f"Azure refuses use_remote_gateways: {peering.remote} has neither gateway nor route server",
                remedy=f"put a gateway or route server into {peering.remote} first",
                rule="R32",
                where=place(peering),
            )
        elif mirror is not None and not mirror.allow_gateway_transit:
            yield Draft(
                on=peering.name,
                message=f"use_remote_gateways has no effect, since {mirror.name} does not allow gateway transit",
                remedy=f"set allow_gateway_transit at {mirror.name}",
                rule="R29",
                where=place(peering),
                edits=(flag(mirror.name, "allow_gateway_transit", True),),
            )


def _gateways_and_servers(network: Network, virtual_network: str) -> list[str]:
    rs = network.route_server_of(virtual_network)
    return [*([rs.name] if rs else []), *(g.name for g in network.gateways_of(virtual_network))]


def next_hop_out_of_reach(design: Design) -> Iterator[Draft]:
    """L-009: a next hop outside the NIC's own and directly peered virtual networks becomes None, and packets are dropped (R43)."""
    for nic in design.subnets_with_machines():
        lost = [row for row in design.rows(nic.name) if row.state == "Active" and row.next_hop_type == "None" and row.rule == "R43"]
        if lost:
            prefixes = ", ".join(str(row.prefix) for row in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            yield Draft(
                on=nic.machine,
                message=f"packets to {prefixes} are dropped in {nic.subnet}: the next hop lies in no virtual network that {nic.virtual_network} is peered with",
                remedy=f"peer {nic.virtual_network} with the virtual network of the next hop",
                rule="R43",
                where=("virtual_networks", nic.virtual_network),
            )


def no_transit_pair(design: Design) -> Iterator[Draft]:
    """L-010: machines beside a route server's virtual network hear nothing of it without a transit pair (R34, R35).

    Where a route table leads them to an appliance, nobody expects routes of the route server.
    """
    network = design.network
    by_home: dict[str, list[VirtualMachine]] = {}
    for vm in network.virtual_machines.values():
        by_home.setdefault(vm.nic.virtual_network, []).append(vm)
    for name, machines in by_home.items():
        if _gateways_and_servers(network, name) or network.transit_hub(name):
            continue
        if all(_led_by_table(network, vm.nic.subnet) for vm in machines):
            continue
        found = [(p, rs) for p in network.connected(name) if (rs := network.route_server_of(p.remote)) is not None and rs.peers]
        found = [(p, rs) for p, rs in found if not any(_stands_in(network, peer.name, name) for peer in rs.peers)]
        if any(peering.use_remote_gateways for peering, _ in found):
            continue  # without effect, which L-008 says
        for peering, rs in found[:1]:
            both = (flag(f"{peering.remote}->{name}", "allow_gateway_transit", True), flag(peering.name, "use_remote_gateways", True))
            yield Draft(
                on=name,
                message=f"no route of {rs.name} reaches the machines of {name}: the peering with {peering.remote} has no transit pair",
                remedy=f"set allow_gateway_transit at {peering.remote}->{name} and use_remote_gateways at {peering.name}",
                rule="R34",
                where=place(peering),
                edits=both if len(found) == 1 else (),
            )


def _stands_in(network: Network, nva: str, virtual_network: str) -> bool:
    """Whether it is the NVA's own hub: the route server's network is its spoke, and not the other way round (R159)."""
    return nva in network.nvas and network.nvas[nva].virtual_network == virtual_network


def _led_by_table(network: Network, subnet: str) -> bool:
    table = network.subnet(subnet).route_table
    return table is not None and any(route.next_hop_type in APPLIANCES for route in network.route_tables[table].routes)


def propagation_disabled(design: Design) -> Iterator[Draft]:
    """L-024: a subnet without propagation gets no route of a route server either (R63); reported where no appliance's route stands in for them."""
    network = design.network
    with_machines = {vm.nic.subnet for vm in network.virtual_machines.values()}
    for key in sorted(with_machines):
        subnet = network.subnet(key)
        table = network.route_tables.get(subnet.route_table or "")
        served = network.route_server_of(subnet.virtual_network) or network.route_server_of(
            network.transit_hub(subnet.virtual_network) or ""
        )
        if table is None or not table.disable_bgp_route_propagation or served is None or subnet.name == GATEWAY_SUBNET:
            continue
        if not _led_by_table(network, key):
            yield Draft(
                on=key,
                message=f"route table {table.name} keeps the routes of {served.name} from the machines in {key}, as it does those of gateways",
                remedy="set disable_bgp_route_propagation to false, or give the table user-defined routes",
                rule="R63",
                where=("route_tables", table.name),
            )


def no_forwarded_traffic(design: Design) -> Iterator[Draft]:
    """L-042: what an NVA forwards into a peered virtual network is dropped there unless that one's own peering allows it (R37, R170)."""
    network = design.network
    for peering in network.peerings:
        if peering.allow_forwarded_traffic or network.peering(peering.remote, peering.local) is None:
            continue
        leading = _leads_to(network, peering.local)
        forwarders = [
            nva.name for nva in network.nvas.values() if nva.virtual_network == peering.remote and leading & _ways_in(network, nva.name)
        ]
        if forwarders:
            yield Draft(
                on=peering.name,
                message=f"{peering.local} drops what {' and '.join(forwarders)} forwards to it from elsewhere",
                remedy=f"set allow_forwarded_traffic at {peering.name}",
                rule="R37",
                where=place(peering),
                edits=(flag(peering.name, "allow_forwarded_traffic", True),),
            )


def _leads_to(network: Network, virtual_network: str) -> set[str | Address]:
    """NVAs whose routes its machines may get, and addresses that its route tables name."""
    servers = (network.route_server_of(virtual_network), network.route_server_of(network.transit_hub(virtual_network) or ""))
    found: set[str | Address] = {peer.name for rs in servers if rs for peer in rs.peers}
    for subnet in network.virtual_networks[virtual_network].subnets.values():
        table = network.route_tables.get(subnet.route_table or "")
        found |= {hop for route in (table.routes if table and subnet.name != GATEWAY_SUBNET else ()) for hop in route.next_hops}
    return found


def _ways_in(network: Network, nva: str) -> set[str | Address]:
    """The NVA by name, by its NICs' addresses, and by load balancers before it."""
    nics = {nic.address for nic in network.nvas[nva].nics}
    balancers = {lb.address for lb in network.load_balancers.values() if nva in lb.backends}
    return {nva, *nics, *balancers}
