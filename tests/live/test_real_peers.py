"""One of our speakers against the daemons of others, over TCP on loopback addresses. What the other end has is asked of itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Term
from dualhome.bgp.speaker import Speaker
from dualhome.net import Address, Prefix
from tests.live.daemons import Bird, Frr, missing_bird, missing_frr
from tests.live.driver import Driver

pytestmark = pytest.mark.live
frr_is_here = pytest.mark.skipif(bool(missing_frr()), reason=missing_frr())
bird_is_here = pytest.mark.skipif(bool(missing_bird()), reason=missing_bird())

OUR_ASN, THEIR_ASN = 4_200_000_001, 4_200_000_002
OURS, THEIRS = "127.0.0.1", "127.0.0.2"
ROUNDS = (
    "next-hop",
    "self",
    "local-preference",
    "as-path",
    "origin",
    "med",
    "ebgp",
    "|",
    "router-id",
    "cluster-list",
    "peer-address",
    "peer",
)
# Who opens the TCP connection: we, they (the other end is passive), or whoever comes first.
OPENERS = ("we", "they", "both")

# Next hops of documentation ranges: 127.0.0.0/8 is no next hop (FRR refuses it as a martian).
NEXT_HOP_V6 = Term(name="next hop", match={"prefix_within": ["::/0"]}, do=({"next_hop": "2001:db8::1"},))

FRR = """\
log stdout
route-map OUT permit 10
 set community 65002:100 65002:200
 set ip next-hop 192.0.2.2
route-map OUT6 permit 10
 set ipv6 next-hop global 2001:db8::2
router bgp {their_asn}
 bgp router-id 10.255.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {ours} remote-as {our_asn}
 neighbor {ours} port {our_port}
 neighbor {ours} ebgp-multihop
 neighbor {ours} disable-connected-check
 neighbor {ours} update-source {theirs}
 neighbor {ours} timers 3 9
 neighbor {ours} timers connect 1
 {passive}
 address-family ipv4 unicast
  network 10.2.0.0/16
  network 10.22.0.0/16
  neighbor {ours} activate
  neighbor {ours} route-map OUT out
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:2::/48
  neighbor {ours} activate
  neighbor {ours} route-map OUT6 out
 exit-address-family
"""

BIRD = """\
log stderr all;
router id 10.255.0.2;
protocol device {{ }}
protocol static own4 {{ ipv4; route 10.2.0.0/16 blackhole; {second} }}
protocol static own6 {{ ipv6; route 2001:db8:2::/48 blackhole; }}
filter tagged {{
  bgp_community.add((65002, 100));
  bgp_community.add((65002, 200));
  accept;
}}
protocol bgp dualhome {{
  local {theirs} port {their_port} as {their_asn};
  neighbor {ours} port {our_port} as {our_asn};
  multihop;
  strict bind yes;
  passive {passive};
  hold time 9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 {{ import all; export filter tagged; next hop address 192.0.2.2; }};
  ipv6 {{ import all; export filter tagged; next hop address 2001:db8::2; }};
}}
"""
SECOND = "route 10.22.0.0/16 blackhole;"


def config(passive: bool, prefixes: tuple[str, ...]) -> SpeakerConfig:
    """AS4200000001 at 127.0.0.1 with one peer and own prefixes of both families, tagged 65001:7."""
    next_hop = {4: Address.parse("192.0.2.1"), 6: Address.parse("2001:db8::1")}
    origins = {
        prefix: OriginConfig(prefix=prefix, next_hop=next_hop[prefix.version], communities=("65001:7",))
        for prefix in map(Prefix.parse, prefixes)
    }
    session = SessionConfig(
        peer="them",
        local_asn=OUR_ASN,
        remote_asn=THEIR_ASN,
        router_id="10.255.0.1",
        local_address=Address.parse(OURS),
        remote_address=Address.parse(THEIRS),
        hold_time_s=180,
        connect_retry_s=1,
        families=(IPV4_UNICAST, IPV6_UNICAST),
        passive=passive,
    )
    policy = PeerPolicy(
        name="them", asn=THEIR_ASN, ebgp=True, local_address="192.0.2.1", peer_address=THEIRS, tags=("them",), export=((NEXT_HOP_V6,),)
    )
    return SpeakerConfig(
        name="us",
        asn=OUR_ASN,
        router_id="10.255.0.1",
        rounds=ROUNDS,
        peers={"them": PeerConfig(session=session, policy=policy)},
        origins=origins,
    )


@pytest.fixture
def ports() -> tuple[int, int]:
    """Ours and theirs: free now on their addresses."""
    found = []
    for address in (OURS, THEIRS):
        with socket.create_server((address, 0)) as server:
            found.append(server.getsockname()[1])
    return found[0], found[1]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def driven(stack: ExitStack, opener: str, ports: tuple[int, int], prefixes: tuple[str, ...]) -> Driver:
    return stack.enter_context(Driver(Speaker(config(opener == "they", prefixes)), ports[0], {"them": ports[1]}))


def start_frr(stack: ExitStack, directory: Path, opener: str, ports: tuple[int, int]) -> Frr:
    passive = f"neighbor {OURS} passive" if opener == "we" else "!"
    text = FRR.format(ours=OURS, theirs=THEIRS, our_asn=OUR_ASN, their_asn=THEIR_ASN, our_port=ports[0], passive=passive)
    return stack.enter_context(Frr(directory, text, THEIRS, ports[1]))


def bird_config(opener: str, ports: tuple[int, int], second: str = SECOND) -> str:
    return BIRD.format(
        ours=OURS, theirs=THEIRS, our_asn=OUR_ASN, their_asn=THEIR_ASN, our_port=ports[0], their_port=ports[1],
        passive="on" if opener == "we" else "off", second=second,
    )  # fmt: skip


def learned(driver: Driver) -> dict[str, tuple[str, str, list[str]]]:
    """What we have from them: prefix to next hop, AS path, communities."""
    return {str(Prefix(*route.prefix)): (route.next_hop, route.as_path, route.communities) for route in driver.speaker.learned("them")}


THEIR_ROUTES = {
    "10.2.0.0/16": ("192.0.2.2", "4200000002", ["65002:100", "65002:200"]),
    "10.22.0.0/16": ("192.0.2.2", "4200000002", ["65002:100", "65002:200"]),
}


def frr_paths(frr: Frr, family: str) -> dict[str, str]:
    """FRR's routes that came from us: prefix to AS path."""
    routes = frr.ask(f"show bgp {family} unicast json")["routes"]
    return {prefix: path["path"] for prefix, paths in routes.items() for path in paths if path.get("peerId") == OURS}


