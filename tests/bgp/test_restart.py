"""Graceful restart, both sides (RFC 4724, RFC 8538); enhanced refresh (RFC 7313); roles (RFC 9234); the send hold timer (RFC 9687)."""

from dataclasses import replace

import pytest

from dualhome import _core
from dualhome.bgp.config import SessionConfig, SpeakerConfig
from dualhome.bgp.events import Accepted, Closed, Connected, ManualStart, ManualStop, Received, Send, Stuck
from dualhome.bgp.notification import describe
from dualhome.bgp.restart import GracefulRestart
from dualhome.bgp.session import Session, State
from dualhome.bgp.speaker import Speaker
from dualhome.net import Address
from dualhome.units import Instant
from tests.bgp.wire import Wire, pair, peer, speaker

OFFER = GracefulRestart(restart_s=120, stale_s=60, defer_s=30)
END_OF_RIB = b"\xff" * 16 + b"\0\x17\2\0\0\0\0"


def network(**changes: object) -> Wire:
    """near announces 10.1/16, far 10.2/16 and 10.3/16; both offer graceful restart. Sessions come back at once."""
    return pair(("10.1.0.0/16",), ("10.2.0.0/16", "10.3.0.0/16"), **{"graceful_restart": OFFER, "damping": False, **changes}).start()


def crash(wire: Wire, name: str, restarted: bool = True, **changes: object) -> None:
    """Its process is killed: the kernel closes its transports. Another one of the same configuration is made, and not started yet."""
    for transport in wire.transports_of(name):
        wire.close(name, transport)
    wire.speakers[name] = Speaker(wire.speakers[name].config, restarted=restarted)
    wire.settle()


def begin(wire: Wire, name: str) -> None:
    wire.perform(name, wire.speakers[name].start(wire.now))
    wire.settle()


def test_routes_of_a_peer_that_restarts_stay_in_use() -> None:
    wire = network()
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002", "10.3.0.0/16": "65002"}
    version = wire.speakers["near"].version()
    crash(wire, "far")
    assert wire.states()["near > far"] != "Established"
    wire.run(20)
    assert wire.speakers["near"].version() == version
    begin(wire, "far")
    wire.run(5)
    assert wire.states() == {"near > far": "Established", "far > near": "Established"}
    assert wire.speakers["near"].version() == version
    assert wire.best("far")["10.1.0.0/16"] == "65001"


def test_routes_that_are_not_told_again_go_with_the_end_of_rib() -> None:
    wire = network()
    crash(wire, "far")
    wire.speakers["far"] = Speaker(speaker("far", ("10.0.0.2", 65002), list(wire.speakers["far"].config.peers.values()), ("10.3.0.0/16",)))
    begin(wire, "far")
    wire.run(5)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.3.0.0/16": "65002"}


def test_a_peer_that_does_not_come_back_is_forgotten_in_its_own_time() -> None:
    wire = network()
    crash(wire, "far")
    wire.run(119)
    assert "10.2.0.0/16" in wire.best("near")
    wire.run(2)
    assert wire.best("near") == {"10.1.0.0/16": ""}
    assert any("kept long enough" in line for line in wire.journal)


def test_without_the_offer_nothing_is_kept() -> None:
    wire = network(graceful_restart=None)
    crash(wire, "far")
    assert wire.best("near") == {"10.1.0.0/16": ""}


def test_a_restarted_speaker_waits_for_the_routes_of_all_before_it_tells_its_own() -> None:
    """a and b are peers of far; far restarts, b comes late: far tells nothing before b's End-of-RIB, or before its time is over."""
    far, a, b = ("10.0.0.9", 65009), ("10.0.0.1", 65001), ("10.0.0.2", 65002)
    changes: dict[str, object] = {"graceful_restart": OFFER, "damping": False}
    wire = Wire(
        speaker("far", far, [peer(far, a, "a", **changes), peer(far, b, "b", **changes)], ("10.9.0.0/16",)),
        speaker("a", a, [peer(a, far, "far", **changes)], ("10.1.0.0/16",)),
        speaker("b", b, [peer(b, far, "far", **changes)], ("10.2.0.0/16",)),
    ).start()
    everything = {name: wire.best(name) for name in ("far", "a", "b")}
    crash(wire, "far")
    wire.unplugged.add("b")
    wire.sent.clear()
    begin(wire, "far")
    wire.run(10)
    assert wire.states()["far > a"] == "Established"
    assert wire.speakers["far"].restarting
    assert not [data for name, data in wire.sent if name == "far" and data[18] == 2]
    wire.unplugged.clear()
    wire.run(300)
    assert not wire.speakers["far"].restarting
    assert {name: wire.best(name) for name in ("far", "a", "b")} == everything
    stream = b"".join(data for name, data in wire.sent if name == "far" and data[18] == 2)
    assert stream.index(END_OF_RIB) > 0, "routes come before the End-of-RIB"


