"""Every question of a kind, on every network that we have: an answer that agrees with the tables, with a rule in it; nothing is ever raised."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

import dualhome
from dualhome.app import Run, node_names
from dualhome.errors import NotSettled, RequestError
from dualhome.explain import Story, session_story, story
from dualhome.forwarding.effective import effective_routes
from dualhome.model import base_name
from dualhome.net import Prefix
from tests.files import ALL, EXAMPLES, OURS


def _name(path: Path) -> str:
    return path.parent.name if path.name == "topology.yaml" else path.stem


FILES = pytest.mark.parametrize("path", [*EXAMPLES, *OURS], ids=_name)


def settled(path: Path, *fail: str) -> Run:
    run = dualhome.load(path).simulate(settle=False)
    for target in (None, *fail):
        if target:
            run.fail(target)
        try:
            run.settle()
        except NotSettled:
            continue  # a network that flaps has answers too
    return run


def nodes(run: Run) -> list[str]:
    """NICs, gateways, speakers."""
    return list(dict.fromkeys([*(nic.name for nic in run.network.nics()), *run.network.gateways, *run.plan.speakers]))


def prefixes(run: Run) -> list[Prefix]:
    """What anyone is to announce."""
    return list(dict.fromkeys(prefix for speaker in run.plan.speakers.values() for prefix in speaker.config.origins))


def has(run: Run, node: str, prefix: Prefix) -> bool:
    """Whether tables have the route: an NVA that speaks, its own; a machine or a gateway, its effective routes, but for what is there anyway (R45)."""
    engine, gateway = run.engine, base_name(node) in run.network.gateways
    speaks = node in engine.speakers and not gateway
    own = speaks and engine.alive(node) and any(route.best for route in engine.table(node, prefix))
    if own or (speaks and (run.network.nic(node) is None or engine.plan.speakers[node].config.peers or not engine.alive(node))):
        return own
    rows = [row for row in effective_routes(engine, node) if row.prefix == prefix and row.state == "Active"]
    return any(row.source != "Default" or row.next_hop_type not in ("None", "Internet") for row in rows)


def names_a_rule(told: Story) -> bool:
    return any(step.rule for step in (*told.steps, *told.refusals))


@pytest.mark.parametrize("path", ALL, ids=_name)
@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
def test_every_route_of_every_node_has_a_story_that_agrees_with_the_tables(path: Path, broken: bool) -> None:
    """Also while an NVA or a router is down."""
    run = settled(path)
    if broken:
        run = settled(path, next(iter([*run.network.nvas, *run.network.on_premises, *run.network.gateways])))
    for node, prefix in product(nodes(run), prefixes(run)):
        told = story(run.engine, node, prefix)
        assert (" not have " not in told.question) == has(run, node, prefix), (node, prefix, told.lines())
        assert names_a_rule(told), (node, prefix, told.lines())


@FILES
def test_every_other_way_has_an_answer(path: Path) -> None:
    run = settled(path)
    for node, prefix, via in product(nodes(run), prefixes(run), node_names(run.network)):
        told = story(run.engine, node, prefix, via)
        assert names_a_rule(told) or told.answer == f"{via} is {node} itself", (node, prefix, via, told.lines())


@FILES
def test_every_pair_of_nodes_has_an_answer_about_its_session(path: Path) -> None:
    """Up where the engine says so, down or not there else."""
    run = settled(path)
    for one, other in product(node_names(run.network), repeat=2):
        told = session_story(run.engine, f"{one}/{other}")
        states = {view.state for view in run.sessions(f"{one}/{other}")} or {view.state for view in run.sessions(f"{other}/{one}")}
        ends = {frozenset(): "no session", frozenset({"Established"}): "up?"}.get(frozenset(states), "down")
        assert ends in told.question, (one, other, told.lines())


@FILES
def test_every_name_is_a_destination(path: Path) -> None:
    run = settled(path)
    for node, to in product(nodes(run), node_names(run.network)):
        if to not in run.network.hosts() and not run.network.addresses_of(to):
            with pytest.raises(RequestError, match="neither a name of the network nor an address"):
                story(run.engine, node, to)
            continue
        told = story(run.engine, node, to)
        assert names_a_rule(told), (node, to, told.lines())
