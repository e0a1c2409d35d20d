"""Virtual machines: their NICs, disks, power, what runs in them, and what goes with them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dualhome.arm.kinds.base import Context
from tests.arm.azure import SUBSCRIPTION, Azure, azure
from tests.arm.kinds.hub import COMPUTE, machine, network, nic, public, route_server

VM = f"{COMPUTE}/virtualMachines/vm"


class Shells:
    """Machines that note what they are told to run, and answer with a code that the script names."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []
        self.said: list[str] = []

    async def boot(self, key: str, custom_data: bytes, image: Mapping[str, Any]) -> None:
        self.said.append(f"boot {key.rpartition('/')[2]} {custom_data.decode()} {image['publisher']}")

    async def run(self, key: str, script: str, parameters: Mapping[str, str], timeout: float) -> tuple[str, str, int]:
        self.ran.append((key.rpartition("/")[2], script))
        return f"out {dict(parameters)}" if parameters else "out", "err", int(script.rpartition("exit ")[2]) if "exit " in script else 0

    async def start(self, key: str) -> None:
        self.said.append("start")

    async def stop(self, key: str) -> None:
        self.said.append("stop")

    async def delete(self, key: str) -> None:
        self.said.append("delete")

    async def learn(self, context: Context, id_: str) -> None:
        self.said.append("learn")


@pytest.fixture
def az() -> Iterator[Azure]:
    with azure() as found:
        network(found)
        yield found


@pytest.fixture
def shells(az: Azure) -> Shells:
    found = Shells()
    az.service.context.settings = {**az.service.context.settings, "guests": found}
    return found


def refused(az: Azure, path: str, properties: dict[str, Any]) -> tuple[int, str]:
    return az.refused("PUT", path, {"location": "westeurope", "properties": properties})


def text(what: str) -> str:
    return base64.b64encode(what.encode()).decode()


# --- making -----------------------------------------------------------------------------------------------------------


def test_a_machine(az: Azure) -> None:
    made = az.put(VM, machine(nic(az, "nic1")))
    properties = made["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert len(properties["vmId"]) == 36
    assert properties["storageProfile"]["osDisk"]["name"].startswith("vm_OsDisk_1_")
    assert az.get("networkInterfaces/nic1")["properties"]["virtualMachine"]["id"] == made["id"]
    disk = az.get(properties["storageProfile"]["osDisk"]["managedDisk"]["id"])
    assert (disk["managedBy"], disk["properties"]["diskState"]) == (made["id"], "Attached")
    again = az.put(VM, machine(nic(az, "nic1")))["properties"]
    assert (again["vmId"], again["storageProfile"]["osDisk"]["name"]) == (
        properties["vmId"],
        properties["storageProfile"]["osDisk"]["name"],
    )
    view = az.get(f"{VM}?$expand=instanceView")["properties"]["instanceView"]
    assert [each["code"] for each in view["statuses"]] == ["ProvisioningState/succeeded", "PowerState/running"]
    assert "instanceView" not in az.get(VM)["properties"]


def test_secrets_are_not_shown(az: Azure) -> None:
    profile = {"computerName": "vm", "adminUsername": "u", "adminPassword": "Secret-1", "customData": text("#!/bin/sh\ntrue")}
    made = az.put(VM, machine(nic(az, "nic1"), osProfile=profile, userData=text("hello")))
    for shown in (made, az.get(VM), az.get(f"{COMPUTE}/virtualMachines"), az.get(f"{VM}?$expand=instanceView")):
        assert "Secret-1" not in str(shown)
        assert profile["customData"] not in str(shown)
        assert text("hello") not in str(shown)
    assert az.get(f"{VM}?$expand=userData")["properties"]["userData"] == text("hello")


def test_machines_that_cannot_be(az: Azure) -> None:
    one, two = nic(az, "nic1"), nic(az, "nic2")
    network(az, "other", "10.2")
    far = nic(az, "far", "other/subnets/nva")
    wrong: list[tuple[dict[str, Any], tuple[int, str]]] = [
        (machine(), (400, "InvalidParameter")),
        (machine(one, hardwareProfile={}), (400, "InvalidParameter")),
        (machine(az.id("networkInterfaces/none")), (400, "InvalidResourceReference")),
        (machine(az.id("virtualNetworks/hub")), (400, "InvalidResourceReference")),
        (machine(one, two), (400, "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary")),
        (machine(one, one), (400, "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary")),
        (machine({**one, "properties": {"primary": True}}, one), (400, "NicInUse")),
        (machine({**one, "properties": {"primary": True}}, far), (400, "SubnetsNotInSameVnet")),
        (machine(one, osProfile={"customData": "%%%"}), (400, "InvalidParameter")),
        (machine(one, userData="%%%"), (400, "InvalidParameter")),
        (machine(one, osProfile={"customData": text("x" * 65537)}), (400, "InvalidParameter")),
    ]
    for properties, answer in wrong:
        assert refused(az, VM, properties) == answer, properties
    assert az.get(f"{COMPUTE}/virtualMachines")["value"] == []


def test_a_nic_is_of_one_machine(az: Azure) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    assert refused(az, f"{COMPUTE}/virtualMachines/second", machine(az.id("networkInterfaces/nic1"))) == (400, "NicInUse")
    assert az.refused("DELETE", "networkInterfaces/nic1") == (400, "NicInUse")


def test_two_nics(az: Azure) -> None:
    outside, inside = nic(az, "outside"), nic(az, "inside", "hub/subnets/workload")
    az.put(VM, machine({**outside, "properties": {"primary": True}}, {**inside, "properties": {"primary": False}}))
    assert [az.get(f"networkInterfaces/{name}")["properties"]["primary"] for name in ("outside", "inside")] == [True, False]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("osProfile", {"computerName": "vm", "adminUsername": "somebody"}),
        ("osProfile", {"computerName": "other", "adminUsername": "azureuser"}),
        ("osProfile", {"computerName": "vm", "adminUsername": "azureuser", "customData": text("other")}),
        ("storageProfile", {"imageReference": {"publisher": "Debian", "offer": "debian-12", "sku": "12", "version": "latest"}}),
    ],
)
def test_what_stays_as_it_was_made(az: Azure, name: str, value: dict[str, Any]) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    assert refused(az, VM, machine(az.id("networkInterfaces/nic1"), **{name: value})) == (409, "PropertyChangeNotAllowed")


