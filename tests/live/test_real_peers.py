"""One of our speakers against the daemons of others, over TCP on loopback addresses: a function an ability, a parameter a daemon.

What the other end has is asked of its own tool. Every test has addresses and a daemon of its own, and waits for what must become true.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Term
from dualhome.bgp.session import Session
from dualhome.bgp.speaker import Speaker
from dualhome.net import Address, Prefix
from tests.live.driver import Driver
from tests.live.peers import DAEMONS, Daemon, Seen, Setting

pytestmark = pytest.mark.live

PORT = 1790  # below those that systems give away themselves
ROUNDS = (
    "next-hop", "self", "local-preference", "as-path", "origin", "med", "ebgp", "|", "router-id", "cluster-list", "peer-address", "peer",
)  # fmt: skip
# 127.0.0.0/8 is no next hop (FRR refuses it as a martian): next hops are of the documentation's ranges.
NEXT_HOPS = {4: Address.parse("192.0.2.1"), 6: Address.parse("2001:db8::1")}
MED = Term(name="MED", do=({"med": 10},), then="continue")
NEXT_HOP_V6 = Term(name="next hop", match={"prefix_within": ["::/0"]}, do=({"next_hop": "2001:db8::1"},))

OURS = Seen(as_path="4200000001", next_hop="192.0.2.1", med=10, communities=("65001:7", "65001:8"), large_communities=("4200000001:7:8",))
OURS_V6 = replace(OURS, next_hop="2001:db8::1")
THEIRS = Seen(
    as_path="4200000002", next_hop="192.0.2.2", med=20, communities=("65002:100", "65002:200"), large_communities=("4200000002:1:2",)
)
THEIRS_V6 = replace(THEIRS, next_hop="2001:db8::2")


class Pair:
    """One of our speakers and one daemon, each on an address that no other test on this machine has."""

    def __init__(self, stack: ExitStack, kind: type[Daemon], directory: Path, number: int) -> None:
        low = f"{number >> 16 & 63}.{number >> 8 & 255}.{number & 255}".split(".")
        self.setting = Setting(
            directory=directory,
            ours=".".join(["127", str(64 + int(low[0])), *low[1:]]),
            theirs=".".join(["127", str(128 + int(low[0])), *low[1:]]),
            port=PORT,
        )
        self._stack = stack
        self._kind = kind
        self.config: SpeakerConfig
        self.us: Driver
        self.them: Daemon

    def prepare(self, *, opener: str = "both", we_are: int = 4_200_000_001, router_id: str = "10.255.0.1", hold_time_s: int = 90) -> None:
        """Settle who opens ("we", "they", or whoever comes first), and who we are. From now on we listen, but don't answer."""
        self.setting = replace(self.setting, passive=opener == "we")
        self.config = config(self.setting, opener == "they", we_are, router_id, hold_time_s)
        self.us = Driver(Speaker(self.config), PORT, {"them": PORT})
        self._stack.callback(self.us.close)
        self.them = self._kind(self.setting)
        self._stack.callback(self.them.process.stop)

    def start(self, *, hold_time_s: int = 90, opener: str = "both") -> None:
        """Start both, and wait until each has the other's routes."""
        self.prepare(opener=opener, hold_time_s=hold_time_s)
        self.them.start()
        self.us.start()
        self.settle()

    def settle(self) -> None:
        """Until each has the other's routes."""
        self.until(lambda: set(self.learned()) == {"10.2.0.0/16", "2001:db8:2::/48"})
        self.until(lambda: set(self.them.seen()) == {"10.1.0.0/16", "2001:db8:1::/48"})

    def until(self, true: Callable[[], bool]) -> None:
        """Run our speaker until it is true."""
        try:
            self.us.until(true)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.them.process.log()}") from None

    def need(self, ability: str) -> None:
        """Skip the test where they lack it."""
        if why := self._kind.lacks.get(ability):
            pytest.skip(f"{self._kind.name} (package {self._kind.package}): {why}")

    @property
    def session(self) -> Session:
        return self.us.speaker.session("them")

    def learned(self) -> dict[str, Seen]:
        """What we have from them."""
        return {
            str(Prefix(*route.prefix)): Seen(
                as_path=route.as_path,
                next_hop=route.next_hop,
                med=route.med,
                communities=tuple(sorted(route.communities)),
                large_communities=tuple(sorted(route.large_communities)),
            )
            for route in self.us.speaker.learned("them")
        }

    def become(self, config: SpeakerConfig) -> None:
        """Our speaker is configured anew."""
        self.us.tell(self.us.speaker.reconfigure(config, self.us.now))

    def they_say(self, what: str) -> None:
        """Wait until their log says it; in their words."""
        words = self.them.words[what].replace("{ours}", self.setting.ours)
        self.until(lambda: words in self.them.said())


