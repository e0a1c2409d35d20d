"""Routers' configurations as text: what is read, what is taken back, and that nothing that anybody writes raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.arm.guests.configs import for_namespace, keys_of, originated, read

NAMES = {"10.1.0.4": "rs", "10.1.0.5": "rs", "10.1.9.9": "other"}
BGP = "router bgp 65001\n neighbor 10.1.0.4 remote-as 65515\n neighbor 10.1.0.4 ebgp-multihop 255\n"


def keys(text: str, program: str = "ios", subnets: tuple[str, ...] = ()) -> dict[str, Any]:
    config = read(text, program)
    assert config is not None
    return keys_of(config, NAMES.get, subnets)


def test_a_network_needs_a_route_unless_told_otherwise() -> None:
    text = BGP + " network 10.8.0.0 mask 255.255.0.0\n network 10.9.0.0 mask 255.255.0.0\n network 10.1.3.0 mask 255.255.255.0\n"
    text += "interface Loopback1\n ip address 10.8.0.1 255.255.0.0\n"
    config = read(text, "ios")
    assert config is not None
    assert originated(config, ["10.1.3.0/24"]) == (["10.8.0.0/16", "10.1.3.0/24"], ["10.9.0.0/16"])
    assert keys(text + "router bgp 65001\n no bgp network import-check\n")["originates"] == ["10.8.0.0/16", "10.9.0.0/16", "10.1.3.0/24"]


def test_what_is_connected_is_redistributed() -> None:
    text = BGP + " redistribute connected\ninterface lo\n ip address 1.1.1.1/32\n"
    assert keys(text, subnets=("10.1.3.0/24",))["originates"] == ["1.1.1.1/32", "10.1.3.0/24"]
    assert "originates" not in keys(text + "router bgp 65001\n no redistribute connected\n", subnets=("10.1.3.0/24",))


@pytest.mark.parametrize(
    ("more", "gone"),
    [
        (" neighbor 10.1.0.4 as-override\n", " no neighbor 10.1.0.4 as-override\n"),
        (" neighbor 10.1.0.4 shutdown\n", " no neighbor 10.1.0.4 shutdown\n"),
        (" neighbor 10.1.0.4 default-originate\n", " no neighbor 10.1.0.4 default-originate\n"),
        (" neighbor 10.1.9.9 remote-as 65009\n", " no neighbor 10.1.9.9\n"),
        (" network 0.0.0.0\n", " no network 0.0.0.0\n"),
        (" neighbor 10.1.0.4 timers 10 30\n", " no neighbor 10.1.0.4 timers\n"),
        ("ip route 10.9.0.0 255.255.0.0 null0\n", "no ip route 10.9.0.0 255.255.0.0 null0\n"),
        ("route-map x permit 10\n set as-path prepend 65001\n", "no route-map x\n"),
    ],
)
def test_no_takes_back(more: str, gone: str) -> None:
    assert keys(BGP + more + ("" if gone.startswith(" ") else "router bgp 65001\n") + gone) == keys(BGP)


def test_entries_go_by_their_number_however_they_are_typed() -> None:
    text = BGP + " neighbor 10.1.0.4 prefix-list some out\n"
    one = "ip prefix-list some seq 20 permit 0.0.0.0/0 le 32\nip prefix-list some seq 10 deny 10.0.0.0/8 le 32\n"
    two = "ip prefix-list some seq 10 deny 10.0.0.0/8 le 32\nip prefix-list some seq 20 permit 0.0.0.0/0 le 32\n"
    assert keys(text + one) == keys(text + two)
    twice = "route-map x permit 10\n set metric 5\nroute-map x permit 10\n set metric 7\n"
    rules = keys(BGP + " neighbor 10.1.0.4 route-map x out\n" + twice)["export"]["rs"]
    assert rules[0]["actions"]["med"] == 7
    assert len(rules) == 2  # that entry, and what drops the rest


def test_what_ends_blocks_is_not_given_to_the_program() -> None:
    given = for_namespace(BGP + "exit\n!\nroute-map x permit 10\nexit\nexit\nend\n", "frr").splitlines()
    assert [line for line in given if line in ("exit", "end")] == []
    assert " neighbor 10.1.0.4 remote-as 65515" in given
    assert " no bgp network import-check" in for_namespace(BGP, "quagga").splitlines()


WORDS = (
    "router", "bgp", "65001", "neighbor", "10.1.0.4", "remote-as", "network", "10.0.0.0/8", "mask", "255.0.0.0", "no", "route-map", "permit", "10", "x",
    "ip", "prefix-list", "seq", "set", "as-path", "prepend", "match", "address", "interface", "lo", "end", "exit", "protocol", "{", "}", ";", "filter",
    "if", "then", "accept", "static", "route", "via", "template", "from", "local", "as", "::1", "-1", "99999999999", "peer-group", "community", "in", "out",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=7).map(" ".join), max_size=25).map("\n".join), st.booleans()
)
def test_nothing_that_is_written_raises(text: str, bgp: bool) -> None:
    for program in ("frr", "quagga", "ios", "bird"):
        config = read(("router bgp 65001\n" if bgp else "protocol bgp x {\n") + text, program)
        if config is not None:
            keys_of(config, NAMES.get)
            config.data()
