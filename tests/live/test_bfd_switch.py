"""Groups without a port that was lost, on a fabric in memory."""

import json

import pytest

from dualhome.errors import RequestError
from dualhome.fabric.backend import Batch
from dualhome.fabric.memory import Memory
from dualhome.fabric.state import Drop, Group, Hop, NextHops, Reason
from dualhome.live.bfd_switch import BackendGroups, GroupSwitch
from dualhome.live.bfd_words import Forget, Remove, Stop, error_id, read


def hops(*ports: int) -> NextHops:
    return NextHops(tuple(Hop(port=port) for port in ports))


class Fabric:
    def __init__(self, **groups: Group) -> None:
        self.memory = Memory()
        self.write(**groups)
        self.switch = GroupSwitch(BackendGroups(self.memory))

    def write(self, **groups: Group) -> None:
        self.memory.apply([Batch("groups", put=[(int(name[1:]), group) for name, group in groups.items()])])

    def groups(self) -> dict[int, Group]:
        return self.memory.read().groups


def test_a_lost_port_leaves_groups_that_have_others_and_comes_back() -> None:
    fabric = Fabric(g1=hops(16, 17), g2=hops(16), g3=hops(17, 18), g4=Drop(Reason.NO_ROUTE))
    before = fabric.groups()
    fabric.switch.lose(16)
    assert fabric.groups() == before | {1: hops(17)}
    fabric.switch.regain(16)
    assert fabric.groups() == before


def test_what_somebody_wrote_since_is_left_alone() -> None:
    fabric = Fabric(g1=hops(16, 17))
    fabric.switch.lose(16)
    fabric.write(g1=hops(17, 18))
    fabric.switch.regain(16)
    assert fabric.groups() == {1: hops(17, 18)}


def test_what_somebody_confirmed_is_left_alone() -> None:
    fabric = Fabric(g1=hops(16, 17))
    fabric.switch.lose(16)
    fabric.switch.forget(16)
    fabric.switch.regain(16)
    assert fabric.groups() == {1: hops(17)}


@pytest.mark.parametrize("first", [16, 17])
def test_ports_come_back_in_any_order(first: int) -> None:
    fabric = Fabric(g1=hops(16, 17, 18))
    fabric.switch.lose(16)
    fabric.switch.lose(17)
    assert fabric.groups() == {1: hops(18)}
    fabric.switch.regain(first)
    assert fabric.groups() == {1: hops(first, 18)}
    fabric.switch.regain(33 - first)
    assert fabric.groups() == {1: hops(16, 17, 18)}


def test_the_last_hop_stays_and_the_first_that_comes_back_replaces_it() -> None:
    fabric = Fabric(g1=hops(16, 17))
    fabric.switch.lose(16)
    fabric.switch.lose(17)
    assert fabric.groups() == {1: hops(17)}
    fabric.switch.regain(16)
    assert fabric.groups() == {1: hops(16)}


def test_commands_are_read_and_wrong_ones_say_why() -> None:
    assert read('{"remove": "a"}') == Remove("a")
    assert read('{"forget": 17}') == Forget(17)
    assert read('{"stop": true}') == Stop()
    fields = {"id": "a", "namespace": "", "local": "10.0.0.1", "remote": "10.0.0.2", "interval_ms": 50, "multiplier": 300}
    wrong = {"multiplier of 300": fields, "not of one version": fields | {"remote": "fd00::1"}, "remote is missing": {"local": "10.0.0.1"}}
    for words, add in wrong.items():
        with pytest.raises(RequestError, match=words):
            read(json.dumps({"add": add}))
    with pytest.raises(RequestError, match="neither"):
        read("[]")
    assert error_id(json.dumps({"add": fields})) == "a"