def test_two_ends_that_both_restarted_do_not_wait_for_each_other() -> None:
    wire = network()
    crash(wire, "far")
    crash(wire, "near")
    begin(wire, "near")
    begin(wire, "far")
    wire.run(5)
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002", "10.3.0.0/16": "65002"}
    assert wire.best("far") == {"10.1.0.0/16": "65001", "10.2.0.0/16": "", "10.3.0.0/16": ""}


CONFIG = SessionConfig(
    peer="far",
    local_asn=65001,
    remote_asn=65002,
    router_id="10.0.0.1",
    local_address=Address.parse("10.0.0.1"),
    remote_address=Address.parse("10.0.0.2"),
)
ZERO = Instant(0)
KEEPALIVE = _core.encode_keepalive()


def config(**changes: object) -> SessionConfig:
    fields = {name: getattr(CONFIG, name) for name in SessionConfig.__slots__}
    return SessionConfig(**{**fields, **changes})  # type: ignore[arg-type]


def theirs(*more: tuple[int, bytes], **changes: object) -> bytes:
    fields: dict[str, object] = {"asn": 65002, "hold_time_s": 90, "router_id": "10.0.0.2", "families": [(1, 1)]}
    return _core.encode_open(**{**fields, "graceful_restart": False, "more": list(more), **changes})  # type: ignore[arg-type]


def up(ours: SessionConfig, *more: tuple[int, bytes]) -> Session:
    session = Session(ours)
    for event in (ManualStart(), Connected(1), Received(1, theirs(*more)), Received(1, KEEPALIVE)):
        session.handle(event, ZERO)
    assert session.state is State.ESTABLISHED, session.last_error
    return session


def kept(actions: list[object]) -> list[tuple[tuple[tuple[int, int], ...], float]]:
    return [(each.keep, each.keep_s) for each in actions if type(each).__name__ == "Down"]  # type: ignore[attr-defined]


WITH_N = (64, bytes.fromhex("4078" + "00010180"))  # N bit, 120 s, IPv4 forwarded on
WITHOUT_N = (64, bytes.fromhex("0078" + "00010180"))
NOT_IPV4 = (64, bytes.fromhex("0078" + "00020180"))
NO_TIME = (64, bytes.fromhex("0000" + "00010180"))
KEEPS, LETS_GO = [(((1, 1),), 120)], [((), 0)]


@pytest.mark.parametrize(
    ("offer", "event", "expected"),
    [
        (WITHOUT_N, Closed(1), KEEPS),
        (NOT_IPV4, Closed(1), LETS_GO),
        (NO_TIME, Closed(1), LETS_GO),
        (WITHOUT_N, Received(1, _core.encode_notification(6, 4)), LETS_GO),
        (WITH_N, Received(1, _core.encode_notification(6, 4)), KEEPS),
        (WITH_N, Received(1, _core.encode_notification(4, 0)), KEEPS),
        (WITH_N, Received(1, _core.encode_notification(6, 9)), LETS_GO),
        (WITH_N, Received(1, b"\0" * 19), LETS_GO),
    ],
)
def test_how_a_session_ends_says_whether_its_routes_are_kept(offer: tuple[int, bytes], event: object, expected: object) -> None:
    session = up(config(graceful_restart=OFFER), offer)
    assert kept(list(session.handle(event, ZERO))) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("offer", "expected"), [(WITHOUT_N, LETS_GO), (WITH_N, KEEPS)])
