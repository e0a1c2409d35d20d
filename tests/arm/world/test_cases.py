"""Every network that our files describe is the same network once it went through the resources, and its rules are Azure's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dualhome import app
from dualhome.arm.exchange.reading import imported
from dualhome.arm.exchange.resources import export_of
from dualhome.arm.exchange.writing import template
from dualhome.model import Network
from tests.files import OURS, SHARED


def ordered(network: Network) -> Network:
    """The order of peerings means nothing."""
    return dataclasses.replace(network, peerings=tuple(sorted(network.peerings, key=lambda each: each.name)))


@pytest.mark.parametrize("file", [*OURS, *SHARED], ids=lambda file: file.stem)
def test_it_is_the_same_network(file: Path, tmp_path: Path) -> None:
    """What Azure refuses of it comes with the fragment, and is the one thing that is left out of the resources."""
    topology = app.load(file).topology
    (tmp_path / "template.json").write_text(template(export_of(topology)))
    back = imported(tmp_path / "template.json")
    assert back.world.topology is not None
    assert ordered(back.world.topology.network) == ordered(topology.network)
    refused = [why.partition(":")[0] for _, why in back.left]
    beyond = any(server.any_peer_asn for server in topology.network.route_servers.values())  # 32-bit ASNs: beyond Azure (R79)
    assert set(refused) <= ({"HubBgpConnectionInvalidPeerAsn"} if beyond else set())


@pytest.mark.parametrize("file", [*OURS, *SHARED], ids=lambda file: file.stem)
def test_resources_alone_hold_what_azure_has_words_for(file: Path, tmp_path: Path) -> None:
    """Without the fragment the virtual networks, gateways and machines' places are there all the same."""
    topology = app.load(file).topology
    whole = json.loads(template(export_of(topology)))
    whole.pop("metadata", None)
    (tmp_path / "template.json").write_text(json.dumps(whole))
    back = imported(tmp_path / "template.json").world.topology
    assert back is not None
    network, wanted = back.network, topology.network
    assert network.virtual_networks == wanted.virtual_networks
    assert network.gateways == wanted.gateways
    assert {each.name: each.address for each in network.nics()} == {each.name: each.address for each in wanted.nics()}
    assert set(network.route_servers) == set(wanted.route_servers)
    assert {each.name for each in network.peerings} == {each.name for each in wanted.peerings}
