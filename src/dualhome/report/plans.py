"""A plan as data: what `plan --json` prints, policies with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualhome.report.data import Data, plain

if TYPE_CHECKING:
    from dualhome.model import Network, Peering
    from dualhome.plan import Plan, SpeakerPlan


def plan(whole: Plan) -> Data:
    """Peerings with their state, speakers with their peers and policies, sessions, conditions."""
    return {
        "name": whole.network.name,
        "speakers": [_speaker(name, speaker) for name, speaker in whole.speakers.items()],
        "peerings": [_peering(whole.network, each) for each in whole.network.peerings],
        "sessions": [{"a": s.a, "b": s.b, "carrier": s.carrier.value, "bfd": plain(s.bfd)} for s in whole.sessions],
        "conditions": plain(whole.conditions),
        "notes": list(whole.notes),
    }


def _peering(network: Network, peering: Peering) -> Data:
    """As Azure shows the resource: its state (R20), its level of synchronization, the ranges that it knows (R16), its kind (R25)."""
    return {
        "name": peering.name,
        "state": network.peering_state(peering),
        "sync_level": network.peering_sync_level(peering),
        "remote_address_space": [str(prefix) for prefix in network.known_space(peering.local, peering.remote)],
        "global": network.is_global(peering.local, peering.remote),
    }


def _speaker(name: str, speaker: SpeakerPlan) -> Data:
    config = speaker.config
    return {
        "name": name,
        "kind": speaker.kind.value,
        "virtual_network": speaker.virtual_network,
        "asn": config.asn,
        "router_id": config.router_id,
        "originates": [
            {"prefix": str(p), "next_hop": str(o.next_hop), "as_path": list(o.as_path), "tags": list(o.tags)}
            for p, o in config.origins.items()
        ],
        "peers": [
            {
                "peer": peer,
                "asn": each.session.remote_asn,
                "address": str(each.session.remote_address),
                "hold_time_s": each.session.hold_time_s,
                "keepalive_s": each.session.keepalive_s,
                "enabled": each.enabled,
                "policy": plain(each.policy),
            }
            for peer, each in config.peers.items()
        ],
    }