@frr_is_here
@pytest.mark.parametrize("opener", OPENERS)
def test_frr(stack: ExitStack, tmp_path: Path, ports: tuple[int, int], opener: str) -> None:
    """Routes of both families both ways, communities, 4-octet ASNs, withdrawals both ways, a reset that heals."""
    frr = start_frr(stack, tmp_path, opener, ports)
    us = driven(stack, opener, ports, ("10.1.0.0/16", "10.11.0.0/16", "2001:db8:1::/48"))
    us.until(lambda: len(learned(us)) == 3)
    assert learned(us) == {**THEIR_ROUTES, "2001:db8:2::/48": ("2001:db8::2", "4200000002", [])}
    us.until(lambda: len(frr_paths(frr, "ipv4")) == 2 and len(frr_paths(frr, "ipv6")) == 1)
    assert frr_paths(frr, "ipv4") == {"10.1.0.0/16": "4200000001", "10.11.0.0/16": "4200000001"}
    assert frr_paths(frr, "ipv6") == {"2001:db8:1::/48": "4200000001"}
    [path] = frr.ask("show bgp ipv4 unicast 10.1.0.0/16 json")["paths"]
    assert path["community"]["string"] == "65001:7"
    assert path["nexthops"][0]["ip"] == "192.0.2.1"
    neighbor = frr.ask(f"show bgp neighbors {OURS} json")[OURS]
    assert neighbor["bgpState"] == "Established"
    assert neighbor["bgpTimerHoldTimeMsecs"] == 9000
    assert us.speaker.session("them").hold_time_s == 9

    us.tell(us.speaker.reconfigure(config(opener == "they", ("10.11.0.0/16",)), us.now))
    us.until(lambda: frr_paths(frr, "ipv4") == {"10.11.0.0/16": "4200000001"} and frr_paths(frr, "ipv6") == {})
    frr.tell(f"router bgp {THEIR_ASN}", "address-family ipv4 unicast", "no network 10.22.0.0/16")
    us.until(lambda: "10.22.0.0/16" not in learned(us))

    established = us.speaker.session("them").counters.established
    frr.tell(f"router bgp {THEIR_ASN}", f"neighbor {OURS} shutdown message back soon")
    us.until(lambda: learned(us) == {})
    assert "received Cease, Administrative Shutdown (6/2): back soon" in "\n".join(us.journal)
    frr.tell(f"router bgp {THEIR_ASN}", f"no neighbor {OURS} shutdown")
    us.until(lambda: len(learned(us)) == 2)
    assert us.speaker.session("them").counters.established == established + 1


