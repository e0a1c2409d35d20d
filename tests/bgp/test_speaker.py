"""Speakers on a wire: routes, reconfiguration, and what resets what."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dualhome import _core
from dualhome.bgp.config import OriginConfig, PeerConfig, SpeakerConfig
from dualhome.bgp.events import Received
from dualhome.bgp.policy import Term
from dualhome.bgp.speaker import Send, Speaker
from dualhome.net import Address, Prefix
from tests.bgp.wire import BOTH, Wire, pair, peer, speaker

A, B, C = ("10.0.0.1", 65001), ("10.0.0.2", 65002), ("10.0.0.3", 65003)


def with_peer(config: SpeakerConfig, changed: PeerConfig) -> SpeakerConfig:
    return replace(config, peers={**config.peers, changed.session.peer: changed})


def changed_policy(config: SpeakerConfig, name: str, **changes: object) -> SpeakerConfig:
    each = config.peers[name]
    return with_peer(config, replace(each, policy=replace(each.policy, **changes)))  # type: ignore[arg-type]


def changed_session(config: SpeakerConfig, name: str, **changes: object) -> SpeakerConfig:
    each = config.peers[name]
    return with_peer(config, replace(each, session=replace(each.session, **changes)))  # type: ignore[arg-type]


def updates(wire: Wire, name: str) -> list[_core.UpdateRow]:
    return [row for sender, data in wire.sent if sender == name and data[18] == 2 for row in _core.decode_updates(data)]


def test_two_speakers_exchange_their_routes() -> None:
    """near AS65001 10.1.0.0/16 ── far AS65002 10.2.0.0/16; both connect at once."""
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    assert wire.states() == {"near > far": "Established", "far > near": "Established"}
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}
    assert wire.best("far") == {"10.1.0.0/16": "65001", "10.2.0.0/16": ""}
    [learned] = wire.speakers["near"].learned("far")
    assert (learned.next_hop, learned.origin) == ("10.0.0.2", "igp")
    assert [Prefix(*r.prefix) for r in wire.speakers["near"].advertised("far")] == [Prefix.parse("10.1.0.0/16")]


def test_sessions_stay_up_for_hours_with_nothing_but_keepalives() -> None:
    wire = pair(("10.1.0.0/16",)).start()
    wire.sent.clear()
    wire.run(3600)
    assert wire.states() == {"near > far": "Established", "far > near": "Established"}
    assert {data for _, data in wire.sent} == {_core.encode_keepalive()}
    assert len(wire.sent) == 2 * 60  # every 60 s (hold time 180 s)


def test_a_chain_passes_routes_on_and_takes_them_back() -> None:
    """a ── b ── c: what a announces reaches c through b, and goes when a stops."""
    wire = Wire(
        speaker("a", A, [peer(A, B, "b")], ("172.16.0.0/16",)),
        speaker("b", B, [peer(B, A, "a"), peer(B, C, "c")]),
        speaker("c", C, [peer(C, B, "b")]),
    ).start()
    assert wire.best("c") == {"172.16.0.0/16": "65002 65001"}
    wire.perform("a", wire.speakers["a"].stop(wire.now))
    wire.settle()
    assert wire.best("c") == {}
    assert wire.states() == {"a > b": "Idle", "b > a": "Idle", "b > c": "Established", "c > b": "Established"}
    assert "b > a: received Cease, Administrative Shutdown (6/2): administrative shutdown" in wire.journal


def test_the_end_of_rib_follows_the_routes() -> None:
    """RFC 4724 section 2: an UPDATE without anything."""
    wire = pair(("10.1.0.0/16",)).start()
    stream = b"".join(data for name, data in wire.sent if name == "near" and data[18] == 2)
    assert stream.endswith(b"\xff" * 16 + b"\0\x17\2\0\0\0\0")
    assert [Prefix(*row.prefix) for row in updates(wire, "near")] == [Prefix.parse("10.1.0.0/16")]


def test_a_silent_speaker_is_missed_after_the_hold_time() -> None:
    wire = pair((), ("10.2.0.0/16",)).start()
    wire.unplugged.add("far")
    wire.perform("far", wire.speakers["far"].stop(wire.now, silent=True))
    wire.run(179)
    assert wire.best("near") == {"10.2.0.0/16": "65002"}
    wire.run(1)
    assert wire.best("near") == {}
    assert "near > far: sent Hold Timer Expired (4/0): nothing for 180 s" in wire.journal
    wire.unplugged.clear()
    wire.perform("far", wire.speakers["far"].start(wire.now))
    wire.settle()
    wire.run(125)
    assert wire.best("near") == {"10.2.0.0/16": "65002"}


def test_another_policy_resets_nothing() -> None:
    """Import rules and export stages follow at once, over the same session."""
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16", "10.3.0.0/16")).start()
    near, config = wire.speakers["near"], wire.speakers["near"].config
    since = near.session("far").up_since
    refuse = Term(name="no 10.2", match={"prefix_equals": ["10.2.0.0/16"]}, then="reject")
    longer = (Term(name="longer", do=({"prepend": [65001, 65001]},)),)
    wire.run(1)
    wire.reconfigure(changed_policy(config, "far", rules=(refuse,), export=(longer,)))
    assert wire.best("near") == {"10.1.0.0/16": "", "10.3.0.0/16": "65002"}
    assert [(route.reason, route.detail) for route in near.rejected("far")] == [("policy", "no 10.2")]
    assert wire.best("far")["10.1.0.0/16"] == "65001 65001 65001"
    wire.reconfigure(config)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002", "10.3.0.0/16": "65002"}
    assert wire.best("far")["10.1.0.0/16"] == "65001"
    assert near.session("far").up_since == since


def test_another_session_is_reset() -> None:
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    config = wire.speakers["near"].config
    wire.run(100)
    wire.reconfigure(changed_session(config, "far", hold_time_s=30))
    assert "far > near: received Cease, Other Configuration Change (6/6)" in wire.journal
    wire.run(5)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}
    assert wire.speakers["far"].session("near").hold_time_s == 30
    wire.journal.clear()
    wire.reconfigure(wire.speakers["near"].config)
    assert wire.journal == []


def test_a_peer_is_disabled_and_enabled() -> None:
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    config = wire.speakers["near"].config
    wire.run(100)
    wire.reconfigure(with_peer(config, replace(config.peers["far"], enabled=False)))
    wire.run(300)
    assert wire.states()["near > far"] == "Idle"
    assert wire.best("near") == {"10.1.0.0/16": ""}
    wire.reconfigure(config)
    wire.run(5)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}


def test_peers_come_and_go() -> None:
    """The number of a peer that is gone is given to the next one; late events of it are harmless."""
    third = speaker("c", C, [peer(C, A, "a")], ("10.3.0.0/16",))
    a = speaker("a", A, [peer(A, B, "b")])
    wire = Wire(a, speaker("b", B, [peer(B, A, "a")], ("10.2.0.0/16",)), third).start()
    assert wire.best("a") == {"10.2.0.0/16": "65002"}
    wire.reconfigure(replace(a, peers={"c": peer(A, C, "c")}))
    assert wire.speakers["a"].peer_number("c") == 0
    assert wire.speakers["a"].peer_name(0) == "c"
    assert "b > a: received Cease, Peer De-configured (6/3)" in wire.journal
    wire.run(130)
    assert wire.best("a") == {"10.3.0.0/16": "65003"}
    assert wire.speakers["a"].handle("b", Received(1, b"x"), wire.now) == []


def test_origins_are_compared() -> None:
    wire = pair(("10.1.0.0/16", "10.4.0.0/16")).start()
    config = wire.speakers["near"].config
    kept, new = Prefix.parse("10.1.0.0/16"), Prefix.parse("10.5.0.0/16")
    wire.sent.clear()
    wire.reconfigure(
        replace(config, origins={kept: config.origins[kept], new: OriginConfig(prefix=new, next_hop=Address.parse("10.0.0.1"))})
    )
    assert wire.best("far") == {"10.1.0.0/16": "65001", "10.5.0.0/16": "65001"}
    rows = sorted((str(Prefix(*row.prefix)), row.withdrawn) for row in updates(wire, "near"))
    assert rows == [("10.4.0.0/16", True), ("10.5.0.0/16", False)]


def test_another_identity_is_another_speaker() -> None:
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    wire.run(100)
    config = changed_session(wire.speakers["near"].config, "far", router_id="10.9.9.9")
    wire.reconfigure(replace(config, router_id="10.9.9.9"))
    wire.run(5)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}


def test_a_refresh_sends_all_again() -> None:
    """RFC 2918."""
    wire = pair(("10.1.0.0/16",)).start()
    near = wire.speakers["near"]
    transport = near.session("far").transport
    assert transport is not None
    actions = near.handle("far", Received(transport, _core.encode_route_refresh(1, 1)), wire.now)
    rows = [row for a in actions if isinstance(a, Send) for row in _core.decode_updates(a.data)]
    assert [str(Prefix(*row.prefix)) for row in rows] == ["10.1.0.0/16"]


def test_an_asn_of_four_octets() -> None:
    """RFC 6793."""
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",), far_asn=4_200_000_001).start()
    assert wire.best("near")["10.2.0.0/16"] == "4200000001"
    assert wire.best("far")["10.1.0.0/16"] == "65001"


def test_ipv6_routes() -> None:
    """RFC 4760, RFC 2545: both families on one session of IPv6 addresses; what has no next hop of the family is not sent."""
    a, b = ("fd00::1", 65001), ("fd00::2", 65002)
    near = speaker("near", a, [peer(a, b, "far", families=BOTH, router_id="10.0.0.1")], ("fd01::/16",), router_id="10.0.0.1")
    far = speaker("far", b, [peer(b, a, "near", families=BOTH, router_id="10.0.0.2")], ("fd02::/32",), router_id="10.0.0.2")
    wire = Wire(near, far).start()
    assert wire.best("near") == {"fd01::/16": "", "fd02::/32": "65002"}
    assert wire.best("far") == {"fd01::/16": "65001", "fd02::/32": ""}
    [learned] = wire.speakers["near"].learned("far")
    assert learned.next_hop == "fd00::2"


def test_one_passive_end_is_enough_and_two_never_meet() -> None:
    a, b = peer(A, B, "far"), peer(B, A, "near", passive=True)
    one = Wire(speaker("near", A, [a], ("10.1.0.0/16",)), speaker("far", B, [b])).start()
    assert one.best("far") == {"10.1.0.0/16": "65001"}
    two = pair(passive=True).start()
    two.run(1000)
    assert two.states() == {"near > far": "Active", "far > near": "Active"}


def test_a_bad_update_resets_the_session_and_its_routes() -> None:
    wire = pair((), ("10.2.0.0/16",)).start()
    near = wire.speakers["near"]
    transport = near.session("far").transport
    assert transport is not None
    bad = b"\xff" * 16 + b"\0\x17\2" + b"\xff\xff\0\0"  # withdrawn routes longer than the message
    wire.perform("near", near.handle("far", Received(transport, bad * 2), wire.now))
    wire.settle()
    assert wire.best("near") == {}
    assert wire.states()["near > far"] == "Idle"
    assert any("sent UPDATE Message Error, Malformed Attribute List (3/1)" in line for line in wire.journal)


def test_too_many_prefixes_end_the_session() -> None:
    """RFC 4486: Cease/1."""
    near, far = peer(A, B, "far", max_prefixes=2), peer(B, A, "near")
    prefixes = ("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16")
    wire = Wire(speaker("near", A, [near]), speaker("far", B, [far], prefixes)).start()
    assert any("sent Cease, Maximum Number of Prefixes Reached (6/1)" in line for line in wire.journal)
    assert wire.best("near") == {}


def test_routes_wait_in_the_rib_for_a_slow_peer() -> None:
    wire = pair(("10.1.0.0/16",)).start()
    config = wire.speakers["near"].config
    ready = True
    slow = Speaker(config, writable=lambda name: ready)
    wire.speakers["near"] = slow
    wire.perform("far", wire.speakers["far"].stop(wire.now))
    wire.perform("far", wire.speakers["far"].start(wire.now))
    wire.perform("near", slow.start(wire.now))
    ready = False
    wire.settle()
    wire.run(5)
    assert (slow.session("far").state.value, wire.best("far")) == ("Established", {})
    ready = True
    wire.perform("near", slow.flush(wire.now))
    wire.settle()
    assert wire.best("far") == {"10.1.0.0/16": "65001"}


def waiting(at_once: int | None) -> tuple[Wire, Speaker, list[bool]]:
    """`near` has 30,000 routes for `far`, which takes none until the flag is set."""
    wire = pair(tuple(f"10.{n // 256}.{n % 256}.0/24" for n in range(30_000))).start()
    ready = [True]
    near = wire.speakers["near"] = Speaker(wire.speakers["near"].config, writable=lambda name: ready[0], at_once=at_once)
    wire.perform("far", wire.speakers["far"].stop(wire.now))
    wire.perform("far", wire.speakers["far"].start(wire.now))
    wire.perform("near", near.start(wire.now))
    ready[0] = False
    wire.settle()
    assert wire.best("far") == {}
    ready[0] = True
    return wire, near, ready


def test_a_large_table_is_told_in_parts() -> None:
    """What `at_once` keeps back comes when the driver flushes again, as long as there is more."""
    wire, near, ready = waiting(at_once=1)
    told, more = [], True
    while more:
        made, more = near.flush(wire.now), near.more
        ready[0] = False  # so that these flushes alone tell routes
        wire.perform("near", made)
        wire.settle()
        told.append(len(wire.best("far")))
        ready[0] = True
    assert told[0] < 30_000
    assert told[-1] == 30_000


def test_who_performs_piece_by_piece_can_stop_in_between() -> None:
    """`writable` is asked anew after each piece, so that what a peer doesn't take is never made."""
    wire, near, ready = waiting(at_once=None)
    for piece in near.flushing(wire.now):
        wire.perform("near", piece)
        ready[0] = False
    wire.settle()
    assert 0 < len(wire.best("far")) < 30_000
    ready[0] = True
    wire.perform("near", near.flush(wire.now))
    wire.settle()
    assert len(wire.best("far")) == 30_000