def test_sizes_and_tags_may_change(az: Azure) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    answer = az.ask("PATCH", VM, {"properties": {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}}, "tags": {"a": "b"}})
    assert answer.status_code == 200
    shown = az.get(VM)
    assert (shown["properties"]["hardwareProfile"]["vmSize"], shown["tags"]) == ("Standard_D2s_v5", {"a": "b"})
    assert shown["properties"]["osProfile"]["adminUsername"] == "azureuser"


# --- power ------------------------------------------------------------------------------------------------------------


def test_power(az: Azure) -> None:
    """A machine that is off takes its sessions and its routes with it (R115)."""
    route_server(az)
    az.put(VM, machine(nic(az, "nic1")), tags={"dualhome": '{"asn": 65001, "originates": ["10.9.0.0/16"]}'})
    az.put("virtualHubs/rs/bgpConnections/vm", {"peerAsn": 65001, "peerIp": "10.1.2.4"})
    connection = "virtualHubs/rs/bgpConnections/vm"
    assert az.get(connection)["properties"]["connectionState"] == "Connected"
    for action, code, rows in (
        ("powerOff", "stopped", 0),
        ("start", "running", 2),
        ("deallocate", "deallocated", 0),
        ("restart", "running", 2),
    ):
        assert az.ask("POST", f"{VM}/{action}").status_code == 200
        assert az.get(f"{VM}/instanceView")["statuses"][1]["code"] == f"PowerState/{code}"
        assert sum(map(len, az.post(f"{connection}/learnedRoutes").values())) == rows, action
        assert (az.get(connection)["properties"]["connectionState"] == "Connected") == bool(rows), action
    assert az.refused("POST", f"{VM}/fly") == (404, "InvalidResourceOperation") or az.ask("POST", f"{VM}/fly").status_code == 404
    assert az.refused("POST", f"{COMPUTE}/virtualMachines/none/start") == (404, "ResourceNotFound")


# --- inside -----------------------------------------------------------------------------------------------------------


def command(*lines: str, **more: Any) -> dict[str, Any]:
    return {"commandId": "RunShellScript", "script": list(lines), **more}


