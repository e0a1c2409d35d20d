"""Whose route servers these are: what `behaves_like` sets where the file says nothing else. A table of values; `plan`, `engine` and `check` act by it.

Sources of the figures; what none of them gives is as Azure's, and the field says so:

- Azure: rules R72 (ASN), R75 (timers), R78 and D21 (no BFD), R79 (ASNs of peers), R87 and D5 (routes), R89 (peers), R113 and D16 (no MED).
- AWS, VPC Route Server: "Amazon VPC quotas", Route servers (100 routes a peer, 20 sessions an interface); "Amazon VPC User Guide", How Amazon VPC
  Route Server works (MED), Step 2: Create a route server (ASN, persist routes), Step 6: Create route server peer (ASN of peers, liveness detection);
  "Dynamic routing using Amazon VPC Route Server" (AWS blog, 2025-09-02), Scenario 1 (one of four paths is installed: no multipath; shortest AS path, then MED).
  The timers of its BGP and BFD are in none of these: those here are of "AWS Direct Connect User Guide", BGP-specific settings.
- Google, Cloud Router with Router appliance: "Manage BGP timers" (20 s, three times that); "Bidirectional Forwarding Detection overview", BFD
  limitations (none with Router appliance); "Cloud Router quotas and limits", Limits (128 peers, 5,000 prefixes a peer, more reset the session);
  "Learned routes", Legacy best path selection (AS path, origin, MED of whichever AS; ECMP) and its introduction (learned routes are not told on);
  "gcloud compute routers create", --asn (private ASNs of RFC 6996).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from dualhome.model.network import Bfd, Timers

PRIVATE_ASNS: Final = (range(64512, 65535), range(4200000000, 4294967295))  # RFC 6996
EVERY_ASN: Final = (range(1, 4294967296),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Personality:
    """What one maker's route servers do; None where there is no limit."""

    asns: tuple[range, ...] = ()  # of which the user chooses the route server's own; empty: it is 65515
    timers: Timers = field(default_factory=Timers)
    bfd: Bfd | None = None  # where `peer_liveness_detection: bfd` asks for it; None: it has none of its own
    any_peer_asn: bool = False
    max_peers: int | None = 8
    max_routes_per_peer: int | None = 4000
    counts: str = "azure"  # azure: what comes counts besides what is held (R87); held: what is held counts
    compares: tuple[str, ...] = ()  # rounds of the decision after the AS path
    multipath: int | None = None  # next hops of a programmed route; None: as the quirk `multipath_width` says (D20)
    reflect_between_nvas: str = "same-virtual-network"
    may_persist_routes: bool = False
    has_azures_rules: bool = False  # about its subnet, its peers' ASNs, IPv6, route maps


AZURE: Final = Personality(has_azures_rules=True)

AWS: Final = Personality(
    asns=EVERY_ASN,
    timers=Timers(keepalive_s=30, hold_s=90),
    bfd=Bfd(interval_ms=300, multiplier=3),
    any_peer_asn=True,
    max_peers=20,
    max_routes_per_peer=100,
    counts="held",
    compares=("origin", "med"),
    multipath=1,
    may_persist_routes=True,
)

GOOGLE: Final = Personality(
    asns=PRIVATE_ASNS,
    timers=Timers(keepalive_s=20, hold_s=60),
    any_peer_asn=True,
    max_peers=128,
    max_routes_per_peer=5000,
    counts="held",
    compares=("origin", "med-of-any"),
    reflect_between_nvas="none",
)

IDEAL: Final = Personality(
    timers=Timers(keepalive_s=1, hold_s=3),  # the least that RFC 4271 section 4.2 allows
    any_peer_asn=True,
    max_peers=None,
    max_routes_per_peer=None,
    counts="held",
    multipath=64,
)

PERSONALITIES: Final[Mapping[str, Personality]] = MappingProxyType({"azure": AZURE, "aws": AWS, "google": GOOGLE, "ideal": IDEAL})
