"""Judgements on an OPEN that need more than its bytes: is this the peer, and which of its transports stays."""

from __future__ import annotations

from collections.abc import Sequence

from dualhome._core import OpenMessage
from dualhome.bgp.config import SessionConfig
from dualhome.bgp.events import State
from dualhome.bgp.link import Link
from dualhome.bgp.roles import judge_role
from dualhome.bgp.timers import negotiated_hold_time
from dualhome.errors import PeerError
from dualhome.net import Address


def judge_open(message: OpenMessage, config: SessionConfig) -> None:
    """Whether the peer is the one that is configured, and has something in common with us.

    Raises:
        PeerError: another ASN (2/2), our own BGP Identifier on iBGP (2/3), a hold time of 1 or 2 s, or of 0 where that is refused
            (2/6), no common family (2/7), a role that doesn't fit ours (2/11).

    Source: RFC 4271 section 6.2, RFC 6286 section 2.2, RFC 5492 section 3, RFC 9234 section 4.2.
    """
    if message.asn != config.remote_asn:
        raise PeerError(2, 2, reason=f"the peer says AS{message.asn}, expected AS{config.remote_asn}")
    if message.router_id == config.router_id and config.local_asn == config.remote_asn:
        raise PeerError(2, 3, reason=f"the peer has our own identifier {config.router_id}")
    if negotiated_hold_time(config.hold_time_s, message.hold_time_s) == 0 and not config.zero_hold:
        raise PeerError(2, 6, reason="a hold time of 0 s is not accepted here (R75)")
    if not set(config.families) & set(message.families):
        wanted = b"".join(bytes([1, 4, *afi.to_bytes(2, "big"), 0, safi]) for afi, safi in config.families)
        raise PeerError(2, 7, wanted, reason=f"no common address family: the peer has {message.families}, we have {list(config.families)}")
    judge_role(message, config.role, config.role_strict)


def collision_losers(links: Sequence[Link], newest: Link, message: OpenMessage, config: SessionConfig) -> list[Link]:
    """Which transports must go, now that the peer's OPEN has come on `newest`: it alone, or all others.

    The transport made by the end with the higher BGP Identifier stays, or, where they are equal, by the one with the higher ASN; an
    Established one always stays; of two made by the same end the newer does. One in OpenSent takes part too, as its peer is known.

    Source: RFC 4271 section 6.8, RFC 6286 section 2.3.
    """
    others = [link for link in links if link is not newest]
    ours = (Address.parse(config.router_id).bits, config.local_asn)
    ours_stays = ours > (Address.parse(message.router_id).bits, message.asn)
    for other in others:
        if other.state is State.ESTABLISHED or (other.ours != newest.ours and other.ours == ours_stays):
            return [newest]
    return others
