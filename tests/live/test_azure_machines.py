"""Routers that custom data and scripts make of machines, live: FRR and BIRD run in the machine's namespace, with the very file that was written there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from dualhome.arm.client import Client
from dualhome.live import machine
from tests.arm.guests.test_guests import BIRD, FRR
from tests.arm.served import Served, served, until

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool([*machine.missing()]), reason="; ".join(machine.missing()) or "live")]


class Lab:
    """A network with a route server and one machine at 10.1.2.4, its peer."""

    def __init__(self, server: Served) -> None:
        self.client = Client.of_owner()
        self.group = f"/subscriptions/{server.subscription}/resourceGroups/rg"
        self.put(self.group)
        space = (("RouteServerSubnet", "10.1.0.0/26"), ("nva", "10.1.2.0/24"), ("vm", "10.1.3.0/24"))
        subnets = [{"name": name, "properties": {"addressPrefix": prefix}} for name, prefix in space]
        self.put("virtualNetworks/hub", {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": subnets})
        self.put("virtualHubs/rs", {"sku": "Standard"})
        self.put("virtualHubs/rs/ipConfigurations/Default", {"subnet": self.ref("virtualNetworks/hub/subnets/RouteServerSubnet")})
        self.put("virtualHubs/rs/bgpConnections/nva", {"peerIp": "10.1.2.4", "peerAsn": 65001})
        self.nic("vm-nic", "vm", False)

    def path(self, path: str) -> str:
        return (
            path
            if path.startswith("/")
            else f"{self.group}/providers/{path if path.startswith('Microsoft.') else f'Microsoft.Network/{path}'}"
        )

    def ref(self, path: str) -> dict[str, str]:
        return {"id": self.path(path)}

    def put(self, path: str, properties: dict[str, Any] | None = None) -> Any:
        return self.client.ask(
            "PUT", f"{self.path(path)}?api-version=2025-07-01", {"location": "westeurope", "properties": properties or {}}
        )

    def post(self, path: str, body: object = None) -> Any:
        return self.client.ask("POST", f"{self.path(path)}?api-version=2025-07-01", body)

    def nic(self, name: str, subnet: str, forwards: bool) -> None:
        part = {"name": "one", "properties": {"subnet": self.ref(f"virtualNetworks/hub/subnets/{subnet}")}}
        self.put(f"networkInterfaces/{name}", {"enableIPForwarding": forwards, "ipConfigurations": [part]})

    def machine(self, custom_data: str | None) -> None:
        self.nic("nva-nic", "nva", True)
        profile = {"computerName": "nva", "adminUsername": "u"} | (
            {"customData": base64.b64encode(custom_data.encode()).decode()} if custom_data else {}
        )
        nics = [self.ref("networkInterfaces/nva-nic")]
        self.put(
            "Microsoft.Compute/virtualMachines/nva",
            {"hardwareProfile": {"vmSize": "Standard_B1s"}, "networkProfile": {"networkInterfaces": nics}, "osProfile": profile},
        )

    def run(self, *lines: str) -> str:
        return str(
            self.post("Microsoft.Compute/virtualMachines/nva/runCommand", {"commandId": "RunShellScript", "script": list(lines)})["value"][
                0
            ]["message"]
        )

    def learned(self) -> dict[str, str]:
        rows = self.post("virtualHubs/rs/bgpConnections/nva/learnedRoutes")["RouteServiceRole_IN_0"]
        return {row["network"]: row["asPath"] for row in rows}


def test_frr_by_cloud_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    with served(tmp_path, engine="live") as server:
        lab = Lab(server)
        lab.machine(FRR)
        wanted = {"0.0.0.0/0": "65001-65001-65001"}  # FRR has no route to 172.16.0.0/16
        assert until(lambda: lab.learned() == wanted, 60), lab.learned()
        assert "10.1.0.4" in lab.run("sudo vtysh -c 'show bgp summary'")
        assert "eth0" in lab.run("ip -br link")
        found = lab.post("networkInterfaces/vm-nic/effectiveRouteTable")["value"]
        assert [row["nextHopIpAddress"] for row in found if row["addressPrefix"] == ["0.0.0.0/0"] and row["state"] == "Active"] == [
            ["10.1.2.4"]
        ]
        lab.post("Microsoft.Compute/virtualMachines/nva/powerOff")
        assert until(lambda: lab.learned() == {}, 30)


def test_bird_by_run_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    with served(tmp_path, engine="live") as server:
        lab = Lab(server)
        lab.machine(None)
        assert "done" in lab.run(*BIRD.splitlines())
        assert until(lambda: lab.learned() == {"192.168.0.0/16": "65001-65001"}, 60), lab.learned()
        assert "Established" in lab.run("birdc show protocols")


def test_frr_at_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vtysh is told is the configuration, a network of the machine's own loopback is announced, and a service that was stopped is stopped."""
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    peers = [line for n in (4, 5) for line in (f"neighbor 10.1.0.{n} remote-as 65515", f"neighbor 10.1.0.{n} ebgp-multihop")]
    with served(tmp_path, engine="live") as server:
        lab = Lab(server)
        lab.machine(None)
        lab.run(
            "sudo ip addr add 192.0.2.1/32 dev lo",
            "vtysh <<X",
            "conf t",
            "router bgp 65001",
            "no bgp ebgp-requires-policy",
            *peers,
            "exit",
            "exit",
            "wr",
            "X",
        )
        assert until(lambda: "10.1.0.4" in lab.run("sudo vtysh -c 'show bgp summary'"), 30)
        lab.run("vtysh -c 'conf t' -c 'router bgp 65001' -c 'address-family ipv4 unicast' -c 'network 192.0.2.1/32'")
        assert until(lambda: lab.learned() == {"192.0.2.1/32": "65001"}, 60), lab.learned()
        lab.run("sudo systemctl stop frr")
        assert until(lambda: lab.learned() == {}, 30)
        assert "failed to connect to any daemons" in lab.run("vtysh -c 'show bgp summary'")