@frr_is_here
def test_frr_asks_for_all_again_and_is_kept_alive(stack: ExitStack, tmp_path: Path, ports: tuple[int, int]) -> None:
    """ROUTE-REFRESH; and KEEPALIVEs alone carry the session beyond FRR's hold time (9 s)."""
    frr = start_frr(stack, tmp_path, "we", ports)
    us = driven(stack, "we", ports, ("10.1.0.0/16",))
    us.until(lambda: "10.1.0.0/16" in frr_paths(frr, "ipv4"))
    bytes_before = us.speaker.session("them").counters.update_bytes_out
    frr.tell("do clear bgp ipv4 unicast * soft in")
    us.until(lambda: us.speaker.session("them").counters.refreshes_in > 0)
    assert us.speaker.session("them").counters.update_bytes_out > bytes_before
    us.until(lambda: us.speaker.session("them").counters.keepalives_out > 4)  # one each 3 s
    assert us.speaker.session("them").state.value == "Established"


def bird_routes(bird: Bird) -> str:
    return bird.ask("show route all protocol dualhome")


@bird_is_here
@pytest.mark.parametrize("opener", OPENERS)
def test_bird(stack: ExitStack, tmp_path: Path, ports: tuple[int, int], opener: str) -> None:
    """The same with BIRD 2."""
    bird = stack.enter_context(Bird(tmp_path, bird_config(opener, ports)))
    us = driven(stack, opener, ports, ("10.1.0.0/16", "10.11.0.0/16", "2001:db8:1::/48"))
    us.until(lambda: len(learned(us)) == 3)
    assert learned(us) == {**THEIR_ROUTES, "2001:db8:2::/48": ("2001:db8::2", "4200000002", ["65002:100", "65002:200"])}
    us.until(lambda: all(prefix in bird_routes(bird) for prefix in ("10.1.0.0/16", "10.11.0.0/16", "2001:db8:1::/48")))
    route = bird.ask("show route all for 10.1.0.0/16")
    assert "BGP.as_path: 4200000001" in route
    assert "BGP.next_hop: 192.0.2.1" in route
    assert "BGP.community: (65001,7)" in route
    assert "BGP.next_hop: 2001:db8::1" in bird.ask("show route all for 2001:db8:1::/48")
    assert "BGP state:          Established" in bird.ask("show protocols all dualhome")
    assert us.speaker.session("them").hold_time_s == 9

    us.tell(us.speaker.reconfigure(config(opener == "they", ("10.11.0.0/16",)), us.now))
    us.until(lambda: "10.1.0.0/16" not in bird_routes(bird) and "2001:db8:1::/48" not in bird_routes(bird))
    assert "10.11.0.0/16" in bird_routes(bird)
    bird.reconfigure(bird_config(opener, ports, second=""))
    us.until(lambda: "10.22.0.0/16" not in learned(us))
    assert "10.2.0.0/16" in learned(us)

    established = us.speaker.session("them").counters.established
    bird.ask("disable dualhome")
    us.until(lambda: learned(us) == {})
    bird.ask("enable dualhome")
    us.until(lambda: len(learned(us)) == 2)
    assert us.speaker.session("them").counters.established == established + 1


@bird_is_here
def test_a_speaker_that_ends_takes_its_routes_along(stack: ExitStack, tmp_path: Path, ports: tuple[int, int]) -> None:
    """And one that comes with another ASN is refused by BIRD, in words that reach our journal."""
    bird = stack.enter_context(Bird(tmp_path, bird_config("they", ports)))
    with Driver(Speaker(config(True, ("10.1.0.0/16",))), ports[0], {"them": ports[1]}) as us:
        us.until(lambda: "10.1.0.0/16" in bird_routes(bird))
    assert "10.1.0.0/16" not in bird_routes(bird)
    wrong = config(False, ())
    peer = wrong.peers["them"]
    wrong = replace(wrong, peers={"them": replace(peer, session=replace(peer.session, local_asn=65009))})
    with Driver(Speaker(wrong), ports[0], {"them": ports[1]}) as us:
        us.until(lambda: any("received OPEN Message Error, Bad Peer AS (2/2)" in line for line in us.journal))