def config(setting: Setting, passive: bool, asn: int, router_id: str, hold_time_s: int) -> SpeakerConfig:
    """One peer, and a prefix of each family with all the attributes that a route may have on its way."""
    session = SessionConfig(
        peer="them",
        local_asn=asn,
        remote_asn=setting.their_asn,
        router_id=router_id,
        local_address=Address.parse(setting.ours),
        remote_address=Address.parse(setting.theirs),
        hold_time_s=hold_time_s,
        connect_retry_s=1,
        families=(IPV4_UNICAST, IPV6_UNICAST),
        passive=passive,
    )
    policy = PeerPolicy(
        name="them",
        asn=setting.their_asn,
        ebgp=True,
        local_address="192.0.2.1",
        peer_address=setting.theirs,
        tags=("them",),
        export=((MED, NEXT_HOP_V6),),
    )
    prefixes = map(Prefix.parse, ("10.1.0.0/16", "2001:db8:1::/48"))
    return SpeakerConfig(
        name="us",
        asn=asn,
        router_id=router_id,
        rounds=ROUNDS,
        peers={"them": PeerConfig(session=session, policy=policy)},
        origins={prefix: origin(prefix) for prefix in prefixes},
    )


def origin(prefix: Prefix) -> OriginConfig:
    return OriginConfig(
        prefix=prefix,
        next_hop=NEXT_HOPS[prefix.version],
        communities=("65001:7", "65001:8"),
        large_communities=("4200000001:7:8",),
    )


_tests = itertools.count()


@pytest.fixture(params=DAEMONS, ids=lambda kind: kind.name)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    kind: type[Daemon] = request.param
    if kind.missing():
        pytest.skip(f"{kind.name} is not installed (package {kind.package}), or needs root")
    with ExitStack() as stack:
        yield Pair(stack, kind, tmp_path, os.getpid() << 5 | next(_tests) & 31)


@pytest.mark.parametrize("opener", ["we", "they", "both"])
def test_a_session_comes_up(pair: Pair, opener: str) -> None:
    """We open, and they are passive; the other way around; or whoever comes first. Both ends use ASNs of four octets."""
    pair.start(opener=opener)
    assert pair.session.state.value == "Established"
    assert pair.them.established()
    assert pair.session.peer_open is not None
    assert pair.session.peer_open.asn == 4_200_000_002


@pytest.mark.parametrize("higher", ["ours", "theirs"])
def test_of_two_transports_one_stays(pair: Pair, higher: str) -> None:
    """Their transport waits for our answer when ours is made: the one of the higher identifier stays (RFC 4271 section 6.8)."""
    pair.prepare(router_id="10.255.0.3" if higher == "ours" else "10.255.0.1")
    pair.them.start()
    pair.us.await_caller()
    pair.us.start()
    pair.settle()
    assert pair.session.counters.established == 1
    assert pair.them.established()


def test_routes_go_both_ways_with_all_attributes(pair: Pair) -> None:
    """IPv4 and IPv6 unicast: AS path, next hop, MED, communities, large communities; in their table, and in ours."""
    pair.start()
    assert pair.learned() == {"10.2.0.0/16": THEIRS, "2001:db8:2::/48": THEIRS_V6}
    assert pair.them.seen() == {"10.1.0.0/16": OURS, "2001:db8:1::/48": OURS_V6}


def test_withdrawals_go_both_ways(pair: Pair) -> None:
    """Of one prefix, while another stays; and a new one is announced and withdrawn."""
    pair.start()
    [v4, v6] = pair.config.origins.values()
    pair.become(replace(pair.config, origins={v4.prefix: v4}))
    pair.until(lambda: set(pair.them.seen()) == {"10.1.0.0/16"})
    pair.become(replace(pair.config, origins={v6.prefix: v6}))
    pair.until(lambda: set(pair.them.seen()) == {"2001:db8:1::/48"})
    pair.them.announce("10.22.0.0/16")
    pair.until(lambda: pair.learned().get("10.22.0.0/16") == THEIRS)
    pair.them.withdraw("10.22.0.0/16")
    pair.until(lambda: set(pair.learned()) == {"10.2.0.0/16", "2001:db8:2::/48"})
    assert pair.session.counters.established == 1


