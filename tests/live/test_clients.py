"""Clients that dial in at a VPN gateway (point-to-site), in real packets: the gateway answers for all of its pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dualhome.app import LiveRun
from tests.live.running import brought_up, reaches
from tests.rules.test_quirks_gateways import POOL

pytestmark = pytest.mark.live

CLIENTS = POOL.replace("TRANSIT", "false")


@pytest.fixture(scope="module")
def live() -> Iterator[LiveRun]:
    with brought_up(CLIENTS, "clients") as run:
        yield run


def test_machines_and_sites_reach_clients_and_expressroute_does_not(live: LiveRun) -> None:
    """D8."""
    assert [reaches(live, node, "172.31.0.77") for node in ("vm", "desk", "host")] == [True, True, False]
    assert {path.outcome for path in live.paths("vm", "172.31.0.77")} == {"delivered"}
    assert live.audit() == []


def test_another_pool_takes_the_old_ones_place(live: LiveRun) -> None:
    live.change({"virtual_network_gateways": {"vpn": {"point_to_site": {"address_pool": ["172.30.0.0/24"]}}}})
    live.settle(600)
    assert [reaches(live, "vm", address) for address in ("172.31.0.77", "172.30.0.77")] == [False, True]
    assert live.audit() == []