def test_run_command(az: Azure, shells: Shells) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    answer = az.post(f"{VM}/runCommand", command("ip route", "true", parameters=[{"name": "a", "value": "b"}]))["value"]
    assert shells.ran == [("vm", "ip route\ntrue")]
    assert answer[0]["code"] == "ProvisioningState/succeeded"
    assert answer[0]["message"] == "Enable succeeded: \n[stdout]\nout {'a': 'b'}\n[stderr]\nerr"
    assert az.post(f"{VM}/runCommand", command("exit 3"))["value"][0]["code"] == "ProvisioningState/succeeded"  # as Azure: it was run
    assert az.refused("POST", f"{VM}/runCommand", {"commandId": "RunPowerShellScript"}) == (400, "InvalidParameter")
    az.ask("POST", f"{VM}/deallocate")
    assert az.refused("POST", f"{VM}/runCommand", command("true")) == (409, "OperationNotAllowed")


def test_run_command_says_why_it_cannot(az: Azure) -> None:
    az.service.context.settings = {**az.service.context.settings, "no_guests": "machines need root"}
    az.put(VM, machine(nic(az, "nic1")))
    answer = az.ask("POST", f"{VM}/runCommand", command("true"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "OperationNotAllowed")
    assert "machines need root" in answer.json()["error"]["message"]


def test_custom_data_boots_once(az: Azure, shells: Shells) -> None:
    profile = {"computerName": "vm", "adminUsername": "azureuser", "customData": text("#!/bin/sh")}
    for _ in range(2):
        az.put(VM, machine(nic(az, "nic1"), osProfile=dict(profile)))
    assert [each for each in shells.said if each.startswith("boot")] == ["boot vm #!/bin/sh Canonical"]
    az.delete(VM)
    assert shells.said[-1] == "delete"


def custom_script(settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1", "settings": settings, **more}


def test_a_custom_script(az: Azure, shells: Shells) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    path = f"{VM}/extensions/script"
    az.put(path, custom_script({}, protectedSettings={"commandToExecute": "secret"}))
    assert "secret" not in str(az.get(path))
    assert "out" in az.get(f"{path}?$expand=instanceView")["properties"]["instanceView"]["statuses"][0]["message"]
    az.put(f"{VM}/extensions/two", custom_script({"script": text("echo two")}))
    assert shells.ran == [("vm", "secret"), ("vm", "echo two")]
    assert refused(az, f"{VM}/extensions/none", {"settings": {}}) == (400, "InvalidParameter")
    assert refused(az, f"{VM}/extensions/none", custom_script({})) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "settings", [{"commandToExecute": "exit 4"}, {"commandToExecute": "sh x.sh", "fileUris": ["https://example.net/x.sh"]}]
)
def test_a_custom_script_that_fails(az: Azure, shells: Shells, settings: dict[str, Any]) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    assert refused(az, f"{VM}/extensions/script", custom_script(settings)) == (409, "VMExtensionProvisioningError")
    assert az.get(f"{VM}/extensions/script")["properties"]["provisioningState"] == "Failed"
    az.put(f"{VM}/extensions/script", custom_script({"commandToExecute": "true"}))
    assert az.get(f"{VM}/extensions/script")["properties"]["provisioningState"] == "Succeeded"


def test_other_extensions_are_kept(az: Azure, shells: Shells) -> None:
    az.put(VM, machine(nic(az, "nic1")))
    agent = {"publisher": "Microsoft.Azure.NetworkWatcher", "type": "NetworkWatcherAgentLinux", "typeHandlerVersion": "1.4"}
    assert az.put(f"{VM}/extensions/agent", agent)["properties"]["provisioningState"] == "Succeeded"
    assert [each["name"] for each in az.get(f"{VM}/extensions")["value"]] == ["agent"]
    assert shells.ran == []


def test_managed_run_commands(az: Azure, shells: Shells) -> None:
    """az vm run-command create."""
    az.put(VM, machine(nic(az, "nic1")))
    path = f"{VM}/runCommands/one"
    az.put(path, {"source": {"script": "ip route"}, "parameters": [{"name": "a", "value": "b"}]})
    view = az.get(f"{path}?$expand=instanceView")["properties"]["instanceView"]
    assert (view["executionState"], view["exitCode"], view["output"], view["error"]) == ("Succeeded", 0, "out {'a': 'b'}", "err")
    az.put(path, {"source": {"script": "exit 5"}})
    view = az.get(f"{path}?$expand=instanceView")["properties"]["instanceView"]
    assert (view["executionState"], view["exitCode"]) == ("Failed", 5)
    assert refused(az, path, {"source": {"script": "exit 6"}, "treatFailureAsDeploymentFailure": True}) == (
        409,
        "VMRunCommandProvisioningError",
    )
    assert refused(az, path, {"source": {}}) == (400, "InvalidParameter")
    assert refused(az, path, {"source": {"scriptUri": "https://example.net/x.sh"}}) == (409, "OperationNotAllowed")
    assert [script for _, script in shells.ran] == ["ip route", "exit 5", "exit 6"]


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["Delete", "Detach"])
def test_what_goes_with_a_machine(az: Azure, option: str) -> None:
    address = public(az, "pip")
    one = nic(az, "nic1", publicIPAddress={**address, "properties": {"deleteOption": option}})
    image = machine(one)["storageProfile"]["imageReference"]
    storage = {"imageReference": image, "osDisk": {"createOption": "FromImage", "name": "os", "deleteOption": option}}
    az.put(VM, machine({**one, "properties": {"primary": True, "deleteOption": option}}, storageProfile=storage))
    az.delete(VM)
    there = 404 if option == "Delete" else 200
    for path in ("networkInterfaces/nic1", "publicIPAddresses/pip", f"{COMPUTE}/disks/os"):
        assert az.ask("GET", path).status_code == there, path
    if option == "Detach":
        disk = az.get(f"{COMPUTE}/disks/os")
        assert ("managedBy" in disk, disk["properties"]["diskState"]) == (False, "Unattached")
        assert "virtualMachine" not in az.get("networkInterfaces/nic1")["properties"]
        az.delete("networkInterfaces/nic1")


