"""Policies as data: what the Rust core runs on every route, and what `plan` and `why` print.

A `Policy` is a tuple of terms, tried in order; the first whose match holds acts; end of list accepts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

Action = Mapping[str, object]

ASKED_FOR = ("first_as", "reject_as_sets", "reject_martians", "reject_own_next_hop", "requires_policy")  # switches, off unless set


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term. `match` keys: prefix_equals, prefix_within, as_path_equals, as_path_contains, as_path_leading_even, community_all, community_any,
    community_high, from, ebgp; all that are given must hold. `do`: prepend, path_replace, path_remove, path_substitute, remove_private, community_add,
    community_replace, community_remove, local_preference, med, next_hop, weight, prefix_replace. `source`: the rule (R number) it stands for.
    """

    name: str
    match: Mapping[str, object] = field(default_factory=dict)
    do: tuple[Action, ...] = ()
    then: str = "accept"  # continue | accept | reject
    reason: str | None = None
    source: str = ""

    def data(self) -> dict[str, object]:
        """As the core reads it."""
        return {
            "name": self.name,
            "match": dict(self.match),
            "do": [dict(action) for action in self.do],
            "then": self.then,
            **({"reason": self.reason} if self.reason else {}),
        }


Policy = tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPolicy:
    """All that the RIB knows of a peer; `json` is what `_core.Rib.set_peer` takes (fields are explained in the core's policy module)."""

    name: str
    asn: int
    ebgp: bool
    local_address: str
    peer_address: str
    tags: tuple[str, ...]
    route_class: str = "other"  # nva | er | vpn | other
    weight: int = 32768
    allowas_in: int = 0
    usable: bool = True
    reflector_client: bool = False
    next_hop: str = "self"  # self | unchanged
    transparent: bool = False  # toward a route server's client: path and MED stay as they are (RFC 7947 section 2.2)
    own: str = "none"  # none | second: what the sender of a best path is told, nothing or the best of the others' (RFC 7947 section 2.3)
    max_prefixes: int | None = None
    max_prefixes_count: str = "held"  # azure | held
    max_prefixes_action: str = "teardown"  # teardown | drop | warn
    max_memory: int | None = None  # octets that its routes may take; beyond, the session ends by Cease/8 (RFC 4486 section 4)
    send_communities: bool = True
    honors_no_export: bool = True  # NO_EXPORT keeps a route from an external peer (RFC 1997)
    discard_med: bool = False
    first_as: bool = False  # the path of an external peer must begin with its AS number (RFC 4271 section 6.3)
    reject_as_sets: bool = False  # RFC 9774
    reject_martians: bool = False  # prefixes that are nobody's (RFC 6890)
    reject_own_next_hop: bool = False  # our own address toward the peer as its route's next hop (RFC 4271 section 6.3)
    requires_policy: bool = False  # RFC 8212
    role: str | None = None  # ours on this session: provider | customer | peer | rs | rs-client (RFC 9234)
    checks: Policy = ()
    rules: Policy = ()
    export: tuple[Policy, ...] = ()

    def json(self) -> str:
        """The core's form, keys in a fixed order."""
        return json.dumps(
            {
                "name": self.name,
                "asn": self.asn,
                "ebgp": self.ebgp,
                "local_address": self.local_address,
                "peer_address": self.peer_address,
                "tags": list(self.tags),
                "route_class": self.route_class,
                "weight": self.weight,
                "allowas_in": self.allowas_in,
                "usable": self.usable,
                "reflector_client": self.reflector_client,
                "next_hop": self.next_hop,
                **({"transparent": True} if self.transparent else {}),
                **({"own": self.own} if self.own != "none" else {}),
                "max_prefixes": self._limit(),
                **({"max_memory": self.max_memory} if self.max_memory is not None else {}),
                "send_communities": self.send_communities,
                **({} if self.honors_no_export else {"honors_no_export": False}),
                "discard_med": self.discard_med,
                **{key: True for key in ASKED_FOR if getattr(self, key)},
                **({"role": self.role} if self.role else {}),
                "checks": [term.data() for term in self.checks],
                "import": [term.data() for term in self.rules],
                "export": [[term.data() for term in stage] for stage in self.export],
            }
        )

    def _limit(self) -> dict[str, object] | None:
        if not self.max_prefixes:
            return None
        action = {"action": self.max_prefixes_action} if self.max_prefixes_action != "teardown" else {}
        return {"limit": self.max_prefixes, "count": self.max_prefixes_count, **action}