def test_silence_is_a_restart_where_both_say_so(offer: tuple[int, bytes], expected: object) -> None:
    session = up(config(graceful_restart=OFFER), offer)
    assert kept(list(session.tick(Instant(90_000_000)))) == expected


def test_a_restarted_peer_takes_the_place_of_its_former_transport() -> None:
    session = up(config(graceful_restart=OFFER), WITHOUT_N)
    session.handle(Accepted(2), ZERO)
    actions = list(session.handle(Received(2, theirs((64, bytes.fromhex("8078" + "00010180")))), ZERO))
    assert kept(actions) == KEEPS
    assert session.state is State.OPEN_CONFIRM
    assert not any(type(each).__name__ == "Notified" for each in actions)
    plain = up(CONFIG)
    plain.handle(Accepted(2), ZERO)
    plain.handle(Received(2, theirs()), ZERO)
    assert plain.state is State.ESTABLISHED, "without the offer the former one stays (RFC 4271 section 6.8)"


@pytest.mark.parametrize(
    ("ours", "said", "strict", "fits"),
    [
        ("provider", [3], False, True),
        ("customer", [0], False, True),
        ("rs", [2], False, True),
        ("rs-client", [1], False, True),
        ("peer", [4], True, True),
        ("provider", [0], False, False),
        ("peer", [3], False, False),
        ("rs", [1], False, False),
        ("provider", [3, 3], False, True),
        ("provider", [3, 4], False, False),
        ("provider", [200], False, False),
        ("provider", [], False, True),
        ("provider", [], True, False),
        (None, [77], False, True),
    ],
)
def test_roles_fit_or_2_11(ours: str | None, said: list[int], strict: bool, fits: bool) -> None:
    session = Session(config(role=ours, role_strict=strict))
    session.handle(ManualStart(), ZERO)
    session.handle(Connected(1), ZERO)
    actions = session.handle(Received(1, theirs(*((9, bytes([value])) for value in said))), ZERO)
    assert (session.state is State.OPEN_CONFIRM) == fits
    sent = [(each.code, each.subcode) for each in actions if type(each).__name__ == "Notified"]  # type: ignore[union-attr]
    assert sent == ([] if fits else [(2, 11)])


def test_a_peer_that_takes_nothing_is_let_go() -> None:
    session = up(CONFIG)
    actions = session.handle(Stuck(1), ZERO)
    assert [(each.code, each.subcode) for each in actions if type(each).__name__ == "Notified"] == [(8, 0)]  # type: ignore[union-attr]
    assert session.state is State.IDLE
    assert session.handle(Stuck(1), ZERO) == []


def test_a_peer_may_come_back_at_once_where_nothing_is_damped() -> None:
    for damping, welcome in ((True, False), (False, True)):
        session = Session(config(passive=True, damping=damping))
        session.handle(ManualStart(), ZERO)
        for transport in range(1, 20):
            session.handle(Accepted(transport), ZERO)
            session.handle(Received(transport, b"\0" * 19), ZERO)
        session.handle(Accepted(99), ZERO)
        assert (session.state is State.OPEN_SENT) == welcome


def test_an_enhanced_refresh_is_marked_and_sweeps() -> None:
    wire = network(enhanced_refresh=True, graceful_restart=None)
    before = {name: wire.best(name) for name in ("near", "far")}
    wire.sent.clear()
    wire.perform("near", wire.speakers["near"].request_refresh("far", wire.now))
    wire.settle()
    told = messages(b"".join(data for name, data in wire.sent if name == "far"))
    assert (told[0], told[-1]) == (begins(1), begins(2))
    assert [row.withdrawn for data in told[1:-1] for row in _core.decode_updates(data)] == [False, False]
    assert {name: wire.best(name) for name in ("near", "far")} == before
    # far begins again, tells one of its two routes, and ends: the other one is gone.
    one = _core.encode_updates('[{"prefix": "10.2.0.0/16", "next_hop": "10.0.0.2", "as_path": "65002"}]')
    transport = wire.speakers["near"].session("far").transport
    assert transport is not None
    wire.perform("near", wire.speakers["near"].handle("far", Received(transport, begins(1) + one + begins(2)), wire.now))
    assert wire.best("near") == {"10.1.0.0/16": "", "10.2.0.0/16": "65002"}