def test_deferred_events_are_decided_together() -> None:
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    near = wire.speakers["near"]
    transport, version = near.session("far").transport, near.version()
    assert transport is not None
    row = '[{"prefix": "10.7.0.0/16", "next_hop": "10.0.0.2", "as_path": "65002", "origin": "igp"}]'
    assert near.handle("far", Received(transport, _core.encode_updates(row)), wire.now, defer=True) == []
    assert near.version() == version
    near.flush(wire.now)
    assert near.version() > version
    assert wire.best("near")["10.7.0.0/16"] == "65002"


def test_two_runs_are_equal() -> None:
    def run() -> tuple[list[str], list[tuple[str, bytes]]]:
        wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",))
        wire.speakers = {name: Speaker(each.config, seed=7) for name, each in wire.speakers.items()}
        wire.start()
        wire.run(1000)
        return wire.journal, wire.sent

    assert run() == run()


def test_a_speaker_asks_for_all_routes_again() -> None:
    """One ROUTE-REFRESH a family; the peer sends what it sent before, and nothing changes here (RFC 2918)."""
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    wire.sent.clear()
    near = wire.speakers["near"]
    wire.perform("near", near.request_refresh("far", wire.now))
    wire.settle()
    families = near.session("far").families
    asked = [data for name, data in wire.sent if name == "near" and data[18] == 5]
    assert asked == [_core.encode_route_refresh(afi, safi) for afi, safi in families]
    assert [Prefix(*row.prefix) for row in updates(wire, "far")] == [Prefix.parse("10.2.0.0/16")]
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}
    assert near.session("far").counters.refreshes_out == len(families)