def test_they_ask_for_all_routes_again(pair: Pair) -> None:
    """Their ROUTE-REFRESH is answered with what they had."""
    pair.need("asking")
    pair.start()
    before = pair.session.counters.update_bytes_out
    pair.them.ask_refresh()
    pair.until(lambda: pair.session.counters.refreshes_in > 0)
    assert pair.session.counters.update_bytes_out > before
    assert pair.them.seen() == {"10.1.0.0/16": OURS, "2001:db8:1::/48": OURS_V6}


def test_we_ask_for_all_routes_again(pair: Pair) -> None:
    """Our ROUTE-REFRESHes, one a family, are answered with what we had."""
    pair.need("answering")
    pair.start()
    before = pair.session.counters.update_bytes_in
    pair.us.tell(pair.us.speaker.request_refresh("them", pair.us.now))
    # Both families' routes are 50 octets and more each; End-of-RIB alone is not.
    pair.until(lambda: pair.session.counters.update_bytes_in >= before + 2 * 50)
    assert pair.learned() == {"10.2.0.0/16": THEIRS, "2001:db8:2::/48": THEIRS_V6}
    assert pair.session.counters.established == 1


def test_they_fall_silent(pair: Pair) -> None:
    """Their process is stopped, its transport stays: after the hold time we say so and drop the session; it comes back with the process."""
    pair.start(hold_time_s=3)
    assert pair.session.hold_time_s == 3
    pair.them.process.pause()
    pair.until(lambda: pair.session.counters.dropped == 1)
    assert pair.session.last_error == "sent Hold Timer Expired (4/0): nothing for 3 s"
    assert pair.learned() == {}
    pair.them.process.resume()
    pair.settle()


def test_we_fall_silent(pair: Pair) -> None:
    """They drop the session after the hold time, say so, and forget our routes; it comes back with us."""
    pair.start(hold_time_s=3)
    pair.them.process.wait(lambda: not pair.them.seen())
    pair.until(lambda: pair.session.counters.dropped == 1)
    assert pair.session.last_error == "received Hold Timer Expired (4/0)"
    pair.they_say("hold timer")
    pair.settle()


def test_they_shut_down(pair: Pair) -> None:
    """Administratively, with a reason; and the session comes back when they take it back."""
    pair.start()
    reason = pair.them.shut_down("back soon")
    pair.until(lambda: pair.session.counters.dropped == 1)
    assert pair.session.last_error == f"received Cease, Administrative Shutdown (6/2): {reason}"
    pair.them.open_again()
    pair.settle()


def test_we_shut_down(pair: Pair) -> None:
    """Their log has our reason; what we announced is gone there; and the session comes back when we take it back."""
    pair.start()
    peer = pair.config.peers["them"]
    pair.become(replace(pair.config, peers={"them": replace(peer, enabled=False)}))
    pair.until(lambda: not pair.them.seen())
    pair.they_say("shutdown")
    pair.become(pair.config)
    pair.settle()


def test_a_wrong_asn_is_refused_by_us(pair: Pair) -> None:
    """They say AS4200000002 where we expect AS65009."""
    pair.prepare()
    peer = pair.config.peers["them"]
    pair.us.speaker.reconfigure(
        replace(pair.config, peers={"them": replace(peer, session=replace(peer.session, remote_asn=65009))}), pair.us.now
    )
    pair.them.start()
    pair.us.start()
    pair.they_say("bad AS of them")
    said = "sent OPEN Message Error, Bad Peer AS (2/2): the peer says AS4200000002, expected AS65009"
    pair.until(lambda: any(said in line for line in pair.us.journal))
    assert not pair.them.established()


def test_a_wrong_asn_is_refused_by_them(pair: Pair) -> None:
    """We say AS65009 where they expect AS4200000001."""
    pair.prepare(we_are=65009)
    pair.them.start()
    pair.us.start()
    pair.they_say("bad AS of us")
    pair.until(lambda: any("received OPEN Message Error, Bad Peer AS (2/2)" in line for line in pair.us.journal))
    assert pair.session.counters.established == 0


def test_a_restarted_daemon_is_back_without_help(pair: Pair) -> None:
    """Its end takes its routes along, its start brings them back; nobody touches our speaker."""
    pair.start()
    pair.them.process.stop()
    pair.until(lambda: pair.learned() == {})
    pair.them.start()
    pair.settle()
    assert pair.session.counters.established == 2


def test_a_speaker_that_ends_takes_its_routes_along(pair: Pair) -> None:
    pair.start()
    pair.us.close()
    pair.them.process.wait(lambda: not pair.them.seen())
