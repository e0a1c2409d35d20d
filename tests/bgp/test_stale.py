"""Routes that are kept of a session that ended, or until a refresh is through (RFC 4724 section 4.2, RFC 7313 section 4)."""

from dualhome._core import Rib
from tests.bgp.rib_help import announce, config, make, prefix, told

IPV4, IPV6 = (1, 1), (2, 1)


def row(text: str, next_hop: str = "10.0.0.1", path: str = "65101") -> dict[str, object]:
    return {"prefix": text, "next_hop": next_hop, "as_path": path}


def two() -> Rib:
    """Peer 1 announced two prefixes of IPv4, one of IPv6; peer 2 was told of them."""
    rib = make({number: config(number, next_hop="unchanged") for number in (1, 2)})
    rib.peer_down(1)
    rib.peer_down(2)
    for number in (1, 2):
        rib.peer_up(number, four_octet_as=True, families=[IPV4, IPV6], max_message=4096, router_id=f"2.2.2.{number}")
    receive(rib, row("10.0.0.0/8"), row("11.0.0.0/8"), row("fd00::/8", "fd00::1"))
    assert len(told(rib, 2)) == 3
    return rib


def receive(rib: Rib, *rows: dict[str, object]) -> None:
    assert rib.receive(1, announce(*rows)) is None
    rib.process()


def test_kept_routes_stay_in_use_and_those_that_are_not_announced_again_are_swept() -> None:
    rib = two()
    rib.peer_down(1, keep=[IPV4])
    assert rib.process() == 1
    assert told(rib, 2) == ["-fd00::/8"]
    rib.peer_up(1, four_octet_as=True, families=[IPV4, IPV6], max_message=4096, router_id="2.2.2.1")
    receive(rib, row("10.0.0.0/8"))
    assert told(rib, 2) == []
    assert rib.sweep_stale(1, *IPV4) == 1
    rib.process()
    assert told(rib, 2) == ["-11.0.0.0/8"]
    assert rib.counts(1)[0] == 1
    assert rib.sweep_stale(1, *IPV4) == 0


def test_what_is_stale_already_goes_when_the_session_ends_again() -> None:
    rib = two()
    rib.peer_down(1, keep=[IPV4])
    rib.peer_up(1, four_octet_as=True, families=[IPV4], max_message=4096, router_id="2.2.2.1")
    receive(rib, row("11.0.0.0/8"))
    rib.peer_down(1, keep=[IPV4])
    rib.process()
    assert sorted(told(rib, 2)) == ["-10.0.0.0/8", "-fd00::/8"]


def test_another_router_id_of_the_returning_peer_is_its_routes_too() -> None:
    rib = two()
    rib.peer_down(1, keep=[IPV4])
    rib.peer_up(1, four_octet_as=True, families=[IPV4], max_message=4096, router_id="2.2.2.99")
    rib.process()
    assert sorted(told(rib, 2)) == ["-fd00::/8"]
    assert len(rib.received(1)) == 2


def test_a_refresh_marks_and_sweeps_one_family() -> None:
    rib = two()
    rib.mark_stale(1, *IPV4)
    receive(rib, row("10.0.0.0/8", path="65101 7"))
    assert told(rib, 2) == ["10.0.0.0/8 65000 65101 7"]
    assert rib.sweep_stale(1, *IPV4) == 1
    rib.process()
    assert told(rib, 2) == ["-11.0.0.0/8"]
    assert rib.sweep_stale(1, *IPV6) == 0


def test_end_of_rib_is_told_once_by_family() -> None:
    rib = two()
    assert rib.ended(1) == []
    end = bytes.fromhex("ff" * 16 + "001702" + "00000000")
    assert rib.receive(1, end + announce(row("12.0.0.0/8")) + end) is None
    assert rib.ended(1) == [IPV4, IPV4]
    assert rib.ended(1) == []
    assert prefix("12.0.0.0/8") in {r.prefix for r in rib.received(1)}
