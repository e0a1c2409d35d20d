"""The session of RFC 4271 section 8: what it does on every kind of event, and when."""

import random
from dataclasses import replace
from itertools import permutations, product

import pytest

from dualhome import _core
from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, SessionConfig
from dualhome.bgp.fsm import TABLE, Kind, ignore
from dualhome.bgp.notification import describe, shutdown_data, shutdown_text
from dualhome.bgp.session import (
    Accepted,
    Action,
    Close,
    Closed,
    Connect,
    Connected,
    ConnectFailed,
    Deliver,
    Down,
    Event,
    ManualStart,
    ManualStop,
    Notified,
    Received,
    Refresh,
    Send,
    Session,
    State,
    Transition,
    Up,
)
from dualhome.bgp.timers import keepalive_interval_s, negotiated_hold_time, pause_s
from dualhome.errors import PeerError
from dualhome.net import Address
from dualhome.units import Instant, as_seconds, seconds

CONFIG = SessionConfig(
    peer="far",
    local_asn=65001,
    remote_asn=65002,
    router_id="10.0.0.1",
    local_address=Address.parse("10.0.0.1"),
    remote_address=Address.parse("10.0.0.2"),
)
KEEPALIVE = _core.encode_keepalive()
EMPTY_UPDATE = b"\xff" * 16 + b"\0\x17\2" + b"\0\0\0\0"


def at(value: float) -> Instant:
    return Instant(seconds(value))


def peer_open(**changes: object) -> bytes:
    fields: dict[str, object] = {"asn": 65002, "hold_time_s": 90, "router_id": "10.0.0.2", "families": [IPV4_UNICAST]}
    return _core.encode_open(**{**fields, **changes})  # type: ignore[arg-type]


def our_open(config: SessionConfig = CONFIG) -> bytes:
    return _core.encode_open(
        asn=config.local_asn, hold_time_s=config.hold_time_s, router_id=config.router_id, families=list(config.families)
    )


def shown(actions: list[Action]) -> list[str]:
    """Actions in short words, without the journal's."""
    names = {1: "OPEN", 2: "UPDATE", 4: "KEEPALIVE", 5: "REFRESH"}
    words = []
    for action in actions:
        match action:
            case Send(transport, data):
                kind = f"NOTIFICATION {data[19]}/{data[20]}" if data[18] == 3 else names[data[18]]
                words.append(f"{kind} on {transport}")
            case Close(transport):
                words.append(f"close {transport}")
            case Connect():
                words.append("connect")
            case Up(transport=transport):
                words.append(f"up on {transport}")
            case Down():
                words.append("down")
            case Deliver(data):
                words.append(f"deliver {len(data)}")
            case Refresh(afi, safi):
                words.append(f"refresh {afi}/{safi}")
    return words


def connected(config: SessionConfig = CONFIG) -> Session:
    """In OpenSent on transport 1, at 0 s."""
    session = Session(config)
    session.handle(ManualStart(), at(0))
    session.handle(Connected(1), at(0))
    return session


def confirming(config: SessionConfig = CONFIG, **changes: object) -> Session:
    session = connected(config)
    session.handle(Received(1, peer_open(**changes)), at(0))
    assert session.state is State.OPEN_CONFIRM, session.last_error
    return session


def established(config: SessionConfig = CONFIG, **changes: object) -> Session:
    session = confirming(config, **changes)
    session.handle(Received(1, KEEPALIVE), at(0))
    assert session.state is State.ESTABLISHED
    return session


def in_state(state: State) -> Session:
    """A session that has come to this state, on transport 1 where it has one."""
    match state:
        case State.IDLE:
            return Session(CONFIG)
        case State.CONNECT | State.ACTIVE:
            session = Session(CONFIG)
            session.handle(ManualStart(), at(0))
            if state is State.ACTIVE:
                session.handle(ConnectFailed(), at(0))
            return session
        case State.OPEN_SENT:
            return connected()
        case State.OPEN_CONFIRM:
            return confirming()
        case State.ESTABLISHED:
            return established()


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    """Every state on every kind of event."""
    assert set(TABLE) == set(product(State, Kind))


def test_what_is_ignored_changes_no_state() -> None:
    assert [cell for cell, (handler, target) in TABLE.items() if handler is ignore and target is not cell[0]] == []


