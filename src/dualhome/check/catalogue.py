"""The catalogue of findings, and the run over it."""

from __future__ import annotations

from typing import Final

from dualhome.check import appliances, attachments, beyond, exchange, expectations, gateways, loops, peerings, scenarios, servers
from dualhome.check.facts import Facts, Machine
from dualhome.check.finding import Check, Design, Finding, Locate, Path
from dualhome.check.others import OF_AZURE, azures_alone
from dualhome.model import Network
from dualhome.plan import Plan
from dualhome.topology import Step

CHECKS: Final[tuple[Check, ...]] = (
    Check(code="L-001", run=servers.one_instance_only),
    Check(code="L-002", run=servers.reserved_asn),
    Check(code="L-003", run=appliances.no_multihop),
    Check(code="L-004", run=loops.refused_as_loop),
    Check(code="L-005", run=loops.half_overridden),
    Check(code="L-006", run=peerings.two_remote_gateways),
    Check(code="L-007", run=peerings.remote_gateways_beside_own),
    Check(code="L-008", run=peerings.remote_gateways_without_any),
    Check(code="L-009", run=peerings.next_hop_out_of_reach),
    Check(code="L-010", run=peerings.no_transit_pair),
    Check(code="L-011", run=appliances.default_to_itself),
    Check(code="L-012", run=appliances.route_to_itself),
    Check(code="L-013", run=loops.boomerang),
    Check(code="L-014", run=attachments.no_way_to_the_route_server),
    Check(code="L-015", run=gateways.vpn_gateway_beside_route_server),
    Check(code="L-016", run=attachments.attached_to_its_subnet),
    Check(code="L-017", run=servers.second_or_misplaced),
    Check(code="L-018", run=servers.small_subnet),
    Check(code="L-019", run=exchange.own_prefix_announced),
    Check(code="L-020", run=expectations.steered_by_bgp),
    Check(code="L-021", run=exchange.too_many_from_peer),
    Check(code="L-022", run=exchange.too_many_to_circuit),
    Check(code="L-023", run=servers.too_many_peers),
    Check(code="L-024", run=peerings.propagation_disabled),
    Check(code="L-025", run=gateways.broken_gateway_subnet),
    Check(code="L-026", run=gateways.route_server_behind_firewall),
    Check(code="L-027", run=gateways.spoke_past_the_nva),
    Check(code="L-028", run=appliances.stateful_side_by_side),
    Check(code="L-029", run=loops.override_beside_strip),
    Check(code="L-030", run=exchange.private_prepend),
    Check(code="L-031", run=exchange.default_not_to_sites),
    Check(code="L-032", run=exchange.default_leaks),
    Check(code="L-033", run=exchange.refused_branch_tag),
    Check(code="L-034", run=exchange.azure_communities),
    Check(code="L-035", run=expectations.between_circuits),
    Check(code="L-036", run=expectations.clients_over_expressroute),
    Check(code="L-037", run=gateways.equal_connections),
    Check(code="L-038", run=exchange.no_way_back_to_expressroute),
    Check(code="L-039", run=servers.ipv6),
    Check(code="L-040", run=attachments.in_a_virtual_wan),
    Check(code="L-041", run=appliances.no_ip_forwarding),
    Check(code="L-042", run=peerings.no_forwarded_traffic),
    Check(code="L-043", run=attachments.bgp_kept_out),
    Check(code="L-044", run=servers.route_map_across_networks),
    Check(code="L-045", run=servers.route_map_against_the_rules),
    Check(code="L-046", run=appliances.load_balancer_elsewhere),
    Check(code="L-047", run=scenarios.withdrawn_and_announced),
    Check(code="L-048", run=scenarios.route_server_beside_a_gateway),
    Check(code="L-049", run=scenarios.vpn_gateway_after_route_server),
    Check(code="L-050", run=scenarios.out_of_sync),
    Check(code="L-051", run=gateways.redundant_static_prefix),
    Check(code="L-052", run=expectations.past_the_hubs_nva),
    Check(code="L-053", run=loops.transit_through_the_spoke),
    Check(code="L-054", run=attachments.meaningless_metric),
    Check(code="L-055", run=gateways.fast_path_past_inspection),
    Check(code="L-101", run=beyond.hold_time),
    Check(code="L-102", run=beyond.peer_out_of_reach),
    Check(code="L-103", run=beyond.half_a_peering),
    Check(code="L-104", run=beyond.machines),
    Check(code="L-105", run=beyond.virtual_networks),
    Check(code="L-106", run=beyond.prefixes),
    Check(code="L-107", run=beyond.too_many_to_a_circuit),
    Check(code="L-108", run=beyond.peerings),
    Check(code="L-109", run=beyond.user_routes),
)


def _nowhere(_path: Path) -> tuple[int, int]:
    return 0, 0


def findings(
    network: Network,
    plan: Plan,
    engine: Machine | None = None,
    locate: Locate | None = None,
    file: str = "",
    scenario: tuple[Step, ...] = (),
) -> list[Finding]:
    """Every finding, sorted by line, code and object; without an engine those that need routes are left out, without a scenario those of its steps.

    `locate` gives line and column of a path in the file, as ("network_virtual_appliances", "hub1-nva").
    """
    design = Design(network=network, plan=plan, facts=Facts(engine) if engine is not None else None, scenario=scenario)
    azures = azures_alone(design)
    where = locate or _nowhere
    found: dict[Finding, None] = {}
    for check in CHECKS:
        for draft in check.run(azures if check.code in OF_AZURE else design):
            line, column = where(draft.where)
            finding = Finding(
                code=check.code,
                severity=check.severity,
                on=draft.on,
                message=draft.message,
                remedy=draft.remedy,
                rule=draft.rule,
                file=file,
                line=line,
                column=column,
                edits=draft.edits,
            )
            found.setdefault(finding)
    return sorted(found, key=lambda f: (f.line, f.code, f.on, f.message))
