"""The book of a probe stream, on arrivals that are made up. Times in ms."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from dualhome.live.streams import PER_MS, Reading, Stream


def run(flows: int, missing: set[int], *, packets: int, until: int, mark: int | None = None) -> Reading:
    """A packet each ms; those that aren't missing arrive at once."""
    stream = Stream(flows)
    for now in range(until + 1):
        if now < packets:
            number, _ = stream.send(now * PER_MS)
            if number not in missing:
                stream.arrived(number)
        stream.expire(now * PER_MS)
        if now == mark:
            stream.mark(now * PER_MS)
    return stream.read(until * PER_MS)


def test_nothing_is_lost() -> None:
    assert run(4, set(), packets=100, until=100) == Reading(
        sent=100, received=100, lost=0, extra=0, longest_gap_ms=0, total_gap_ms=0, open=0, flows=4
    )


def test_a_gap_is_from_the_first_lost_packet_to_the_next_that_arrived() -> None:
    reading = run(1, set(range(10, 30)), packets=100, until=100)
    assert (reading.lost, reading.longest_gap_ms, reading.total_gap_ms, reading.open) == (20, 20, 20, 0)


def test_a_gap_of_one_flow_is_none_of_the_stream() -> None:
    """Flow 1 of 2 loses 11, 13, 15; flow 0 goes on."""
    reading = run(2, {11, 13, 15}, packets=100, until=100)
    assert (reading.longest_gap_ms, reading.total_gap_ms) == (6, 1)


def test_an_open_gap_counts_until_now() -> None:
    reading = run(2, {n for n in range(100, 1000) if n % 2}, packets=1000, until=1000)
    assert (reading.longest_gap_ms, reading.open, reading.total_gap_ms) == (899, 1, 1)


def test_a_packet_is_in_flight_for_200_ms() -> None:
    before, after = run(1, {0}, packets=1, until=199), run(1, {0}, packets=1, until=200)
    assert (before.lost, before.open, before.longest_gap_ms) == (0, 0, 0)
    assert (after.lost, after.open, after.longest_gap_ms) == (1, 1, 200)


def test_a_mark_forgets_and_an_open_gap_counts_from_there() -> None:
    assert run(1, set(range(10, 30)), packets=100, until=100, mark=50).longest_gap_ms == 0
    assert run(1, set(range(10, 300)), packets=400, until=400, mark=250).longest_gap_ms == 50


def test_a_gap_that_begins_before_the_mark_and_is_known_after_it_counts_from_there() -> None:
    assert run(1, set(range(10, 100)), packets=400, until=400, mark=50).longest_gap_ms == 50
    assert run(1, set(range(10, 100)), packets=400, until=400, mark=50).total_gap_ms == 50


def test_doubles_and_late_ones_are_extra() -> None:
    stream = Stream(1)
    for now in range(4):
        stream.send(now * PER_MS)
    for number in (0, 0, 2, 1, 3, 9):
        stream.arrived(number)
    reading = stream.read(4 * PER_MS)
    assert (reading.received, reading.lost, reading.extra, reading.longest_gap_ms) == (3, 1, 2, 1)


def test_flows_that_overtake_each_other_make_no_gap() -> None:
    stream = Stream(2)
    for now in range(4):
        stream.send(now * PER_MS)
    for number in (1, 3, 0, 2):
        stream.arrived(number)
    assert stream.read(4 * PER_MS).total_gap_ms == 0


@dataclass(frozen=True)
class Sent:
    at: int
    arrives: int | None  # ms after it was sent


def slow(flows: int, packets: list[Sent], now: int, mark: int) -> tuple[int, int, int, int]:
    """Lost ones, longest gap of a flow, longest gap of all together, open flows; by looking at everything, again for each packet."""

    def decided(number: int) -> bool | None:
        """Whether it arrived; None while it is in flight."""
        packet = packets[number]
        times = [
            (p.at + p.arrives, n) for n, p in enumerate(packets) if n > number and n % flows == number % flows and p.arrives is not None
        ]
        lost_at = min([packet.at + 200, *(time for time, _ in times)])
        if packet.arrives is not None and packet.at + packet.arrives <= lost_at and packet.at + packet.arrives <= now:
            return True
        return False if lost_at <= now else None

    def gaps(numbers: list[int]) -> tuple[int, bool]:
        """The longest gap and whether one is open: each lost packet, to the first later one that arrived."""
        longest, is_open = 0, False
        for place, number in enumerate(numbers):
            if fate[number] is False and None not in [fate[n] for n in numbers[:place]]:
                later = [packets[n].at for n in numbers[place:] if fate[n]]
                longest = max(longest, (later[0] if later else now) - max(packets[number].at, mark))
                is_open = is_open or not later
        return longest, is_open

    fate = [decided(number) for number in range(len(packets))]
    by_flow = [gaps(list(range(flow, len(packets), flows))) for flow in range(flows)]
    return (
        fate.count(False),
        max(longest for longest, _ in by_flow),
        gaps(list(range(len(packets))))[0],
        sum(is_open for _, is_open in by_flow),
    )


@given(
    flows=st.integers(1, 4),
    fates=st.lists(st.tuples(st.integers(1, 90), st.one_of(st.none(), st.integers(0, 250))), max_size=40),
    rest=st.integers(0, 300),
    mark=st.integers(0, 1500),
)
def test_it_is_what_looking_at_everything_gives(flows: int, fates: list[tuple[int, int | None]], rest: int, mark: int) -> None:
    packets: list[Sent] = []
    for wait, arrives in fates:
        packets.append(Sent((packets[-1].at if packets else 0) + wait, arrives))
    now = (packets[-1].at if packets else 0) + rest
    mark = min(mark, now)
    stream = Stream(flows)
    for time in range(now + 1):
        for packet in packets:
            if packet.at == time:
                stream.send(time * PER_MS)
        for number, packet in enumerate(packets):
            if packet.arrives is not None and packet.at + packet.arrives == time:
                stream.arrived(number)
        stream.expire(time * PER_MS)
        if time == mark:
            stream.mark(time * PER_MS)
    reading = stream.read(now * PER_MS)
    assert (reading.lost, reading.longest_gap_ms, reading.total_gap_ms, reading.open) == slow(flows, packets, now, mark)
    assert reading.sent >= reading.received + reading.lost
