"""Named switches: where sources disagree on what Azure does, the recommended behaviour is the default and the other one has a name here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The topology's `quirks`; each with the number of its disagreement in docs/azure-routing-rules.md, section 12."""

    route_server_subnet_at_most: int = 27  # D1, R6
    virtual_network_equal_bgp: bool = False  # D3, R59
    gateway_subnet_follows_bgp: bool = False  # D4, R169
    virtual_machines_at_two_units: int = 4000  # D6, R90
    custom_asn_vpn_gateway: str = "accepted"  # D7, R151 (accepted | refused)
    point_to_site_transit: bool = False  # D8
    forwarded_traffic_judged_by: str = "receiver"  # D10, R37 (receiver | sender)
    without_virtual_network_access: str = "dropped"  # D11 (dropped | unlisted)
    as_path_tie: str = "ExpressRoute"  # D12, R107 (ExpressRoute | multipath)
    preference_needs_branch_to_branch: bool = False  # D13, R112
    expressroute_failback: str = "immediate"  # D14, R111 (immediate | sticky)
    routes_of_a_dead_route_server: str = "kept"  # D15 (kept | removed)
    med_and_origin: str = "ignored"  # D16, R113 (ignored | compared)
    no_export: str = "honored"  # D17, R97 (honored | ignored)
    on_new_peering: str = "refresh"  # D18, R40 (refresh | reset)
    multipath_width: int = 8  # D20
    losing_bgp_rows: str = "hidden"  # D22, R62 (hidden | listed)
    over_the_edge_limit: str = "session-down"  # D23, R141 (session-down | excess-ignored)
    branch_tag_on: str = "branches"  # D24, R95 (branches | everything)
    transit_over_global_peering: bool = True  # D25, R26
    gateway_routes_without_branch_to_branch: bool = False  # D26, R127
    none_rows_under_bgp_default: str = "absent"  # D27, R47 (absent | present)
    branch_to_branch_off: str = "withdraws"  # D28 (withdraws | keeps)
    hold_time_zero: str = "refused"  # D29, R75 (refused | accepted)
