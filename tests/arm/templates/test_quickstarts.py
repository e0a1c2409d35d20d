"""Templates in the style of Azure's quickstarts, whole: deployed, foreseen without a change the second time, and with a network that runs behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.arm.azure import GROUP, Azure, azure
from tests.arm.templates.test_requests import DEPLOYMENTS, send, spliced

FILES = Path(__file__).parent / "files"
SECRETS = {"hub-spoke": '{"adminPassword": {"value": "P@ssw0rd1234!"}}', "vpn": '{"sharedKey": {"value": "abc"}}', "expressroute": "{}"}


def deployed(az: Azure, name: str) -> dict[str, Any]:
    """What a template's deployment shows; validated before."""
    content = spliced((FILES / f"{name}.json").read_text(), SECRETS[name])
    path = f"{GROUP}{DEPLOYMENTS}/{name}"
    answer = send(az, "POST", path + "/validate", content)
    assert answer.status_code == 200, answer.text
    answer = send(az, "PUT", path, content)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = az.get(path)["properties"]
    assert found["provisioningState"] == "Succeeded", found.get("error")
    return found


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_the_second_time_nothing_changes(name: str) -> None:
    with azure() as az:
        first = deployed(az, name)
        content = spliced((FILES / f"{name}.json").read_text(), SECRETS[name])
        changes = send(az, "POST", f"{GROUP}{DEPLOYMENTS}/{name}/whatIf", content).json()["properties"]["changes"]
        assert "NoChange" in {each["changeType"] for each in changes}
        different = [each["resourceId"] for each in changes if each["changeType"] != "NoChange"]
        assert [
            each for each in different if "/Microsoft.Compute/disks/" not in each
        ] == []  # disks come with machines, not by the template
        assert deployed(az, name)["outputs"] == first["outputs"]


def test_hub_and_spoke() -> None:
    """What one spoke sends to the other goes to the NVA in the hub."""
    with azure() as az:
        outputs = deployed(az, "hub-spoke")["outputs"]
        assert outputs["nva"]["value"] == "10.0.1.4"
        assert outputs["machines"]["value"] == ["10.1.0.4", "10.2.0.4"]
        routes = az.post("networkInterfaces/vm-spoke1-nic/effectiveRouteTable")["value"]
        (default,) = [each for each in routes if each["addressPrefix"] == ["0.0.0.0/0"] and each["state"] == "Active"]
        assert (default["source"], default["nextHopType"], default["nextHopIpAddress"]) == ("User", "VirtualAppliance", ["10.0.1.4"])
        parameters = az.get(f"{GROUP}{DEPLOYMENTS}/hub-spoke")["properties"]["parameters"]
        assert parameters["adminPassword"] == {"type": "SecureString"}


def test_vpn_gateways() -> None:
    with azure() as az:
        outputs = deployed(az, "vpn")["outputs"]
        assert outputs["asn"]["value"] == 65515
        assert len(set(outputs["addresses"]["value"])) == 2
        learned = az.post("virtualNetworkGateways/gw/getLearnedRoutes")["value"]
        assert "192.168.0.0/16" in {each["network"] for each in learned}


def test_expressroute() -> None:
    with azure() as az:
        outputs = deployed(az, "expressroute")["outputs"]
        assert outputs["gateway"]["value"].endswith("/virtualNetworkGateways/er-gw")
        assert [each["name"] for each in az.get(f"{GROUP}{DEPLOYMENTS}")["value"]] == ["gateway", "expressroute"]
        assert az.get("connections/to-premises")["properties"]["connectionType"] == "ExpressRoute"
