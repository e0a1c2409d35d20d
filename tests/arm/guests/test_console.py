"""A router's image: custom data is its configuration, run-command types at its prompt. No file systems, so no privilege, are needed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.arm.azure import GROUP, Azure, azure
from tests.arm.kinds import hub

CSR = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/csr"
PASTED = """enable
conf t
! toward the route server, by the inside interface
router bgp 65002
neighbor 10.1.0.4 remote-as 65515
neighbor 10.1.0.4 ebgp-multihop 255
neighbor 10.1.0.5 remote-as 65515
neighbor 10.1.0.5 ebgp-multihop 255
!
address-family ipv4
neighbor 10.1.0.4 activate
neighbor 10.1.0.5 activate
neighbor 10.1.0.4 as-override
neighbor 10.1.0.5 as-override
network 1.1.1.1 mask 255.255.255.255
exit-address-family
!
interface Loopback0
ip address 1.1.1.1 255.255.255.255
exit
ip route 10.1.0.0 255.255.255.0 10.1.3.1
end
wr
"""


@pytest.fixture
def az() -> Iterator[Azure]:
    """A hub with a route server, and a router with two NICs whose second is the peer."""
    with azure() as found:
        hub.network(found)
        hub.route_server(found)
        found.put("virtualHubs/rs/bgpConnections/csr", {"peerIp": "10.1.3.4", "peerAsn": 65002})
        hub.nic(found, "outside", "hub/subnets/nva")
        hub.nic(found, "inside", "hub/subnets/workload")
        yield found


def make(az: Azure, custom_data: str = "") -> None:
    nics: list[Any] = [
        {**az.id(f"networkInterfaces/{name}"), "properties": {"primary": name == "outside"}} for name in ("outside", "inside")
    ]
    data = {"customData": base64.b64encode(custom_data.encode()).decode()} if custom_data else {}
    image = {"publisher": "cisco", "offer": "cisco-csr-1000v", "sku": "17_3_4a-byol", "version": "latest"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2_v2"},
        "networkProfile": {"networkInterfaces": nics},
        "osProfile": {"computerName": "csr", "adminUsername": "u", **data},
        "storageProfile": {"imageReference": image},
    }
    az.put(CSR, properties)


def typed(az: Azure, *lines: str) -> str:
    answer = az.post(f"{CSR}/runCommand", {"commandId": "RunShellScript", "script": list(lines)})["value"][0]["message"]
    return str(answer).partition("[stdout]\n")[2].partition("\n[stderr]")[0]


def learned(az: Azure) -> dict[str, str]:
    rows = az.post("virtualHubs/rs/bgpConnections/csr/learnedRoutes")["RouteServiceRole_IN_0"]
    return {row["network"]: row["asPath"] for row in rows}


def test_what_is_typed_is_the_router(az: Azure) -> None:
    make(az)
    assert learned(az) == {}
    assert typed(az, *PASTED.splitlines()) == "Building configuration...\n[OK]\n"
    assert learned(az) == {"1.1.1.1/32": "65002"}
    assert "neighbor 10.1.0.5 as-override" in typed(az, "show running-config")
    assert "10.1.0.4          65515   1" in typed(az, "sh ip bgp sum")
    assert "*> 1.1.1.1/32" in typed(az, "show ip bgp")


def test_what_is_taken_back_is_gone(az: Azure) -> None:
    make(az)
    typed(az, *PASTED.splitlines())
    typed(az, "conf t", "ip route 10.9.0.0 255.255.0.0 null0", "router bgp 65002", " network 10.9.0.0 mask 255.255.0.0")
    assert learned(az) == {"1.1.1.1/32": "65002", "10.9.0.0/16": "65002"}
    typed(az, "conf t", "route-map LONGER permit 10", " set as-path prepend 65002 65002", "router bgp 65002")
    typed(az, "conf t", "router bgp 65002", *(f" neighbor 10.1.0.{n} route-map LONGER out" for n in (4, 5)))
    assert set(learned(az).values()) == {"65002-65002-65002"}
    typed(
        az,
        "conf t",
        "router bgp 65002",
        *(f" no neighbor 10.1.0.{n} route-map LONGER out" for n in (4, 5)),
        " no network 1.1.1.1 mask 255.255.255.255",
    )
    assert learned(az) == {"10.9.0.0/16": "65002"}
    typed(az, "conf t", "no ip route 10.9.0.0 255.255.0.0 null0")
    assert learned(az) == {}


def test_what_is_not_understood_is_said(az: Azure) -> None:
    make(az)
    said = typed(az, "conf t", "router bgp 65002", "neighbor 10.1.0.4 remote-as 65515", "frobnicate the router", "show clock")
    assert "% not understood, and without effect: frobnicate the router" in said
    assert "% show clock: this console shows" in said
    assert "frobnicate" not in typed(az, "wr mem")


def test_custom_data_is_its_first_configuration(az: Azure) -> None:
    make(az, PASTED)
    assert learned(az) == {"1.1.1.1/32": "65002"}
    assert az.ask("POST", f"{CSR}/deallocate").status_code == 200
    assert learned(az) == {}
    assert az.ask("POST", f"{CSR}/start").status_code == 200
    assert learned(az) == {"1.1.1.1/32": "65002"}