def messages(stream: bytes) -> list[bytes]:
    """A stream, cut."""
    found = []
    while stream:
        length = int.from_bytes(stream[16:18])
        found.append(stream[:length])
        stream = stream[length:]
    return found


def begins(subtype: int) -> bytes:
    return b"\xff" * 16 + bytes([0, 23, 5, 0, 1, subtype, 1])


def test_a_refresh_that_does_not_end_sweeps_in_its_time() -> None:
    wire = network(enhanced_refresh=True, graceful_restart=None, refresh_s=50)
    transport = wire.speakers["near"].session("far").transport
    assert transport is not None
    wire.perform("near", wire.speakers["near"].handle("far", Received(transport, begins(1)), wire.now))
    wire.run(49)
    assert len(wire.best("near")) == 3
    wire.run(2)
    assert wire.best("near") == {"10.1.0.0/16": ""}


def test_the_marks_mean_nothing_where_they_were_not_agreed_on() -> None:
    wire = network(graceful_restart=None)
    transport = wire.speakers["near"].session("far").transport
    assert transport is not None
    wire.perform("near", wire.speakers["near"].handle("far", Received(transport, begins(1) + begins(2)), wire.now))
    wire.run(1)
    assert len(wire.best("near")) == 3


def far_in(config: SpeakerConfig, enabled: bool = True, **changes: object) -> SpeakerConfig:
    far = config.peers["far"]
    session = replace(far.session, **changes)  # type: ignore[arg-type]
    return replace(config, peers={"far": replace(far, session=session, enabled=enabled)})


@pytest.mark.parametrize(
    ("enabled", "changes"),
    [
        (True, {"graceful_restart": None}),
        (True, {"hold_time_s": 90}),
        (False, {}),
        (False, {"hold_time_s": 90}),
    ],
)
def test_what_is_kept_goes_when_the_operator_changes_or_ends_the_session(enabled: bool, changes: dict[str, object]) -> None:
    wire = network()
    crash(wire, "far")
    near = wire.speakers["near"]
    assert near.keeps("far")
    wire.perform("near", near.reconfigure(far_in(near.config, enabled, **changes), wire.now))
    assert not near.keeps("far")
    assert wire.best("near") == {"10.1.0.0/16": ""}


def test_a_speaker_that_stops_without_a_word_keeps_nothing() -> None:
    wire = network()
    crash(wire, "far")
    near = wire.speakers["near"]
    near.stop(wire.now, silent=True)
    assert not near.keeps("far")
    assert wire.best("near") == {"10.1.0.0/16": ""}


def test_one_that_is_disabled_is_not_waited_for() -> None:
    wire = network()
    crash(wire, "far")
    crash(wire, "near")
    near = wire.speakers["near"]
    begin(wire, "near")
    assert near.restarting
    wire.perform("near", near.reconfigure(far_in(near.config, False), wire.now))
    assert not near.restarting


@pytest.mark.parametrize(
    ("offer", "stop", "data"),
    [
        (WITH_N, ManualStop("bye", 2), b"\x06\x09" + b"\x06\x02" + b"\x03bye"),
        (WITH_N, ManualStop("peer removed", 3), b"\x06\x09" + b"\x06\x03"),
        (WITH_N, ManualStop("configuration changed", 6), b"\x06\x06"),
        (WITHOUT_N, ManualStop("bye", 2), b"\x06\x02" + b"\x03bye"),
    ],
)
def test_an_end_for_good_is_a_hard_reset_where_a_notification_is_a_restart(offer: tuple[int, bytes], stop: ManualStop, data: bytes) -> None:
    session = up(config(graceful_restart=OFFER), offer)
    sent = [each.data[19:] for each in session.handle(stop, ZERO) if isinstance(each, Send)]
    assert sent == [data]


def test_a_hard_reset_is_told_with_what_it_holds_and_no_deeper() -> None:
    assert describe(6, 9, b"\6\2\3bye") == "Cease, Hard Reset (6/9): Cease, Administrative Shutdown (6/2): bye"
    assert describe(6, 9, b"\6\x09" * 2000) == "Cease, Hard Reset (6/9): Cease, Hard Reset (6/9)"
    assert describe(6, 9, b"\6") == "Cease, Hard Reset (6/9)"
