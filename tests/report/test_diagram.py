"""Drawings: well-formed, the same each time, with everything in them, and nothing on top of anything else."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from itertools import combinations
from pathlib import Path

import pytest

from dualhome import topology
from dualhome.plan import make_plan
from dualhome.report import diagram
from dualhome.report.layout import Placed, Rect, place
from dualhome.report.mermaid import mermaid
from dualhome.report.scene import Area, Box, Card, Line, Scene, scene
from dualhome.report.svg import svg
from tests.files import EXAMPLES

SVG = "{http://www.w3.org/2000/svg}"


def drawn(file: Path) -> tuple[Scene, Placed]:
    network = topology.load(file).network
    what = scene(network, make_plan(network))
    return what, place(what)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda p: p.parent.name)
def test_an_svg_is_well_formed_and_names_every_node(file: Path) -> None:
    network = topology.load(file).network
    text = diagram.draw(network, make_plan(network), "svg")
    words = [each.text for each in Xml.fromstring(text).iter(f"{SVG}text")]
    for name in (
        *network.virtual_networks,
        *network.nvas,
        *network.route_servers,
        *network.gateways,
        *network.circuits,
        *network.on_premises,
    ):
        assert name in words


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda p: p.parent.name)
def test_nothing_stands_on_anything_else_or_outside(file: Path) -> None:
    _, placed = drawn(file)
    for rects in ([r for _, r in placed.boxes], [r for _, r in placed.areas], [r for _, r in placed.cards]):
        assert not [pair for pair in combinations(rects, 2) if overlap(*pair)]
    for rect in (r for _, r in (*placed.boxes, *placed.areas, *placed.cards)):
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.right <= placed.width
        assert rect.bottom <= placed.height


def overlap(a: Rect, b: Rect) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def test_names_are_escaped() -> None:
    card = Card(name="<b>&", kind="vm", badge="VM", lines=('"x"',))
    box = Box(name="a<b", note="&", columns=((Area(name="s<", note="", cards=(card,)),),))
    odd = Scene(title="</svg><script>", columns=((box,),), lines=())
    assert Xml.fromstring(svg(place(odd))).tag == f"{SVG}svg"
    assert "<script>" not in svg(place(odd))
    assert '"VM #60;b#62;#38;<br/>#34;x#34;"' in mermaid(odd)


def test_many_machines_of_a_subnet_are_one_card() -> None:
    machines = "".join(f"  vm{i}: {{subnet: a/s}}\n" for i in range(20))
    network = topology.parse(
        "version: 1\nname: many\nvirtual_networks: {a: {address_space: [10.0.0.0/16], subnets: {s: 10.0.0.0/24}}}\nvirtual_machines:\n"
        + machines
    ).network
    cards = [card.name for card, _ in place(scene(network, make_plan(network))).cards]
    assert cards == ["vm0", "vm1", "vm2", "vm3", "vm4", "vm5 …"]


def test_a_hundred_boxes_stand_in_several_columns() -> None:
    boxes = tuple(Box(name=f"v{i}", note="", columns=((),)) for i in range(100))
    placed = place(Scene(title="t", columns=(boxes,), lines=(Line(a="v0", b="v99", kind="peering"),)))
    assert len({rect.x for _, rect in placed.boxes}) == 13
    assert len(placed.curves) == 1


def test_mermaid_golden() -> None:
    network = topology.load(EXAMPLES[0]).network
    assert diagram.draw(network, make_plan(network), "mermaid") == GOLDEN


GOLDEN = """\
flowchart LR
  subgraph n0["spoke<br/>10.10.0.0/16"]
    subgraph n0_0["RouteServerSubnet<br/>10.10.0.0/26"]
      n1["RS spoke-rs<br/>10.10.0.4, .5"]
    end
    subgraph n0_1["workload<br/>10.10.1.0/24"]
      n2["VM spoke-vm<br/>10.10.1.4"]
    end
  end
  subgraph n3["hub1<br/>10.1.0.0/16"]
    subgraph n3_0["nva<br/>10.1.2.0/24"]
      n4["NVA hub1-nva<br/>10.1.2.4 · AS 65001"]
    end
  end
  subgraph n5["hub2<br/>10.2.0.0/16"]
    subgraph n5_0["nva<br/>10.2.2.0/24"]
      n6["NVA hub2-nva<br/>10.2.2.4 · AS 65002"]
    end
  end
  n7["WWW internet<br/>the Internet"]
  n8["H branch-host<br/>172.16.4.10"]
  n0 === n3
  n0 === n5
  n1 -.-|BGP| n4
  n1 -.-|BGP| n6
  n4 --- n7
  n6 --- n7
  n4 --- n8
  n6 --- n8
"""
