"""The ARM surface: how long a large template takes, and how soon an effective route table is there under load; through HTTPS, by its own server process.

`benches/api.py [--networks 500] [--machines 500] [--clients 50] [--json]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

DUALHOME = Path(sys.executable).with_name("dualhome")


def template(networks: int, machines: int) -> dict[str, Any]:
    """A hub, spokes peered with it both ways, a route server in the hub, and machines spread over the spokes."""
    name, spokes = "[format('spoke{0}', copyIndex())]", networks - 1
    prefix = "[format('10.{0}.{1}.0/24', add(1, div(copyIndex(), 250)), mod(copyIndex(), 250))]"
    spoke = f"format('spoke{{0}}', mod(copyIndex(), {spokes}))"
    version = "2024-05-01"
    peering = {"allowForwardedTraffic": True, "allowVirtualNetworkAccess": True}
    resources: list[dict[str, Any]] = [
        {
            "type": "Microsoft.Network/virtualNetworks",
            "apiVersion": version,
            "name": "hub",
            "location": "westeurope",
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                "subnets": [
                    {"name": "RouteServerSubnet", "properties": {"addressPrefix": "10.0.0.0/26"}},
                    {"name": "nva", "properties": {"addressPrefix": "10.0.1.0/24"}},
                ],
            },
        },
        {
            "type": "Microsoft.Network/virtualNetworks",
            "apiVersion": version,
            "name": name,
            "location": "westeurope",
            "copy": {"name": "spokes", "count": spokes},
            "properties": {
                "addressSpace": {"addressPrefixes": [prefix]},
                "subnets": [{"name": "vm", "properties": {"addressPrefix": prefix}}],
            },
        },
        {
            "type": "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
            "apiVersion": version,
            "name": "[format('hub/to{0}', copyIndex())]",
            "copy": {"name": "out", "count": spokes},
            "dependsOn": ["hub", "spokes"],
            "properties": {
                **peering,
                "allowGatewayTransit": True,
                "remoteVirtualNetwork": {"id": "[resourceId('Microsoft.Network/virtualNetworks', format('spoke{0}', copyIndex()))]"},
            },
        },
        {
            "type": "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
            "apiVersion": version,
            "name": "[format('spoke{0}/back', copyIndex())]",
            "copy": {"name": "back", "count": spokes},
            "dependsOn": ["out", "place"],
            "properties": {
                **peering,
                "useRemoteGateways": True,
                "remoteVirtualNetwork": {"id": "[resourceId('Microsoft.Network/virtualNetworks', 'hub')]"},
            },
        },
        {
            "type": "Microsoft.Network/virtualHubs",
            "apiVersion": version,
            "name": "rs",
            "location": "westeurope",
            "properties": {"sku": "Standard"},
        },
        {
            "type": "Microsoft.Network/virtualHubs/ipConfigurations",
            "apiVersion": version,
            "name": "rs/Default",
            "dependsOn": ["rs", "hub"],
            "copy": {"name": "place", "count": 1},
            "properties": {"subnet": {"id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'hub', 'RouteServerSubnet')]"}},
        },
        {
            "type": "Microsoft.Network/networkInterfaces",
            "apiVersion": version,
            "name": "[format('nic{0}', copyIndex())]",
            "location": "westeurope",
            "copy": {"name": "nics", "count": machines},
            "dependsOn": ["spokes"],
            "properties": {
                "ipConfigurations": [
                    {
                        "name": "one",
                        "properties": {"subnet": {"id": f"[resourceId('Microsoft.Network/virtualNetworks/subnets', {spoke}, 'vm')]"}},
                    }
                ]
            },
        },
        {
            "type": "Microsoft.Compute/virtualMachines",
            "apiVersion": "2024-07-01",
            "name": "[format('vm{0}', copyIndex())]",
            "location": "westeurope",
            "copy": {"name": "vms", "count": machines},
            "dependsOn": ["nics"],
            "properties": {
                "hardwareProfile": {"vmSize": "Standard_B1s"},
                "networkProfile": {
                    "networkInterfaces": [{"id": "[resourceId('Microsoft.Network/networkInterfaces', format('nic{0}', copyIndex()))]"}]
                },
            },
        },
    ]
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    return {"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}


class Client:
    """One connection that stays."""

    def __init__(self, url: str, trust: ssl.SSLContext, token: str = "") -> None:
        parts = urlsplit(url)
        self.host, self.port, self.trust, self.token = parts.hostname or "localhost", parts.port or 443, trust, token
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", type_: str = "application/json") -> tuple[int, bytes]:
        """Status and body."""
        if self._ends is None:
            self._ends = await asyncio.open_connection(self.host, self.port, ssl=self.trust, server_hostname="localhost")
        reading, writing = self._ends
        bearer = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        writing.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{bearer}Content-Type: {type_}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reading.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = next((int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length:")), 0)
        return int(head[0].split()[1]), await reading.readexactly(length)


async def measure(options: argparse.Namespace, url: str, home: Path) -> dict[str, Any]:
    """All figures."""
    given = json.loads((home / "serve" / "credentials.json").read_text())
    trust = ssl.create_default_context(cafile=home / "serve" / "ca.pem")
    client = Client(url, trust)
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": given["client_id"],
            "client_secret": given["client_secret"],
            "scope": f"{url}/.default",
        }
    )
    _, text = await client.ask("POST", f"/{given['tenant_id']}/oauth2/v2.0/token", form.encode(), "application/x-www-form-urlencoded")
    client.token = json.loads(text)["access_token"]
    group = f"/subscriptions/{given['subscription_id']}/resourceGroups/rg"
    await client.ask("PUT", f"{group}?api-version=2024-11-01", b'{"location": "westeurope"}')
    body = json.dumps(
        {"properties": {"mode": "Incremental", "template": template(options.networks, options.machines), "parameters": {}}}
    ).encode()
    begun = time.monotonic()
    name = f"{group}/providers/Microsoft.Resources/deployments/big"
    status, text = await client.ask("PUT", f"{name}?api-version=2024-11-01", body)
    assert status in (200, 201), text
    while True:
        shown = json.loads((await client.ask("GET", f"{name}?api-version=2024-11-01"))[1])
        if shown["properties"]["provisioningState"] not in ("Accepted", "Running"):
            break
        await asyncio.sleep(0.1)
    deployed = time.monotonic() - begun
    assert shown["properties"]["provisioningState"] == "Succeeded", shown["properties"].get("error")
    table = f"{group}/providers/Microsoft.Network/networkInterfaces/nic{{}}/effectiveRouteTable?api-version=2024-05-01"
    begun = time.monotonic()
    status, text = await client.ask("POST", table.format(0))
    first = time.monotonic() - begun
    rows = len(json.loads(text)["value"])
    taken: list[float] = []

    async def load(number: int) -> None:
        one = Client(url, trust, client.token)
        await one.ask("POST", table.format(number))
        for place in range(options.requests):
            at = time.monotonic()
            status, _ = await one.ask("POST", table.format((number * 7 + place) % options.machines))
            assert status == 200
            taken.append(time.monotonic() - at)

    begun = time.monotonic()
    await asyncio.gather(*(load(number) for number in range(options.clients)))
    whole = time.monotonic() - begun
    taken.sort()
    return {
        "networks": options.networks,
        "peerings": 2 * (options.networks - 1),
        "machines": options.machines,
        "deployment_s": round(deployed, 2),
        "first_table_s": round(first, 2),
        "rows_of_a_table": rows,
        "clients": options.clients,
        "requests_per_s": round(len(taken) / whole),
        "median_ms": round(statistics.median(taken) * 1000, 1),
        "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 1),
    }


def main() -> None:
    """Start a server, measure, end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=40, help="of each client")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        command = [str(DUALHOME), "serve", "--engine", "simulated", "--port", "0"]
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                command, env={**os.environ, "DUALHOME_HOME": directory}, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            found = asyncio.run(measure(options, url, home))
        finally:
            process.terminate()
            process.wait()
    if options.json:
        print(json.dumps(found))
        return
    print(
        f"deployment of {found['networks']} virtual networks, {found['peerings']} peerings, {found['machines']} machines: {found['deployment_s']} s"
    )
    print(f"first effective route table after it: {found['first_table_s']} s ({found['rows_of_a_table']} rows)")
    print(f"{found['clients']} clients: {found['requests_per_s']} tables/s, median {found['median_ms']} ms, p99 {found['p99_ms']} ms")


if __name__ == "__main__":
    main()
