"""kill -9 of the whole server, over and over, while clients put resources and templates over HTTPS: whatever was answered is there after the next start, nothing
is half built, deployments end by themselves, and the network is what the resources say.

A few instants by default, each run another seed; DUALHOME_KILLS=200 for a long look, DUALHOME_SEED to see one again.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Final

from tests.arm.served import Served, start

KILLS: Final = int(os.environ.get("DUALHOME_KILLS", "6"))
SEED: Final = int(os.environ.get("DUALHOME_SEED", str(random.SystemRandom().randrange(10**6))))
GONE: Final = (OSError, http.client.HTTPException, ssl.SSLError)
VERSION: Final = "?api-version=2024-05-01"
SPOKES: Final = 5


def template(run: int) -> dict[str, Any]:
    """A hub and spokes peered both ways, all of which say which run made them."""
    spoke = "[resourceId('Microsoft.Network/virtualNetworks', format('spoke{0}', copyIndex()))]"
    kind = {"apiVersion": "2024-05-01"}
    network = {**kind, "type": "Microsoft.Network/virtualNetworks", "location": "westeurope", "tags": {"run": str(run)}}
    peering = {**kind, "type": "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", "dependsOn": ["hub", spoke]}
    loops = [{"name": name, "count": SPOKES} for name in "abc"]
    hub = "[resourceId('Microsoft.Network/virtualNetworks', 'hub')]"
    resources = [
        {**network, "name": "hub", "properties": {"addressSpace": {"addressPrefixes": ["10.255.0.0/16"]}}},
        {
            **network,
            "name": "[format('spoke{0}', copyIndex())]",
            "copy": loops[0],
            "properties": {"addressSpace": {"addressPrefixes": ["[format('10.{0}.0.0/16', copyIndex())]"]}},
        },
        {**peering, "name": "[format('hub/to{0}', copyIndex())]", "copy": loops[1], "properties": {"remoteVirtualNetwork": {"id": spoke}}},
        {**peering, "name": "[format('spoke{0}/hub', copyIndex())]", "copy": loops[2], "properties": {"remoteVirtualNetwork": {"id": hub}}},
    ]
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    return {"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}


class Wire:
    """One connection that outlives no server."""

    def __init__(self, server: Served, token: str) -> None:
        host, _, port = server.url.removeprefix("https://").partition(":")
        self._wire = http.client.HTTPSConnection(host, int(port), context=server.trust(), timeout=20)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON. One of GONE where the server went."""
        self._wire.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._wire.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


class Writer(threading.Thread):
    """Puts route tables, changes and deletes them; `sure` is what was answered, `open` what was asked when the server went."""

    def __init__(self, server: Served, token: str, group: str, name: str, sure: dict[str, str | None], rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._wire, self._group, self._name, self.sure, self._rng = Wire(server, token), group, name, sure, rng
        self.open: tuple[str, str | None] | None = None
        self.wrong: list[Any] = []

    def run(self) -> None:
        for number in range(100_000):
            path = f"{self._group}/providers/Microsoft.Network/routeTables/{self._name}{self._rng.randrange(12)}"
            value = None if self._rng.random() < 0.25 else f"{number}-{self._rng.random()}"
            self.open = path, value
            body = {"location": "westeurope", "tags": {"value": value}, "properties": {"routes": [route(n) for n in range(3)]}}
            try:
                status, said = self._wire.ask("DELETE", path + VERSION) if value is None else self._wire.ask("PUT", path + VERSION, body)
            except GONE:
                return
            if status not in (200, 201, 202, 204):
                self.wrong.append((status, said))
                return
            self.sure[path], self.open = value, None


def route(number: int) -> dict[str, Any]:
    return {"name": f"r{number}", "properties": {"addressPrefix": f"10.{number}.0.0/16", "nextHopType": "None"}}


def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    print(f"DUALHOME_SEED={SEED}")
    rng = random.Random(SEED)
    server = start(tmp_path)
    sure: dict[str, str | None] = {}
    asked: dict[str, Any] = {}
    try:
        token = server.token()
        group = f"/subscriptions/{server.subscription}/resourceGroups/rg"
        assert Wire(server, token).ask("PUT", group + VERSION, {"location": "westeurope"})[0] == 201
        for run in range(KILLS):
            writers = [Writer(server, token, group, name, sure, random.Random(rng.random())) for name in ("x", "y")]
            for each in writers:
                each.start()
            name = f"{group}/providers/Microsoft.Resources/deployments/d{run}"
            done = threading.Thread(target=_deploy, args=(server, token, name, run, asked), daemon=True)
            done.start()
            time.sleep(rng.uniform(0.02, 0.9))
            server.kill()
            for each in writers:
                each.join(30)
                assert not each.wrong, each.wrong
            done.join(30)
            server = start(tmp_path)
            _check(server, token, writers, sure, asked)
        print(f"{KILLS} kills, {len(sure)} tables, {len(asked)} deployments")
        assert sure
    finally:
        server.kill()


def _deploy(server: Served, token: str, name: str, run: int, asked: dict[str, Any]) -> None:
    """Ask for a deployment; `asked` is told once it is answered that it is accepted."""
    try:
        status, said = Wire(server, token).ask("PUT", name + VERSION, {"properties": {"mode": "Incremental", "template": template(run)}})
    except GONE:
        return
    assert status in (200, 201), said
    asked[name] = run


def _check(server: Served, token: str, writers: list[Writer], sure: dict[str, str | None], asked: dict[str, Any]) -> None:
    wire = Wire(server, token)
    in_doubt = {each.open[0]: each.open[1] for each in writers if each.open}
    for path, value in sure.items():
        status, found = wire.ask("GET", path + VERSION)
        shown = found["tags"]["value"] if status == 200 else None
        assert shown == value or (path in in_doubt and shown == in_doubt[path]), (path, shown, value, in_doubt.get(path))
        if status == 200:
            assert len(found["properties"]["routes"]) == 3, "half of it"
            assert found["properties"]["provisioningState"] == "Succeeded"
        sure[path] = shown
    for name in asked:
        end = time.monotonic() + 30
        while (state := wire.ask("GET", name + VERSION)[1]["properties"]["provisioningState"]) not in ("Succeeded", "Failed", "Canceled"):
            assert time.monotonic() < end, f"{name} is {state} for ever"
            time.sleep(0.05)
        assert state == "Succeeded"
    if asked:
        above = next(iter(asked)).partition("/providers/")[0] + "/providers/Microsoft.Network/virtualNetworks"
        networks = {each["name"]: each["properties"] for each in wire.ask("GET", above + VERSION)[1]["value"]}
        assert set(networks) == {"hub", *(f"spoke{n}" for n in range(SPOKES))}
        for values in networks.values():
            assert {each["properties"]["peeringState"] for each in values["virtualNetworkPeerings"]} == {"Connected"}
        assert len(networks["hub"]["virtualNetworkPeerings"]) == SPOKES
