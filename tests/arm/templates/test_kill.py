"""kill -9 while a deployment runs: what was answered is there, and whoever starts next ends with the whole network.

The child has a state file of SQLite's, as `dualhome serve` has, and tells through a pipe of each resource that it has made; it is killed at some instant. Then
the state is opened anew: all that was told of must be in it; the deployment goes on by itself and ends with the same network as one that nobody killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import Any, Final

import pytest

from dualhome.arm.backend import Backend, Simulated
from dualhome.arm.http.deployments import DeploymentRequests
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.kinds.base import Context
from dualhome.arm.records import Records
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import SqliteStore
from tests.arm.azure import GROUP, SUBSCRIPTION, TENANT
from tests.arm.templates.resources import body, template

INSTANTS: Final = 200
BATCHES: Final = 8  # tests, so that cores share them
RESOURCES: Final = 25
ID: Final = f"{GROUP}/providers/Microsoft.Resources/deployments/d1"
NETWORK: Final = "Microsoft.Network"


def hub_and_spokes() -> dict[str, Any]:
    """A hub with six spokes, peered both ways, a machine's NIC in each."""
    spoke = "[resourceId('Microsoft.Network/virtualNetworks', format('spoke{0}', copyIndex()))]"
    loop = {"name": "l", "count": 6}
    kind = {"apiVersion": "2025-07-01"}
    network = {**kind, "type": f"{NETWORK}/virtualNetworks", "location": "westeurope"}
    peering = {**kind, "type": f"{NETWORK}/virtualNetworks/virtualNetworkPeerings", "dependsOn": ["hub", spoke]}
    subnet = "[resourceId('Microsoft.Network/virtualNetworks/subnets', format('spoke{0}', copyIndex()), 's')]"
    return template(
        [
            {**network, "name": "hub", "properties": {"addressSpace": {"addressPrefixes": ["10.255.0.0/16"]}}},
            {
                **network, "name": "[format('spoke{0}', copyIndex())]", "copy": loop, "tags": {"run": "[parameters('run')]"},
                "properties": {
                    "addressSpace": {"addressPrefixes": ["[format('10.{0}.0.0/16', copyIndex())]"]},
                    "subnets": [{"name": "s", "properties": {"addressPrefix": "[format('10.{0}.0.0/24', copyIndex())]"}}],
                },
            },
            {**peering, "name": "[format('hub/to{0}', copyIndex())]", "copy": {**loop, "name": "m"}, "properties": {"remoteVirtualNetwork": {"id": spoke}}},
            {
                **peering, "name": "[format('spoke{0}/to-hub', copyIndex())]", "copy": {**loop, "name": "n"},
                "properties": {"remoteVirtualNetwork": {"id": "[resourceId('Microsoft.Network/virtualNetworks', 'hub')]"}},
            },
            {
                **kind, "type": f"{NETWORK}/networkInterfaces", "location": "westeurope", "name": "[format('nic{0}', copyIndex())]", "dependsOn": [spoke],
                "copy": {**loop, "name": "o"}, "properties": {"ipConfigurations": [{"name": "i", "properties": {"subnet": {"id": subnet}}}]},
            },
        ],
        parameters={"run": {"type": "string", "defaultValue": "[newGuid()]"}},
    )  # fmt: skip


class Process:
    """What a server has, upon a state file."""

    def __init__(self, file: Path) -> None:
        self.store = SqliteStore(file)
        settings = Settings(subscription=SUBSCRIPTION, tenant=TENANT)
        self.records = Records(self.store)
        context = Context(self.records, Backend(self.records, Simulated()), time.time, settings.shared())
        self.service = Service(context)
        self.requests = DeploymentRequests(self.service, settings, self.store)
        self.deployments = self.requests.deployments

    async def go_on(self) -> str:
        await self.requests.resume()
        return (await self.deployments.finished(ID)).state

    def network(self) -> dict[str, Any]:
        """All that there is, by its key."""
        return {each.key: (each.body.get("location"), each.properties) for each in self.records}


def _child(file: Path, told: int) -> None:
    """Deploy, and tell of each resource that was made."""
    process = Process(file)
    target: Any = process.deployments.target
    put = target.put

    async def tell(id_: str, wanted: Any, version: str) -> Any:
        found = await put(id_, wanted, version)
        os.write(told, id_.encode() + b"\n")
        return found

    target.put = tell

    async def work() -> None:
        await process.deployments.begin(ID, body(hub_and_spokes()))
        os.write(told, b"accepted\n")
        await process.deployments.finished(ID)

    asyncio.run(work())


def _killed_after(file: Path, count: int, seconds: float) -> list[str]:
    """What a process told of that was killed so long after it had told of so many."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _child(file, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        told = [line.strip() for _, line in zip(range(count), lines, strict=False)]
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [*told, *lines.read().split()]


def _fresh(file: Path) -> None:
    process = Process(file)
    process.service.put(ResourceId.parse(GROUP), {"location": "westeurope"})
    process.store.close()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_is_lost_and_nothing_stays_half_built(batch: int, tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    _fresh(whole)
    process = Process(whole)

    async def work() -> str:
        await process.deployments.begin(ID, body(hub_and_spokes()))
        return (await process.deployments.finished(ID)).state

    assert asyncio.run(work()) == "Succeeded"
    expected = process.network()
    assert len(expected) == RESOURCES + 6 + 1  # subnets within their networks, and the group
    chance = random.Random(batch)
    for turn in range(INSTANTS // BATCHES):
        file = tmp_path / f"{turn}.db"
        _fresh(file)
        told = _killed_after(file, chance.randrange(RESOURCES + 2), chance.uniform(0.0, 0.004))
        _check(file, told, expected)


def _check(file: Path, told: list[str], expected: dict[str, Any]) -> None:
    process = Process(file)
    for each in told:
        if each != "accepted":
            assert process.records.get(each) is not None, f"{each} was made, and is lost"
    if process.deployments.get(ID) is None:
        assert told == [], "the deployment was accepted, and is lost"
    else:
        assert asyncio.run(process.go_on()) == "Succeeded"
        assert process.network().keys() == expected.keys()
        runs = {str(each.body["tags"]["run"]) for each in process.records if key_of(each.id).rpartition("/")[2].startswith("spoke")}
        assert len(runs) == 1, "what was made after the crash has another GUID"
        states = {
            process.service.show(each)["properties"]["peeringState"]
            for each in process.records.of_type("Microsoft.Network/virtualNetworks/virtualNetworkPeerings")
        }
        assert states == {"Connected"}
    process.store.close()