def test_what_a_machine_has_set_up_stays_when_it_becomes_a_router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual machine with an address on its loopback, a rule of nftables and a daemon; then its NIC forwards, and FRR speaks in it."""
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    with served(tmp_path, engine="live") as server:
        lab = Lab(server)
        lab.client.ask("DELETE", f"{lab.path('virtualHubs/rs/bgpConnections/nva')}?api-version=2025-07-01")
        lab.machine(None)
        lab.nic("nva-nic", "nva", False)
        lab.run(
            "ip addr add 192.0.2.1/32 dev lo; iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE; setsid sleep 4321 >/dev/null 2>&1 &"
        )
        ask = (
            "ip -br addr show lo",
            "nft list ruleset | grep -c masquerade",
            "pgrep -fc '^sleep 4321'",
            "ip -j route show default",
            "stat -Lc %i /proc/self/ns/net",
        )
        before = lab.run(*ask)
        lab.nic("nva-nic", "nva", True)
        lab.put("virtualHubs/rs/bgpConnections/nva", {"peerIp": "10.1.2.4", "peerAsn": 65001})
        peers = [f" neighbor 10.1.0.{n} {word}" for n in (4, 5) for word in ("remote-as 65515", "ebgp-multihop")]
        text = ["router bgp 65001", " no bgp ebgp-requires-policy", *peers, " address-family ipv4 unicast", "  network 192.0.2.1/32"]
        lab.run("cat >/etc/frr/frr.conf <<X", *text, "X")
        assert until(lambda: lab.learned() == {"192.0.2.1/32": "65001"}, 60), lab.learned()
        after = lab.run(*ask)
        assert after.replace('"metric":4026531840,', "") == before
        assert '"metric":4026531840,' in after  # what FRR would have as a default route goes before ours
