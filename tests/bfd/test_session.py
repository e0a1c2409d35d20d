"""The session of RFC 5880 section 6.8 on virtual time: two of them, and a link that loses and reorders."""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.bfd.fsm import KINDS, TABLE, Kind
from dualhome.bfd.packet import Diagnostic, Packet, State
from dualhome.bfd.session import Disable, Down, Enable, Received, Session
from dualhome.units import Instant
from tests.bfd.pair import MS, Pair, config

UP = [State.UP, State.UP]


def up(**fields: object) -> Pair:
    """Both ends up, with their intervals agreed, and nothing recorded."""
    pair = Pair(**fields)  # type: ignore[arg-type]
    pair.start()
    pair.run(5)
    assert pair.states() == UP
    assert not any(end.polling for end in pair.ends)
    pair.sent.clear()
    pair.changes.clear()
    return pair


def packet(state: State, **changes: object) -> Received:
    fields: dict[str, object] = {"multiplier": 3, "my_discriminator": 9, "your_discriminator": 1}
    fields |= {"desired_min_tx_us": 50 * MS, "required_min_rx_us": 50 * MS}
    return Received(Packet(**{"state": state, **fields, **changes}))  # type: ignore[arg-type]


def test_every_state_has_an_answer_to_every_kind_of_event() -> None:
    assert set(TABLE) == set(product(State, Kind))
    assert set(KINDS) == set(State)


def test_the_table_is_the_diagram_of_the_rfc() -> None:
    """Only Down and Init lead to Up, and only by the other end's Init or Up."""
    to_up = {(state, kind) for (state, kind), (_, target) in TABLE.items() if target is State.UP and state is not State.UP}
    assert to_up == {(State.DOWN, Kind.REMOTE_INIT), (State.INIT, Kind.REMOTE_INIT), (State.INIT, Kind.REMOTE_UP)}


def test_a_session_is_silent_until_it_is_enabled() -> None:
    session = Session(config(), 1)
    assert session.deadline() is None
    session.handle(Enable(), Instant(0))
    assert session.deadline() == 1_000_000


def test_two_sessions_come_up() -> None:
    pair = Pair()
    pair.start()
    pair.run(0.01)
    assert pair.states() == UP
    assert [each.diagnostic for each in pair.ends] == [Diagnostic.NONE, Diagnostic.NONE]


def test_a_session_without_an_answer_sends_at_most_each_second_with_jitter() -> None:
    pair = Pair(delay=lambda end: None)
    pair.start()
    pair.run(60)
    gaps = [b.at - a.at for a, b in pairwise(pair.packets(0))]
    assert all(750 * MS <= gap <= 1_000 * MS for gap in gaps)
    assert len(set(gaps)) > 10
    assert {each.packet.desired_min_tx_us for each in pair.sent} == {1_000 * MS}


@pytest.mark.parametrize(("multiplier", "most"), [(1, 45), (3, 50)])
def test_intervals_are_jittered_below_what_was_agreed(multiplier: int, most: int) -> None:
    """With a multiplier of 1 a packet must be there well before the detection time."""
    pair = up(a=config(50, multiplier))
    pair.run(20)
    gaps = [b.at - a.at for a, b in pairwise(pair.packets(0))]
    assert min(gaps) >= 37_500
    assert max(gaps) <= most * MS
    assert max(gaps) > most * MS - 1_000
    assert pair.states() == UP


@pytest.mark.parametrize("interval_ms", [10, 50, 300])
@pytest.mark.parametrize("multiplier", [1, 3, 5])
def test_a_dead_end_is_detected_after_interval_times_multiplier(interval_ms: int, multiplier: int) -> None:
    pair = up(a=config(interval_ms), b=config(interval_ms, multiplier))
    last = max(at for at, to, _ in pair.delivered if to == 0)
    pair.dead.add(1)
    pair.run(0.0001)
    last = max(at for at, to, _ in pair.delivered if to == 0)
    pair.run(3)
    at, end, down = pair.downs[0]
    assert (at - last, end) == (interval_ms * multiplier * MS, 0)
    assert down == Down(f"nothing came for {interval_ms * multiplier} ms", failed=True)
    assert pair.ends[0].diagnostic is Diagnostic.DETECTION_TIME_EXPIRED
    assert pair.ends[0].remote.discriminator == 0


def test_the_slower_of_sender_and_receiver_sets_the_pace() -> None:
    pair = up(a=config(50, 3, receive_ms=200), b=config(100, 4))
    assert pair.ends[0].detection_time == 4 * 200 * MS
    assert pair.ends[1].detection_time == 3 * 100 * MS
    assert [each.transmit_interval for each in pair.ends] == [100 * MS, 200 * MS]


def test_a_cut_in_one_direction_is_signaled_to_the_other() -> None:
    """1 hears nothing any more, says so at once, and 0 goes down by that word, well before its own time."""
    pair = up()
    pair.delay = lambda end: None if end == 0 else 100
    pair.run(1)
    (first, _, _), (second, end, down) = pair.downs
    assert (second - first, end) == (100, 0)
    assert down == Down("the other end says Down (detection time expired)", failed=True)
    assert Diagnostic.NEIGHBOR_SIGNALED_DOWN in [each.packet.diagnostic for each in pair.packets(0, since=second)]
    assert pair.states() == [State.INIT, State.DOWN]