@pytest.mark.parametrize(
    ("state", "event", "actions", "target"),
    [
        (State.IDLE, ManualStart(), ["connect"], State.CONNECT),
        (State.IDLE, ManualStop(), [], State.IDLE),
        (State.IDLE, Accepted(7), ["close 7"], State.IDLE),
        (State.IDLE, Connected(7), ["close 7"], State.IDLE),
        (State.CONNECT, ManualStart(), [], State.CONNECT),
        (State.CONNECT, ManualStop(), [], State.IDLE),
        (State.CONNECT, ConnectFailed(), [], State.ACTIVE),
        (State.CONNECT, Connected(7), ["OPEN on 7"], State.OPEN_SENT),
        (State.CONNECT, Accepted(7), ["OPEN on 7"], State.OPEN_SENT),
        (State.ACTIVE, Accepted(7), ["OPEN on 7"], State.OPEN_SENT),
        (State.ACTIVE, Connected(7), ["OPEN on 7"], State.OPEN_SENT),
        (State.ACTIVE, ManualStop(), [], State.IDLE),
        (State.OPEN_SENT, Received(1, peer_open()), ["KEEPALIVE on 1"], State.OPEN_CONFIRM),
        (State.OPEN_SENT, Received(1, peer_open(asn=65003)), ["NOTIFICATION 2/2 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Received(1, KEEPALIVE), ["NOTIFICATION 5/1 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Received(1, EMPTY_UPDATE), ["NOTIFICATION 5/1 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Received(1, _core.encode_route_refresh(1, 1)), ["NOTIFICATION 5/1 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Received(1, _core.encode_notification(6, 5)), ["close 1"], State.IDLE),
        (State.OPEN_SENT, Received(1, b"\0" * 19), ["NOTIFICATION 1/1 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Closed(1), [], State.ACTIVE),
        (State.OPEN_SENT, ManualStop(), ["NOTIFICATION 6/2 on 1", "close 1"], State.IDLE),
        (State.OPEN_SENT, Accepted(7), ["OPEN on 7"], State.OPEN_SENT),
        (State.OPEN_SENT, ConnectFailed(), [], State.OPEN_SENT),
        (State.OPEN_CONFIRM, Received(1, KEEPALIVE), ["up on 1"], State.ESTABLISHED),
        (State.OPEN_CONFIRM, Received(1, peer_open()), ["NOTIFICATION 5/2 on 1", "close 1"], State.IDLE),
        (State.OPEN_CONFIRM, Received(1, EMPTY_UPDATE), ["NOTIFICATION 5/2 on 1", "close 1"], State.IDLE),
        (State.OPEN_CONFIRM, Received(1, _core.encode_notification(6, 2)), ["close 1"], State.IDLE),
        (State.OPEN_CONFIRM, Closed(1), [], State.IDLE),
        (State.OPEN_CONFIRM, Accepted(7), ["OPEN on 7"], State.OPEN_CONFIRM),
        (State.OPEN_CONFIRM, ManualStop(), ["NOTIFICATION 6/2 on 1", "close 1"], State.IDLE),
        (State.ESTABLISHED, Received(1, KEEPALIVE), [], State.ESTABLISHED),
        (State.ESTABLISHED, Received(1, EMPTY_UPDATE * 2), ["deliver 46"], State.ESTABLISHED),
        (State.ESTABLISHED, Received(1, peer_open()), ["NOTIFICATION 5/3 on 1", "close 1", "down"], State.IDLE),
        (State.ESTABLISHED, Received(1, _core.encode_route_refresh(1, 1)), ["refresh 1/1"], State.ESTABLISHED),
        (State.ESTABLISHED, Received(1, _core.encode_route_refresh(2, 1)), [], State.ESTABLISHED),
        (State.ESTABLISHED, Received(1, b"\xff" * 16 + b"\0\x16\5\0\1\0"), ["NOTIFICATION 7/1 on 1", "close 1", "down"], State.IDLE),
        (State.ESTABLISHED, Received(1, b"\xff" * 16 + b"\0\x12\4"), ["NOTIFICATION 1/2 on 1", "close 1", "down"], State.IDLE),
        (State.ESTABLISHED, Received(1, _core.encode_notification(6, 4)), ["down", "close 1"], State.IDLE),
        (State.ESTABLISHED, Closed(1), ["down"], State.IDLE),
        (State.ESTABLISHED, ManualStop(), ["NOTIFICATION 6/2 on 1", "close 1", "down"], State.IDLE),
        (State.ESTABLISHED, Accepted(7), ["OPEN on 7"], State.ESTABLISHED),
        (State.ESTABLISHED, Connected(7), ["close 7"], State.ESTABLISHED),
        (State.ESTABLISHED, Received(9, KEEPALIVE), [], State.ESTABLISHED),
        (State.ESTABLISHED, Closed(9), [], State.ESTABLISHED),
    ],
)
def test_an_event_in_a_state(state: State, event: Event, actions: list[str], target: State) -> None:
    session = in_state(state)
    assert shown(session.handle(event, at(1))) == actions
    assert session.state is target


def test_unexpected_messages_are_named_by_their_type() -> None:
    """RFC 6608 section 3: the data is the type of the message."""
    actions = connected().handle(Received(1, EMPTY_UPDATE), at(1))
    assert _core.encode_notification(5, 1, b"\2") in [a.data for a in actions if isinstance(a, Send)]


def test_an_open_says_who_we_are() -> None:
    session = Session(CONFIG)
    session.handle(ManualStart(), at(0))
    assert session.handle(Connected(1), at(0))[1:] == [Send(1, our_open())]


def test_the_journal_tells_each_transition_before_its_deeds() -> None:
    session = confirming()
    actions = session.handle(Received(1, KEEPALIVE), at(1))
    assert actions[0] == Transition(State.OPEN_CONFIRM, State.ESTABLISHED, "keepalive")
    assert isinstance(actions[1], Up)
    assert actions[1].open.router_id == "10.0.0.2"


# --- opens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"asn": 65003}, (2, 2)),
        ({"router_id": "10.0.0.1", "asn": 65001}, (2, 2)),
        ({"hold_time_s": 2}, (2, 6)),
        ({"hold_time_s": 1}, (2, 6)),
        ({"families": [IPV6_UNICAST]}, (2, 7)),
        ({"router_id": "0.0.0.0"}, (2, 3)),
    ],
)
def test_a_bad_open_is_refused(changes: dict[str, object], code: tuple[int, int]) -> None:
    """RFC 4271 section 6.2, RFC 5492 section 3."""
    session = connected()
    actions = session.handle(Received(1, peer_open(**changes)), at(1))
    assert [(a.code, a.subcode) for a in actions if isinstance(a, Notified)] == [code]
    assert session.state is State.IDLE


def test_our_own_identifier_is_refused_inside_an_as_and_fine_between_two() -> None:
    """RFC 6286 section 2.2."""
    inside = replace(CONFIG, remote_asn=65001)
    assert "NOTIFICATION 2/3 on 1" in shown(connected(inside).handle(Received(1, peer_open(asn=65001, router_id="10.0.0.1")), at(0)))
    assert confirming(router_id="10.0.0.1").state is State.OPEN_CONFIRM


def test_a_version_is_refused_with_ours() -> None:
    bad = bytearray(peer_open())
    bad[19] = 3
    sent = [a.data for a in connected().handle(Received(1, bytes(bad)), at(0)) if isinstance(a, Send)]
    assert sent == [_core.encode_notification(2, 1, b"\0\4")]


def test_families_in_common_are_used() -> None:
    session = established(replace(CONFIG, families=(IPV6_UNICAST, IPV4_UNICAST)), families=[(1, 1), (25, 65)])
    assert session.families == (IPV4_UNICAST,)


@pytest.mark.parametrize(("ours", "theirs", "agreed"), [(180, 90, 90), (90, 180, 90), (0, 90, 0), (90, 0, 0), (3, 3, 3)])
def test_the_smaller_hold_time_counts(ours: int, theirs: int, agreed: int) -> None:
    assert negotiated_hold_time(ours, theirs) == agreed
    assert established(replace(CONFIG, hold_time_s=ours), hold_time_s=theirs).hold_time_s == agreed


def test_a_hold_time_of_a_second_or_two_is_the_peers_error() -> None:
    with pytest.raises(PeerError, match="2/6"):
        negotiated_hold_time(90, 2)


def test_keepalives_come_thrice_in_a_hold_time_or_as_often_as_asked() -> None:
    assert [keepalive_interval_s(60, hold) for hold in (180, 90, 240, 0)] == [60, 30, 60, 0]


# --- timers -----------------------------------------------------------------------------------------------------------


def deadline_s(session: Session) -> float | None:
    deadline = session.deadline()
    return None if deadline is None else as_seconds(deadline)


def test_keepalives_are_sent_in_time() -> None:
    session = established()  # agreed: 90 s
    assert deadline_s(session) == 30
    assert session.tick(at(29.9)) == []
    assert shown(session.tick(at(30))) == ["KEEPALIVE on 1"]
    assert deadline_s(session) == 60


def test_an_update_restarts_the_keepalive_timer() -> None:
    session = established()
    assert shown(session.send_update(EMPTY_UPDATE, at(20))) == ["UPDATE on 1"]
    assert deadline_s(session) == 50


def test_updates_are_sent_by_established_sessions_only() -> None:
    assert confirming().send_update(EMPTY_UPDATE, at(0)) == []


def test_the_hold_timer_ends_a_silent_session() -> None:
    """RFC 4271 section 6.5: 90 s after the last KEEPALIVE or UPDATE."""
    session = established()
    session.handle(Received(1, KEEPALIVE), at(50))
    session.handle(Received(1, EMPTY_UPDATE), at(70))
    for now in (30, 60, 90, 120, 150):
        assert shown(session.tick(at(now))) == ["KEEPALIVE on 1"]
    assert shown(session.tick(at(160))) == ["NOTIFICATION 4/0 on 1", "close 1", "down"]
    assert session.last_error == "sent Hold Timer Expired (4/0): nothing for 90 s"


def test_a_hold_time_of_zero_has_no_timers() -> None:
    session = established(hold_time_s=0)
    assert session.deadline() is None


def test_an_open_is_awaited_for_four_minutes() -> None:
    session = connected()
    assert deadline_s(session) == 240
    assert shown(session.tick(at(240))) == ["NOTIFICATION 4/0 on 1", "close 1"]


def test_a_failed_attempt_is_repeated_after_the_connect_retry_time() -> None:
    session = Session(CONFIG)
    session.handle(ManualStart(), at(0))
    session.handle(ConnectFailed(), at(1))
    assert deadline_s(session) == 121
    assert shown(session.tick(at(121))) == ["connect"]
    assert session.state is State.CONNECT
    assert shown(session.tick(at(241))) == ["connect"]


def test_a_peer_that_hangs_up_before_its_open_is_asked_again_soon() -> None:
    session = connected()
    session.handle(Closed(1), at(5))
    assert session.state is State.ACTIVE
    assert deadline_s(session) == 6


def test_idle_lasts_longer_with_each_fault_and_short_again_after_a_good_minute() -> None:
    """DampPeerOscillations (RFC 4271 section 8.1.1): 1, 2, 4, … 60 s."""
    session, now, pauses = Session(CONFIG), 0.0, []
    session.handle(ManualStart(), at(now))
    for transport in range(9):
        session.handle(Connected(transport), at(now))
        session.handle(Received(transport, peer_open(asn=65003)), at(now))
        pauses.append(deadline_s(session) - now)  # type: ignore[operator]
        now += pauses[-1]
        assert shown(session.tick(at(now))) == ["connect"]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pause_s(10_000) == 60
    session.handle(Connected(100), at(now))
    session.handle(Received(100, peer_open() + KEEPALIVE), at(now))
    assert session.failures == 9
    session.peer_refused_at(at(now + 60), PeerError(3, 1))
    assert deadline_s(session) == now + 61


@pytest.mark.parametrize("end", [Closed(1), Received(1, _core.encode_notification(6, 2))])
def test_a_session_that_the_peer_ends_is_tried_again_after_a_second(end: Closed | Received) -> None:
    session = established()
    session.handle(end, at(10))
    assert (session.state, deadline_s(session), session.failures) == (State.IDLE, 11, 0)


def test_a_stopped_session_stays_idle() -> None:
    session = established()
    session.handle(ManualStop(), at(10))
    assert (session.state, session.deadline()) == (State.IDLE, None)
    assert shown(session.handle(Accepted(2), at(11))) == ["close 2"]
    waiting = connected()
    waiting.handle(Received(1, KEEPALIVE), at(0))
    assert waiting.deadline() == at(1)
    waiting.handle(ManualStop(), at(0))
    assert waiting.deadline() is None


def test_a_passive_session_never_connects() -> None:
    session = Session(replace(CONFIG, passive=True))
    assert shown(session.handle(ManualStart(), at(0))) == []
    assert (session.state, session.deadline()) == (State.ACTIVE, None)
    assert shown(session.handle(Accepted(1), at(1))) == ["OPEN on 1"]
    session.handle(Received(1, peer_open(asn=1)), at(1))
    assert shown(session.tick(at(2))) == []
    assert session.state is State.ACTIVE
    session.handle(Accepted(2), at(3))
    session.handle(Closed(2), at(3))
    assert (session.state, session.deadline()) == (State.ACTIVE, None)


def test_jitter_is_a_quarter_at_most_and_drawn_from_the_generator() -> None:
    """RFC 4271 section 10."""
    waits = set()
    for seed in range(50):
        session = Session(CONFIG, random.Random(seed))
        session.handle(ManualStart(), at(0))
        waits.add(deadline_s(session))
    assert len(waits) > 40
    assert all(90 <= wait <= 120 for wait in waits if wait)


# --- bytes ------------------------------------------------------------------------------------------------------------

STREAM = peer_open() + KEEPALIVE + EMPTY_UPDATE * 3 + KEEPALIVE + _core.encode_route_refresh(1, 1) + EMPTY_UPDATE


@pytest.mark.parametrize("step", [1, 2, 3, 19, 20, 23, 100, len(STREAM)])
def test_bytes_may_be_cut_anywhere(step: int) -> None:
    """Whole, byte by byte, and glued to the next."""
    session = connected()
    actions: list[Action] = []
    for start in range(0, len(STREAM), step):
        actions += session.handle(Received(1, STREAM[start : start + step]), at(1))
    assert [word for word in shown(actions) if "deliver" not in word] == ["KEEPALIVE on 1", "up on 1", "refresh 1/1"]
    assert b"".join(a.data for a in actions if isinstance(a, Deliver)) == EMPTY_UPDATE * 4


def test_what_follows_an_error_is_not_read() -> None:
    session = established()
    actions = session.handle(Received(1, EMPTY_UPDATE + peer_open() + EMPTY_UPDATE + _core.encode_notification(6, 2)), at(1))
    assert shown(actions) == ["deliver 23", "NOTIFICATION 5/3 on 1", "close 1", "down"]
    assert session.handle(Received(1, EMPTY_UPDATE), at(1)) == []


# --- collisions -------------------------------------------------------------------------------------------------------


def both_transports(router_id: str) -> Session:
    """Transport 1 is ours, 2 is the peer's; both in OpenSent."""
    session = connected(replace(CONFIG, router_id=router_id))
    session.handle(Accepted(2), at(0))
    return session


@pytest.mark.parametrize(("router_id", "stays", "goes"), [("10.0.0.1", 2, 1), ("10.0.0.3", 1, 2)])
def test_of_two_transports_that_of_the_higher_identifier_stays(router_id: str, stays: int, goes: int) -> None:
    """RFC 4271 section 6.8; the peer is 10.0.0.2. The two OPENs may come in any order."""
    for order in permutations((1, 2)):
        session = both_transports(router_id)
        words = [word for transport in order for word in shown(session.handle(Received(transport, peer_open()), at(1)))]
        assert sorted(words) == sorted([f"NOTIFICATION 6/7 on {goes}", f"close {goes}", f"KEEPALIVE on {stays}"])
        assert session.state is State.OPEN_CONFIRM
        assert shown(session.handle(Received(stays, KEEPALIVE), at(1))) == [f"up on {stays}"]


def test_equal_identifiers_are_decided_by_the_asn() -> None:
    """RFC 6286 section 2.3: 65002 is higher, so the peer's transport stays."""
    session = both_transports("10.0.0.2")
    session.handle(Received(1, peer_open()), at(1))
    assert shown(session.handle(Received(2, peer_open()), at(1))) == ["KEEPALIVE on 2"]


def test_identifiers_are_compared_as_numbers() -> None:
    """10.0.0.10 is higher than 10.0.0.2."""
    session = both_transports("10.0.0.10")
    assert shown(session.handle(Received(1, peer_open()), at(1))) == ["NOTIFICATION 6/7 on 2", "close 2", "KEEPALIVE on 1"]


def test_a_collision_in_open_confirm_ends_the_older_transport() -> None:
    session = confirming()
    session.handle(Accepted(2), at(1))
    assert shown(session.handle(Received(2, peer_open()), at(1))) == ["NOTIFICATION 6/7 on 1", "close 1", "KEEPALIVE on 2"]
    assert session.state is State.OPEN_CONFIRM


def test_an_established_session_stays_whatever_the_identifiers() -> None:
    session = established()
    session.handle(Accepted(2), at(1))
    assert shown(session.handle(Received(2, peer_open()), at(1))) == ["NOTIFICATION 6/7 on 2", "close 2"]
    assert session.state is State.ESTABLISHED
    assert session.last_error == ""


def test_an_established_session_does_not_care_how_a_second_transport_ends() -> None:
    for end in (Closed(2), Received(2, KEEPALIVE), Received(2, peer_open(asn=7)), Received(2, _core.encode_notification(6, 7))):
        session = established()
        session.handle(Accepted(2), at(1))
        assert "down" not in shown(session.handle(end, at(1)))
        assert (session.state, session.transport) == (State.ESTABLISHED, 1)


def test_the_loser_may_be_closed_by_the_peer_first() -> None:
    session = both_transports("10.0.0.1")
    session.handle(Received(1, _core.encode_notification(6, 7)), at(1))
    assert session.state is State.OPEN_SENT
    session.handle(Received(2, peer_open() + KEEPALIVE), at(1))
    assert (session.state, session.transport) == (State.ESTABLISHED, 2)


def test_transports_of_a_peer_that_keeps_connecting_are_limited() -> None:
    """The newest replaces the one on which no OPEN came."""
    session = connected()
    session.handle(Accepted(2), at(0))
    for transport in range(3, 50):
        assert shown(session.handle(Accepted(transport), at(0))) == [f"close {transport - 1}", f"OPEN on {transport}"]
    assert list(session.links) == [1, 49]


def test_two_sessions_agree_on_one_transport_in_every_interleaving() -> None:
    """Both connect at once; whatever order the messages of the two transports come in, both ends are up on the same one."""
    rng = random.Random(4271)
    for _ in range(300):
        near, far = Session(CONFIG), Session(_mirrored(CONFIG))
        queues: dict[tuple[str, int], list[bytes]] = {(end, transport): [] for end in ("near", "far") for transport in (1, 2)}
        ends = {"near": near, "far": far}

        def play(end: str, event: Event) -> None:
            other = "far" if end == "near" else "near"
            for action in ends[end].handle(event, at(1)):  # noqa: B023
                match action:
                    case Send(transport, data):
                        queues[other, transport].append(data)  # noqa: B023
                    case Close(transport):
                        queues[other, transport].append(b"")  # noqa: B023

        for session in (near, far):
            session.handle(ManualStart(), at(0))
        for end, event in (("near", Connected(1)), ("far", Accepted(1)), ("near", Accepted(2)), ("far", Connected(2))):
            play(end, event)
        while ready := [key for key, queue in queues.items() if queue]:
            end, transport = rng.choice(ready)
            data = queues[end, transport].pop(0)
            play(end, Received(transport, data) if data else Closed(transport))
        assert (near.state, near.transport) == (State.ESTABLISHED, 2)  # the far end has the higher identifier
        assert (far.state, far.transport) == (State.ESTABLISHED, 2)


def _mirrored(config: SessionConfig) -> SessionConfig:
    return replace(
        config,
        peer="near",
        local_asn=config.remote_asn,
        remote_asn=config.local_asn,
        router_id="10.0.0.2",
        local_address=config.remote_address,
        remote_address=config.local_address,
    )


# --- ends, words, determinism -----------------------------------------------------------------------------------------


def test_an_error_of_the_rib_becomes_a_notification() -> None:
    session = established()
    actions = session.peer_refused_at(at(1), PeerError(3, 1, b"x", "no next hop"))
    assert shown(actions) == ["NOTIFICATION 3/1 on 1", "close 1", "down"]
    assert session.last_error == "sent UPDATE Message Error, Malformed Attribute List (3/1): no next hop"
    assert session.peer_refused_at(at(1), PeerError(3, 1)) == []


def test_a_shutdown_carries_its_reason() -> None:
    """RFC 9003."""
    sent = [a.data for a in established().handle(ManualStop("maintenance at 9"), at(1)) if isinstance(a, Send)]
    assert sent == [_core.encode_notification(6, 2, b"\x10maintenance at 9")]
    received = established()
    received.handle(Received(1, sent[0]), at(1))
    assert received.last_error == "received Cease, Administrative Shutdown (6/2): maintenance at 9"


def test_notifications_in_words() -> None:
    assert describe(4, 0) == "Hold Timer Expired (4/0)"
    assert describe(6, 7) == "Cease, Connection Collision Resolution (6/7)"
    assert describe(2, 99) == "OPEN Message Error (2/99)"
    assert describe(77, 1) == "unknown error (77/1)"


@pytest.mark.parametrize("text", ["", "ä" * 200, "bye"])
def test_shutdown_texts_are_cut_at_a_whole_character(text: str) -> None:
    data = shutdown_data(text)
    assert len(data) <= 256
    assert shutdown_text(6, 2, data) == text[:127]


def test_bad_shutdown_texts_harm_nobody() -> None:
    assert shutdown_text(6, 2, b"\x09short") == ""
    assert shutdown_text(6, 2, b"\x03\xff\xfe\xfd") == "\ufffd" * 3
    assert shutdown_text(6, 2, b"\x04a\nb\x1b") == "a b "
    assert shutdown_text(4, 0, b"\x01a") == ""


def test_counters_count() -> None:
    session = established()
    session.handle(Received(1, KEEPALIVE + EMPTY_UPDATE + _core.encode_route_refresh(1, 1) + _core.encode_notification(6, 2)), at(1))
    counters = session.counters
    assert (counters.established, counters.dropped, counters.keepalives_in, counters.keepalives_out) == (1, 1, 2, 1)
    assert (counters.update_bytes_in, counters.refreshes_in, counters.notifications_in) == (23, 1, 1)


def test_the_same_events_and_times_give_the_same_actions() -> None:
    def run(seed: int) -> list[str]:
        chance, session = random.Random(seed), Session(CONFIG, random.Random(seed))
        trace, now = [], 0
        events: list[Event | None] = [
            ManualStart(), Connected(1), Accepted(2), ConnectFailed(), Received(1, peer_open()), Received(2, peer_open()), Received(2, KEEPALIVE),
            Received(1, KEEPALIVE), Received(2, EMPTY_UPDATE), Closed(1), Closed(2), ManualStop(), None,
        ]  # fmt: skip
        for _ in range(200):
            now += chance.randrange(40)
            trace.append(f"{shown(session.handle(chance.choice(events), at(now)))} {session.state} {session.deadline()}")
        return trace

    for seed in range(20):
        assert run(seed) == run(seed)


def test_noise_never_breaks_a_session() -> None:
    """Any events in any order, any bytes: a session has no transport that it doesn't time, and never more than three."""
    for seed in range(200):
        chance = random.Random(seed)
        session, now = Session(CONFIG), 0
        for next_transport in range(100):
            now += chance.randrange(100)
            known = chance.choice([*session.links, 999])
            event = chance.choice([
                ManualStart(), Connected(next_transport), Accepted(next_transport), ConnectFailed(), Closed(known), None, None,
                Received(known, peer_open()), Received(known, KEEPALIVE), Received(known, chance.randbytes(30)),
                Received(known, EMPTY_UPDATE), Received(known, _core.encode_notification(6, 7)),
            ])  # fmt: skip
            session.handle(event, at(now))
            assert len(session.links) <= 3
            passive_or_new = session.state in (State.ACTIVE, State.IDLE) and not session.wanted
            assert passive_or_new or session.deadline() is not None
