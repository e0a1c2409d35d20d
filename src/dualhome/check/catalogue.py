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
    Check(code="L-001", severity="error", run=servers.one_instance_only),
    Check(code="L-002", severity="error", run=servers.reserved_asn),
    Check(code="L-003", severity="error", run=appliances.no_multihop),
    Check(code="L-004", severity="error", run=loops.refused_as_loop),
    Check(code="L-005", severity="error", run=loops.half_overridden),
    Check(code="L-006", severity="error", run=peerings.two_remote_gateways),
    Check(code="L-007", severity="error", run=peerings.remote_gateways_beside_own),
    Check(code="L-008", severity="error", run=peerings.remote_gateways_without_any),
    Check(code="L-009", severity="error", run=peerings.next_hop_out_of_reach),
    Check(code="L-010", severity="error", run=peerings.no_transit_pair),
    Check(code="L-011", severity="error", run=appliances.default_to_itself),
    Check(code="L-012", severity="error", run=appliances.route_to_itself),
    Check(code="L-013", severity="error", run=loops.boomerang),
    Check(code="L-014", severity="error", run=attachments.no_way_to_the_route_server),
    Check(code="L-015", severity="warning", run=gateways.vpn_gateway_beside_route_server),
    Check(code="L-016", severity="error", run=attachments.attached_to_its_subnet),
    Check(code="L-017", severity="error", run=servers.second_or_misplaced),
    Check(code="L-018", severity="warning", run=servers.small_subnet),
    Check(code="L-019", severity="error", run=exchange.own_prefix_announced),
    Check(code="L-020", severity="warning", run=expectations.steered_by_bgp),
    Check(code="L-021", severity="error", run=exchange.too_many_from_peer),
    Check(code="L-022", severity="warning", run=exchange.too_many_to_circuit),
    Check(code="L-023", severity="warning", run=servers.too_many_peers),
    Check(code="L-024", severity="warning", run=peerings.propagation_disabled),
    Check(code="L-025", severity="error", run=gateways.broken_gateway_subnet),
    Check(code="L-026", severity="warning", run=gateways.route_server_behind_firewall),
    Check(code="L-027", severity="warning", run=gateways.spoke_past_the_nva),
    Check(code="L-028", severity="warning", run=appliances.stateful_side_by_side),
    Check(code="L-029", severity="warning", run=loops.override_beside_strip),
    Check(code="L-030", severity="warning", run=exchange.private_prepend),
    Check(code="L-031", severity="warning", run=exchange.default_not_to_sites),
    Check(code="L-032", severity="warning", run=exchange.default_leaks),
    Check(code="L-033", severity="warning", run=exchange.refused_branch_tag),
    Check(code="L-034", severity="warning", run=exchange.azure_communities),
    Check(code="L-035", severity="warning", run=expectations.between_circuits),
    Check(code="L-036", severity="warning", run=expectations.clients_over_expressroute),
    Check(code="L-037", severity="warning", run=gateways.equal_connections),
    Check(code="L-038", severity="warning", run=exchange.no_way_back_to_expressroute),
    Check(code="L-039", severity="warning", run=servers.ipv6),
    Check(code="L-040", severity="error", run=attachments.in_a_virtual_wan),
    Check(code="L-041", severity="warning", run=appliances.no_ip_forwarding),
    Check(code="L-042", severity="warning", run=peerings.no_forwarded_traffic),
    Check(code="L-043", severity="warning", run=attachments.bgp_kept_out),
    Check(code="L-044", severity="error", run=servers.route_map_across_networks),
    Check(code="L-045", severity="warning", run=servers.route_map_against_the_rules),
    Check(code="L-046", severity="warning", run=appliances.load_balancer_elsewhere),
    Check(code="L-047", severity="warning", run=scenarios.withdrawn_and_announced),
    Check(code="L-048", severity="info", run=scenarios.route_server_beside_a_gateway),
    Check(code="L-049", severity="info", run=scenarios.vpn_gateway_after_route_server),
    Check(code="L-050", severity="warning", run=scenarios.out_of_sync),
    Check(code="L-051", severity="warning", run=gateways.redundant_static_prefix),
    Check(code="L-052", severity="warning", run=expectations.past_the_hubs_nva),
    Check(code="L-053", severity="warning", run=loops.transit_through_the_spoke),
    Check(code="L-054", severity="info", run=attachments.meaningless_metric),
    Check(code="L-055", severity="warning", run=gateways.fast_path_past_inspection),
    Check(code="L-101", severity="error", run=beyond.hold_time),
    Check(code="L-102", severity="error", run=beyond.peer_out_of_reach),
    Check(code="L-103", severity="warning", run=beyond.half_a_peering),
    Check(code="L-104", severity="warning", run=beyond.machines),
    Check(code="L-105", severity="warning", run=beyond.virtual_networks),
    Check(code="L-106", severity="warning", run=beyond.prefixes),
    Check(code="L-107", severity="error", run=beyond.too_many_to_a_circuit),
    Check(code="L-108", severity="warning", run=beyond.peerings),
    Check(code="L-109", severity="error", run=beyond.user_routes),
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