@pytest.mark.rules("R40")
@pytest.mark.parametrize(("knows", "resets", "reset"), [(True, False, False), (True, True, True), (False, False, True)])
def test_who_asks_for_more_has_its_peer_tell_all_again(knows: bool, resets: bool, reset: bool) -> None:
    """By a ROUTE-REFRESH; where the peer knows none, or that is wanted, by a session that begins anew. Asking for less is nothing."""
    wire = pair(("10.1.0.0/16",), ("10.2.0.0/16",)).start()
    near = wire.speakers["near"]
    link = near.session("far")._established
    assert link is not None
    if not knows:
        link.open = SimpleNamespace(route_refresh=False)  # type: ignore[assignment]  # as if its OPEN had left the capability out
    for asks, more in ((("hub",), True), (("hub",), False), ((), False)):
        wire.sent.clear()
        changed = replace(near.config.peers["far"], asks_for=asks, resets=resets)
        wire.perform("near", near.reconfigure(with_peer(near.config, changed), wire.now))
        wire.settle()
        kinds = [data[18] for name, data in wire.sent if name == "near"]
        assert kinds.count(3) == (more and reset), "NOTIFICATION"
        assert kinds.count(5) == (len(near.session("far").families) if more and not reset else 0), "ROUTE-REFRESH"
        assert wire.best("near") == {"10.1.0.0/16": ""} | ({} if reset else {"10.2.0.0/16": "65002"}), (
            "a session takes its time to come back"
        )


def test_a_speaker_asks_nobody_whose_session_is_down() -> None:
    wire = pair((), ("10.2.0.0/16",))
    assert wire.speakers["near"].request_refresh("far", wire.now) == []