# --- what is no resource ----------------------------------------------------------------------------------------------


def test_lookups(az: Azure) -> None:
    compute = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"
    publishers = f"{compute}/locations/westeurope/publishers"
    versions = f"{publishers}/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server/versions"
    listed = az.get(f"{versions}?$top=1&$orderby=name%20desc")
    assert isinstance(listed, list)
    assert az.get(f"{versions}/{listed[0]['name']}")["properties"]["osDiskImage"]["operatingSystem"] == "Linux"
    assert {"Canonical", "cisco"} <= {each["name"] for each in az.get(publishers)}
    offers = az.get(f"{publishers}/cisco/artifacttypes/vmimage/offers")
    assert "cisco-c8000v" in {each["name"] for each in offers}
    assert az.get(f"{publishers}/cisco/artifacttypes/vmimage/offers/cisco-c8000v/skus")
    assert "Standard_B1s" in {each["name"] for each in az.get(f"{compute}/skus")["value"]}
    assert "Standard_B1s" in {each["name"] for each in az.get(f"{compute}/locations/westeurope/vmSizes")["value"]}


def test_extensions_are_listed(az: Azure) -> None:
    """az vm extension set looks for the newest version."""
    publishers = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/publishers"
    types = f"{publishers}/Microsoft.Azure.Extensions/artifacttypes/vmextension/types"
    assert [each["name"] for each in az.get(types)] == ["CustomScript"]
    assert [each["name"] for each in az.get(f"{types}/customScript/versions")] == ["2.1.13"]
    assert az.get(f"{types}/None/versions") == []


def test_terms_of_images(az: Azure) -> None:
    """az vm image terms accept."""
    root = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MarketplaceOrdering"
    terms = f"{root}/offerTypes/virtualmachine/publishers/cisco/offers/cisco-csr-1000v/plans/17_3_4a-byol/agreements/current"
    shown = az.get(terms)
    assert shown["properties"]["accepted"] is False
    shown["properties"]["accepted"] = True
    assert az.ask("PUT", terms, shown).json()["properties"]["accepted"] is True
    assert az.get(terms)["properties"]["accepted"] is True
    agreement = f"{root}/agreements/cisco/offers/cisco-csr-1000v/plans/17_3_4a-byol"
    assert az.get(agreement)["properties"]["accepted"] is True
    assert az.ask("POST", f"{agreement}/cancel").json()["properties"]["accepted"] is False
    assert az.ask("POST", f"{agreement}/sign").json()["properties"]["accepted"] is True