def test_a_session_comes_back_after_a_cut() -> None:
    pair = up()
    pair.delay = lambda end: None
    pair.run(2)
    assert pair.states() == [State.DOWN, State.DOWN]
    pair.delay = lambda end: 100
    pair.run(1.5)
    assert pair.states() == UP


def test_disabling_tells_the_other_end_that_nothing_failed() -> None:
    pair = up()
    pair.give(0, Disable())
    pair.run(0.01)
    assert pair.states() == [State.ADMIN_DOWN, State.DOWN]
    assert [down for _, _, down in pair.downs] == [
        Down("disabled", failed=False),
        Down("the other end is administratively down", failed=False),
    ]
    pair.run(10)
    assert pair.states() == [State.ADMIN_DOWN, State.DOWN]
    assert "the session is administratively down" in pair.discarded
    pair.give(0, Enable())
    pair.run(1.5)
    assert pair.states() == UP


def test_a_poll_is_answered_at_once() -> None:
    session = Session(config(), 1)
    session.handle(Enable(), Instant(0))
    sent = Pair()
    sent.ends[0] = session
    sent.give(0, packet(State.DOWN, poll=True, your_discriminator=0))
    assert [(each.packet.state, each.packet.final, each.packet.poll) for each in sent.sent] == [
        (State.INIT, False, False),
        (State.INIT, True, False),
    ]


def test_new_intervals_are_polled_until_the_other_end_has_heard() -> None:
    """A longer interval to send is used only after the Final; both ends then expect it."""
    pair = up(seed=None, a=config(50, multiplier=5))
    pair.delay = lambda end: None if end == 0 else 100
    pair.configure(0, config(80, multiplier=5))
    pair.run(0.1)
    assert pair.ends[0].polling
    assert all(each.packet.poll and each.packet.desired_min_tx_us == 80 * MS for each in pair.packets(0))
    assert pair.ends[0].transmit_interval == 50 * MS
    assert pair.ends[1].detection_time == 250 * MS
    pair.delay = lambda end: 100
    pair.run(0.06)
    assert not pair.ends[0].polling
    assert pair.ends[0].transmit_interval == 80 * MS
    assert pair.ends[1].detection_time == 400 * MS
    pair.run(2)
    assert not pair.downs


def test_a_shorter_interval_to_receive_counts_only_once_the_other_end_has_heard() -> None:
    pair = up(a=config(300), b=config(20))
    pair.delay = lambda end: None if end == 0 else 100
    pair.configure(0, config(300, receive_ms=20))
    assert pair.ends[0].detection_time == 900 * MS
    pair.delay = lambda end: 100
    pair.run(1)
    assert pair.ends[0].detection_time == 60 * MS
    assert not pair.downs


def test_a_change_during_a_poll_waits_for_its_end() -> None:
    pair = up()
    pair.configure(0, config(80))
    pair.configure(0, config(200))
    assert {each.packet.desired_min_tx_us for each in pair.packets(0)} == {80 * MS}
    pair.run(1)
    assert pair.ends[1].detection_time == 600 * MS
    assert not pair.downs


def test_an_end_that_wants_no_packets_gets_none() -> None:
    session = Session(config(), 1)
    session.handle(Enable(), Instant(0))
    session.handle(packet(State.INIT, required_min_rx_us=0), Instant(10))
    assert session.state is State.UP
    assert session.deadline() == 10 + 150 * MS  # the detection time, nothing else


def test_demand_mode_of_the_other_end_changes_nothing() -> None:
    session = Session(config(), 1)
    session.handle(Enable(), Instant(0))
    session.handle(packet(State.INIT, demand=True), Instant(10))
    session.handle(packet(State.UP, demand=True, final=True), Instant(20))
    assert session.deadline() == 10 + 50 * MS


def test_another_sessions_packet_is_discarded() -> None:
    pair = Pair()
    pair.start()
    pair.give(0, packet(State.INIT, your_discriminator=77))
    assert pair.states()[0] is State.DOWN
    assert pair.discarded == ["no session has discriminator 77"]


def test_reordering_is_harmless() -> None:
    """Packets overtake each other by up to two intervals; nobody goes down."""
    pair = up()
    delays = iter(range(10**9))
    pair.delay = lambda end: (next(delays) * 7919) % 90_000
    pair.run(60)
    pair.configure(0, config(70))
    pair.configure(1, config(30))
    pair.run(60)
    assert not pair.downs
    assert pair.ends[0].detection_time == 3 * 70 * MS


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nobody_is_up_without_a_handshake(data: st.DataObject) -> None:
    """Whatever is lost, late or switched off: who comes up has heard an Init or Up that names its discriminator. In the end all are up."""
    rng = data.draw(st.randoms(use_true_random=False))
    pair = Pair(seed=rng.randrange(1000), delay=lambda end: None if rng.random() < 0.4 else rng.randrange(200_000))
    pair.start()
    for _ in range(20):
        pair.run(rng.random() * 2)
        if rng.random() < 0.3:
            pair.give(rng.randrange(2), rng.choice([Enable(), Disable()]))
    for at, end, change in pair.changes:
        if change.new is State.UP:
            heard = [p for when, to, p in pair.delivered if to == end and when == at]
            assert any(p.state in (State.INIT, State.UP) and p.your_discriminator == (0xA, 0xB)[end] for p in heard)
    pair.delay = lambda end: 100
    pair.start()
    pair.run(5)
    assert pair.states() == UP
