"""az's commands as scripts of labs have them, and the tables that they print: one az that stays, so that a command costs a fraction of a second."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.arm.served import AZ, Served, needs_az, served

pytestmark = needs_az
PROGRAM = Path(__file__).parent / "programs" / "az_session.py"


class Az:
    """azure-cli on a server. What is called is a line of a script, without `az`."""

    def __init__(self, server: Served) -> None:
        server.az("account", "show")  # once: registers the cloud, logs in
        environment = server.variables() | {"AZURE_CONFIG_DIR": str(server.home / "az"), "AZURE_CORE_ONLY_SHOW_ERRORS": "true"}
        self.subscription = server.subscription
        self._process = subprocess.Popen(
            [AZ.with_name("python"), PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _run(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(shlex.split(line)) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def __call__(self, line: str) -> Any:
        """What it prints, as data; its lines, where the command asks for tsv."""
        text = " -o tsv" in line
        said = self._run(line if text else f"{line} -o json")
        assert said["code"] == 0, (line, said["err"])
        return said["out"].splitlines() if text else json.loads(said["out"] or "null")

    def table(self, line: str) -> list[dict[str, str]]:
        """The rows of its table, by column."""
        said = self._run(f"{line} -o table")
        assert said["code"] == 0, (line, said["err"])
        heads, ruler, *rows = said["out"].splitlines() or ["", ""]
        places = [found.span() for found in re.finditer("-+", ruler)]
        edges = [(start, after) for (start, _), (after, _) in zip(places, [*places[1:], (None, None)], strict=True)]
        return [{heads[start:end].strip(): row[start:end].strip() for start, end in edges} for row in rows]

    def refused(self, line: str) -> str:
        """The code of Azure's with which it is refused."""
        said = self._run(line)
        assert said["code"] != 0, (line, said["out"])
        found = re.search(r"^ERROR: \((\w+)\)", said["err"], re.MULTILINE)
        assert found, said["err"]
        return found[1]

    def end(self) -> None:
        """az ends with its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    with served(tmp_path_factory.mktemp("az")) as server:
        found = Az(server)
        yield found
        found.end()


def network(az: Az, group: str, name: str, prefix: str, **subnets: str) -> None:
    az(f"network vnet create -g {group} -n {name} --address-prefixes {prefix}")
    for subnet, range_ in subnets.items():
        az(f"network vnet subnet create -g {group} --vnet-name {name} -n {subnet} --address-prefixes {range_}")


def route_server(az: Az, group: str, vnet: str) -> Any:
    (subnet,) = az(f"network vnet subnet show -g {group} --vnet-name {vnet} -n RouteServerSubnet --query id -o tsv")
    az(f"network public-ip create -g {group} -n rs-ip --sku Standard --version IPv4")
    return az(f"network routeserver create -g {group} -n rs --hosted-subnet {subnet} --public-ip-address rs-ip")


MACHINE = "--image Ubuntu2204 --size Standard_B2s --admin-username azureuser --generate-ssh-keys"
FRR = """cat >/etc/frr/frr.conf <<END
router bgp 65001
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.1.0.4 remote-as 65515
 neighbor 10.1.0.4 ebgp-multihop 2
 neighbor 10.1.0.5 remote-as 65515
 neighbor 10.1.0.5 ebgp-multihop 2
 address-family ipv4 unicast
  network 172.16.1.0/24
  network 172.16.2.0/24
 exit-address-family
END
systemctl restart frr"""


def run(az: Az, group: str, machine: str, *lines: str) -> Any:
    scripts = " ".join(map(shlex.quote, lines))
    return az(f"vm run-command invoke -g {group} -n {machine} --command-id RunShellScript --scripts {scripts}")["value"][0]


def test_a_route_server_as_the_quickstart_prints_it(az: Az) -> None:
    az("group create --name quick --location eastus")
    az("network vnet create --resource-group quick --name net --subnet-name RouteServerSubnet --subnet-prefixes 10.0.1.0/26")
    assert az("network vnet show -g quick -n net")["addressSpace"]["addressPrefixes"] == ["10.0.0.0/16"]  # az's own default
    made = route_server(az, "quick", "net")
    assert az.refused("network routeserver peering create -g quick --routeserver rs -n gone --peer-ip 10.0.0.4 --peer-asn 65515") == (
        "HubBgpConnectionInvalidPeerAsn"
    )
    az("network routeserver peering create --name nva --peer-ip 10.0.0.4 --peer-asn 65001 --routeserver rs --resource-group quick")
    shown = az("network routeserver show --resource-group quick --name rs")
    assert shown["id"] == made["id"]
    page = {  # without id, etag and resourceGroup
        "allowBranchToBranchTraffic": False,
        "hubRoutingPreference": "ExpressRoute",
        "kind": "RouteServer",
        "location": "eastus",
        "name": "rs",
        "provisioningState": "Succeeded",
        "routeTable": {"routes": []},
        "routingState": "Provisioned",
        "sku": "Standard",
        "type": "Microsoft.Network/virtualHubs",
        "virtualHubRouteTableV2s": [],
        "virtualRouterAsn": 65515,
        "virtualRouterAutoScaleConfiguration": {"minCapacity": 2},
        "virtualRouterIps": ["10.0.1.4", "10.0.1.5"],
    }
    assert {name: shown[name] for name in page} == page
    (row,) = az.table("network routeserver peering list -g quick --routeserver rs")
    assert (row["Name"], row["PeerAsn"], row["PeerIp"], row["ConnectionState"]) == ("nva", "65001", "10.0.0.4", "Connecting")
    for preference in ("VpnGateway", "ASPath", "ExpressRoute"):
        found = az(f"network routeserver update -n rs -g quick --hub-routing-preference {preference}")
        assert found["hubRoutingPreference"] == preference
    found = az("network routeserver update -n rs -g quick --allow-b2b-traffic true --tags team=net")
    assert (found["allowBranchToBranchTraffic"], found["hubRoutingPreference"], found["tags"]) == (True, "ExpressRoute", {"team": "net"})
    az("network routeserver peering delete -n nva -g quick --routeserver rs --yes")
    assert az.refused("network routeserver peering show -n nva -g quick --routeserver rs") == "ResourceNotFound"
    az("network routeserver delete -n rs -g quick --yes")
    az("group delete --name quick --yes --no-wait")
    assert az("group exists -n quick") is False
    assert az.refused("group delete --name quick --yes") == "ResourceGroupNotFound"


def test_an_appliance_that_a_script_makes(az: Az) -> None:
    az("group create -n nva -l eastus")
    network(az, "nva", "hub", "10.1.0.0/16", RouteServerSubnet="10.1.0.0/26", vms="10.1.1.0/24")
    route_server(az, "nva", "hub")
    az("network nsg create -g nva -n nsg")
    made = az(f"vm create -g nva -n nva {MACHINE} --public-ip-sku Standard --nsg nsg --vnet-name hub --subnet vms")
    assert (made["powerState"], made["privateIpAddress"]) == ("VM running", "10.1.1.4")
    az("network nic update -g nva -n nvaVMNic --ip-forwarding true")
    az("network routeserver peering create -g nva --routeserver rs -n nva --peer-ip 10.1.1.4 --peer-asn 65001")
    assert run(az, "nva", "nva", "apt-get install -y frr", FRR)["displayStatus"] == "Provisioning succeeded"
    peering = "-g nva --routeserver rs -n nva"
    assert az(f"network routeserver peering show {peering} --query connectionState -o tsv") == ["Connected"]
    rows = az.table(f"network routeserver peering list-learned-routes {peering} --query RouteServiceRole_IN_1")
    assert [
        tuple(row[name] for name in ("LocalAddress", "Network", "NextHop", "SourcePeer", "Origin", "AsPath", "Weight")) for row in rows
    ] == [("10.1.0.5", f"172.16.{n}.0/24", "10.1.1.4", "10.1.1.4", "EBgp", "65001", "32768") for n in (1, 2)]
    az(f"vm create -g nva -n vm {MACHINE} --public-ip-address '' --nsg '' --vnet-name hub --subnet vms")
    routes = "network nic show-effective-route-table -g nva -n vmVMNic"
    assert effective(az.table(routes))["172.16.1.0/24"] == ("VirtualNetworkGateway", "Active", "VirtualNetworkGateway", "10.1.1.4")
    az("vm deallocate -g nva -n nva")
    assert az.table('vm list -g nva -d --query "[].{Name:name,Power:powerState,Ip:privateIps}"') == [
        {"Name": "nva", "Power": "VM deallocated", "Ip": "10.1.1.4"},
        {"Name": "vm", "Power": "VM running", "Ip": "10.1.1.5"},
    ]
    assert az(f"network routeserver peering show {peering} --query connectionState -o tsv") == ["NotConnected"]
    assert "172.16.1.0/24" not in effective(az.table(routes))
    az("vm start -g nva -n nva")
    assert az("vm restart -g nva -n nva")["status"] == "Succeeded"
    assert "172.16.1.0/24" in effective(az.table(routes))
    az("network route-table create -g nva -n udr --disable-bgp-route-propagation true")
    az("network route-table route create -g nva --route-table-name udr -n all --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance "
       "--next-hop-ip-address 10.1.1.4")  # fmt: skip
    az("network vnet subnet update -g nva --vnet-name hub -n vms --route-table udr")
    found = az.table(routes)
    assert effective(found)["0.0.0.0/0"] == ("User", "Active", "VirtualAppliance", "10.1.1.4")
    assert [row["State"] for row in found if (row["Source"], row["Address Prefix"]) == ("Default", "0.0.0.0/0")] == ["Invalid"]
    assert "172.16.1.0/24" not in effective(found)


def effective(rows: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    """Of those that are active, by prefix."""
    active = [row for row in rows if row["State"] == "Active"]
    return {row["Address Prefix"]: tuple(row[name] for name in ("Source", "State", "Next Hop Type", "Next Hop IP")) for row in active}


def test_machines_and_what_they_are_made_of(az: Az) -> None:
    az("group create -n parts -l eastus")
    network(az, "parts", "net", "10.2.0.0/16", vms="10.2.0.0/24")
    az("network nsg create -g parts -n nsg")
    az(
        f"vm create -g parts -n one {MACHINE} --public-ip-sku Standard --nsg nsg --vnet-name net --subnet vms --private-ip-address 10.2.0.20"
    )
    az(f"vm create -g parts -n many {MACHINE} --count 2 --public-ip-address '' --nsg '' --vnet-name net --subnet vms")
    az("vm create -g parts -n win --image Win2022Datacenter --size Standard_B2ms --admin-username azureuser --admin-password Correct-Horse-9 "
       "--public-ip-address '' --nsg '' --vnet-name net --subnet vms")  # fmt: skip
    assert [row["Name"] for row in az.table("vm list -g parts")] == ["one", "many0", "many1", "win"]
    assert {row["Name"].partition("_")[0]: row["OsType"] for row in az.table("disk list -g parts")} == {
        "one": "Linux", "many0": "Linux", "many1": "Linux", "win": "Windows"}  # fmt: skip
    (row,) = az.table("vm list-ip-addresses -g parts -n one")
    (public,) = az("network public-ip show -g parts -n onePublicIP --query ipAddress -o tsv")
    assert (row["PublicIPAddresses"], row["PrivateIPAddresses"]) == (public, "10.2.0.20")
    az("vm open-port -g parts -n one --port 179 --priority 900")
    az("network nsg rule create -g parts --nsg-name nsg -n bgp --priority 200 --access Deny --protocol Tcp --destination-port-ranges 179 "
       "--source-address-prefixes VirtualNetwork")  # fmt: skip
    rules = {row["Name"]: row for row in az.table("network nsg rule list -g parts --nsg-name nsg --include-default")}
    assert [rules[name]["Priority"] for name in ("bgp", "open-port-179", "AllowVnetInBound", "DenyAllOutBound")] == [
        "200", "900", "65000", "65500"]  # fmt: skip
    (group,) = az("network nic list-effective-nsg -g parts -n oneVMNic")["value"]
    assert [each["priority"] for each in group["effectiveSecurityRules"] if each["direction"] == "Inbound"] == [
        200,
        900,
        65000,
        65001,
        65500,
    ]
    assert (
        az("network nic ip-config update -g parts --nic-name oneVMNic -n ipconfigone --private-ip-address 10.2.0.9")["privateIPAddress"]
        == "10.2.0.9"
    )
    assert az("network vnet check-ip-address -g parts -n net --ip-address 10.2.0.9")["available"] is False
    assert az("vm get-instance-view -g parts -n win --query instanceView.statuses[].displayStatus -o tsv")[-1] == "VM running"
    az("vm stop -g parts -n win")
    assert az("vm get-instance-view -g parts -n win --query instanceView.statuses[].displayStatus -o tsv")[-1] == "VM stopped"
    az("vm resize -g parts -n win --size Standard_B4ms")
    assert az("vm show -d -g parts -n win")["hardwareProfile"]["vmSize"] == "Standard_B4ms"
    assert [each["name"] for each in az("vm list-skus -l eastus --size Standard_B2s")] == ["Standard_B2s"]
    assert (
        az("vm image show --urn Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest")["osDiskImage"]["operatingSystem"] == "Linux"
    )
    az("vm delete -g parts -n win --yes")
    assert az.refused("vm show -g parts -n win") == "ResourceNotFound"
    assert az.refused("network nic show -g parts -n gone") == "ResourceNotFound"


def test_two_virtual_networks_by_vpn(az: Az) -> None:
    az("group create -n vpn -l westeurope")
    network(az, "vpn", "hub", "10.1.0.0/16", GatewaySubnet="10.1.255.0/27", RouteServerSubnet="10.1.0.0/26", vms="10.1.1.0/24")
    network(az, "vpn", "site", "192.168.0.0/16", GatewaySubnet="192.168.255.0/27")
    network(az, "vpn", "spoke", "10.2.0.0/16", vms="10.2.1.0/24")
    for name in ("hub1", "hub2", "site1"):
        az(f"network public-ip create -g vpn -n {name} --sku Standard")
    made = az("network vnet-gateway create -g vpn -n hub-gw --vnet hub --public-ip-addresses hub1 hub2 --gateway-type Vpn --vpn-type RouteBased "
              "--sku VpnGw2 --vpn-gateway-generation Generation2 --asn 65515")["vnetGateway"]  # fmt: skip
    assert (made["activeActive"], made["bgpSettings"]["bgpPeeringAddress"]) == (True, "10.1.255.4,10.1.255.5")
    az("network vnet-gateway create -g vpn -n site-gw --vnet site --public-ip-addresses site1 --gateway-type Vpn --sku VpnGw1 --asn 65501")
    addresses = az("network vnet-gateway show -g vpn -n hub-gw --query bgpSettings.bgpPeeringAddresses[].tunnelIpAddresses[0] -o tsv")
    assert addresses == [az(f"network public-ip show -g vpn -n hub{n} --query ipAddress -o tsv")[0] for n in (1, 2)]
    for here, there in (("hub", "site"), ("site", "hub")):
        az(
            f"network vpn-connection create -g vpn -n {here}-{there} --vnet-gateway1 {here}-gw --vnet-gateway2 {there}-gw --shared-key abc --enable-bgp"
        )
    assert {(row["Name"], row["ConnectionType"], row["ConnectionStatus"]) for row in az.table("network vpn-connection list -g vpn")} == {
        ("hub-site", "Vnet2Vnet", "Connected"), ("site-hub", "Vnet2Vnet", "Connected")}  # fmt: skip
    assert az("network vpn-connection shared-key update -g vpn --connection-name hub-site --value other")["value"] == "other"
    az("network vnet peering create -g vpn -n to-spoke --vnet-name hub --remote-vnet spoke --allow-vnet-access --allow-gateway-transit")
    az("network vnet peering create -g vpn -n to-hub --vnet-name spoke --remote-vnet hub --allow-vnet-access --use-remote-gateways")
    route_server(az, "vpn", "hub")
    az(f"vm create -g vpn -n nva {MACHINE} --public-ip-address '' --nsg '' --vnet-name hub --subnet vms")
    az("network routeserver peering create -g vpn --routeserver rs -n nva --peer-ip 10.1.1.4 --peer-asn 65001")
    run(az, "vpn", "nva", "apt-get install -y frr", FRR)
    told = "network routeserver peering list-advertised-routes -g vpn --routeserver rs -n nva --query RouteServiceRole_IN_0[].[network,asPath] -o tsv"
    own = ["10.1.0.0/16\t65515", "10.2.0.0/16\t65515"]
    assert sorted(az(told)) == own
    az("network routeserver update -g vpn -n rs --allow-b2b-traffic true")
    assert sorted(az(told)) == [*own, "192.168.0.0/16\t65515-65501"]
    states = {(row["Neighbor"], row["ASN"]): row["State"] for row in az.table("network vnet-gateway list-bgp-peer-status -g vpn -n hub-gw")}
    (site,) = az("network vnet-gateway show -g vpn -n site-gw --query bgpSettings.bgpPeeringAddress -o tsv")
    assert [states[each] for each in (("10.1.0.4", "65515"), ("10.1.0.5", "65515"), (site, "65501"))] == ["Connected"] * 3
    learned = az.table("network vnet-gateway list-learned-routes -g vpn -n site-gw")
    assert {(row["Network"], row["AsPath"]) for row in learned if row["Origin"] == "EBgp"} == {
        ("10.1.0.0/16", "65515"), ("10.2.0.0/16", "65515"), ("172.16.1.0/24", "65515-65001"), ("172.16.2.0/24", "65515-65001")}  # fmt: skip
    told_rows = az.table(f"network vnet-gateway list-advertised-routes -g vpn -n hub-gw --peer {site}")
    assert {row["Network"] for row in told_rows} == {"10.1.0.0/16", "10.2.0.0/16", "172.16.1.0/24", "172.16.2.0/24"}
    assert az("network vnet-gateway reset -g vpn -n site-gw")["name"] == "site-gw"
    assert az.refused("network vnet-gateway delete -g vpn -n site-gw") == "VirtualNetworkGatewayCannotBeDeleted"
    for name in ("hub-site", "site-hub"):
        az(f"network vpn-connection delete -g vpn -n {name}")
    az("network vnet-gateway delete -g vpn -n site-gw")
    assert sorted(az(told)) == own


def test_a_circuit(az: Az) -> None:
    az("group create -n er -l eastus")
    network(az, "er", "hub", "10.1.0.0/16", GatewaySubnet="10.1.1.0/24")
    (row,) = az.table("network express-route list-service-providers --query \"[?name=='Equinix'].{Name:name,Place:peeringLocations[0]}\"")
    made = az(f"network express-route create -g er -n c1 --bandwidth 200 --peering-location '{row['Place']}' --provider Equinix "
              "--sku-family MeteredData --sku-tier Standard --tags dualhome='{prefixes: [192.168.0.0/16]}'")  # fmt: skip
    assert (made["sku"]["name"], made["circuitProvisioningState"]) == ("Standard_MeteredData", "Enabled")
    az("network express-route peering create -g er --circuit-name c1 --peering-type AzurePrivatePeering --peer-asn 65010 --vlan-id 100 "
       "--primary-peer-subnet 172.16.0.0/30 --secondary-peer-subnet 172.16.0.4/30")  # fmt: skip
    (row,) = az.table("network express-route peering list -g er --circuit-name c1")
    assert (row["AzureASN"], row["PeerASN"], row["VlanId"], row["State"]) == ("12076", "65010", "100", "Enabled")
    az("network express-route auth create -g er --circuit-name c1 -n friend")
    (row,) = az.table("network express-route auth list -g er --circuit-name c1")
    assert (row["Name"], row["AuthorizationUseStatus"]) == ("friend", "Available")
    az("network public-ip create -g er -n ip --sku Standard")
    az("network vnet-gateway create -g er -n gw --vnet hub --gateway-type ExpressRoute --sku ErGw1AZ --public-ip-addresses ip")
    az("network vpn-connection create -g er -n c1-gw --vnet-gateway1 gw --express-route-circuit2 c1 --routing-weight 10")
    assert az("network vpn-connection show -g er -n c1-gw --query connectionStatus -o tsv") == ["Connected"]
    named = "-g er -n c1 --path primary --peering-name AzurePrivatePeering"
    found = az(f"network express-route list-route-tables {named}")["value"]
    assert {row["network"]: row["path"].split()[-1] for row in found} == {"10.1.0.0/16": "65515", "192.168.0.0/16": "65010"}
    found = az(f"network express-route list-route-tables-summary {named}")["value"]
    assert {row["neighbor"]: row["as"] for row in found} == {"10.1.1.4": 65515, "10.1.1.5": 65515, "172.16.0.1": 65010}
    assert {row["ipAddress"]: row["interface"] for row in az(f"network express-route list-arp-tables {named}")["value"]} == {
        "172.16.0.1": "On-Prem", "172.16.0.2": "Microsoft"}  # fmt: skip
    assert set(az("network express-route get-stats -g er -n c1")) == {
        "primarybytesIn", "primarybytesOut", "secondarybytesIn", "secondarybytesOut"}  # fmt: skip
    states = {row["State"] for row in az.table("network vnet-gateway list-bgp-peer-status -g er -n gw") if row["ASN"] == "12076"}
    assert states == {"Connected"}
    learned = az.table("network vnet-gateway list-learned-routes -g er -n gw")
    assert {row["AsPath"] for row in learned if row["Network"] == "192.168.0.0/16"} == {"12076-65010"}


def test_peerings_and_who_may_use_whose_gateways(az: Az) -> None:
    az("group create -n peers -l eastus")
    network(az, "peers", "hub", "10.1.0.0/16", RouteServerSubnet="10.1.0.0/26")
    network(az, "peers", "spoke", "10.2.0.0/16", vms="10.2.0.0/24")
    hub = (
        "network vnet peering create -g peers -n to-spoke --vnet-name hub --remote-vnet spoke --allow-vnet-access --allow-forwarded-traffic"
    )
    spoke = (
        "network vnet peering create -g peers -n to-hub --vnet-name spoke --remote-vnet hub --allow-vnet-access --allow-forwarded-traffic"
    )
    assert az(f"{hub} --allow-gateway-transit")["peeringState"] == "Initiated"
    assert az.refused(f"{spoke} --use-remote-gateways") == "RemoteVnetHasNoGateways"
    route_server(az, "peers", "hub")
    assert az(f"{spoke} --use-remote-gateways")["useRemoteGateways"] is True
    assert [(row["Name"], row["PeeringState"]) for row in az.table("network vnet peering list -g peers --vnet-name hub")] == [
        ("to-spoke", "Connected")
    ]
    az("network vnet update -g peers -n hub --address-prefixes 10.1.0.0/16 10.11.0.0/16")
    show = "network vnet peering show -g peers -n to-hub --vnet-name spoke"
    assert az(show)["peeringSyncLevel"] == "RemoteNotInSync"
    assert az("network vnet peering sync -g peers -n to-hub --vnet-name spoke")["peeringSyncLevel"] == "FullyInSync"
    assert az(show)["remoteAddressSpace"]["addressPrefixes"] == ["10.1.0.0/16", "10.11.0.0/16"]
    az("network vnet peering update -g peers -n to-hub --vnet-name spoke --set useRemoteGateways=false")
    az("network vnet peering delete -g peers -n to-hub --vnet-name spoke")
    assert az("network vnet peering list -g peers --vnet-name hub --query [].peeringState -o tsv") == ["Disconnected"]
    assert [row["Prefixes"] for row in az.table("network vnet list -g peers")] == ["10.1.0.0/16, 10.11.0.0/16", "10.2.0.0/16"]
    assert (
        az.refused("network vnet subnet create -g peers --vnet-name spoke -n out --address-prefixes 10.3.0.0/24") == "NetcfgInvalidSubnet"
    )
    assert az.refused("network vnet subnet create -g peers --vnet-name spoke -n twice --address-prefixes 10.2.0.0/25") == (
        "NetcfgSubnetRangesOverlap"
    )


def test_what_stands_around_a_network(az: Az) -> None:
    az("group create -n around -l eastus")
    network(az, "around", "net", "10.2.0.0/16", vms="10.2.0.0/24")
    scope = f"/subscriptions/{az.subscription}/resourceGroups/around/providers/Microsoft.Network/virtualNetworks/net"
    az("network public-ip create -g around -n nat-ip --sku Standard")
    az("network nat gateway create -g around -n nat --public-ip-addresses nat-ip --idle-timeout 10")
    assert az("network vnet subnet update -g around --vnet-name net -n vms --nat-gateway nat")["natGateway"]["id"].endswith("/nat")
    az("network lb create -g around -n lb --sku Standard --vnet-name net --subnet vms --frontend-ip-name front --backend-pool-name pool "
       "--private-ip-address 10.2.0.100")  # fmt: skip
    az("network lb probe create -g around --lb-name lb -n probe --protocol tcp --port 22")
    az("network lb rule create -g around --lb-name lb -n all --protocol All --frontend-port 0 --backend-port 0 --frontend-ip front "
       "--backend-pool-name pool --probe-name probe")  # fmt: skip
    az("network nic create -g around -n nic --vnet-name net --subnet vms --ip-forwarding true")
    az("network nic ip-config address-pool add -g around --nic-name nic --ip-config-name ipconfig1 --lb-name lb --address-pool pool")
    pool = az("network lb address-pool list -g around --lb-name lb")
    assert [each["id"].rpartition("/")[2] for each in pool[0]["backendIPConfigurations"]] == ["ipconfig1"]
    az("storage account create -g around -n labstore002 --sku Standard_LRS")
    assert len(az("storage account keys list -g around -n labstore002")) == 2
    az("monitor log-analytics workspace create -g around -n logs")
    assert az(f"monitor diagnostic-settings create -n all --resource {scope} --workspace logs -g around "
              "--metrics '[{category:AllMetrics,enabled:true}]'")["name"] == "all"  # fmt: skip
    assert [each["name"] for each in az(f"monitor diagnostic-settings list --resource {scope}")] == ["all"]
    az(f"monitor metrics alert create -g around -n alert --scopes {scope} --condition 'avg PingMeshProbesFailedPercent > 5'")
    assert az(f"monitor metrics list --resource {scope} --metric AverageBandwidth")["value"] == []
    az("network watcher configure -g around --locations eastus --enabled true")
    assert az("network watcher flow-log list -l eastus") == []
    az("network private-dns zone create -g around -n lab.local")
    az("network private-dns link vnet create -g around -n link -z lab.local -v net -e true")
    (row,) = az.table("network private-dns link vnet list -g around -z lab.local")
    assert (row["LinkName"], row["RegistrationEnabled"]) == ("link", "True")
    (row,) = az.table("network private-dns zone list -g around")
    assert (row["ZoneName"], row["RecordSets"], row["VirtualNetworkLinksWithRegistration"]) == ("lab.local", "0", "1")
    made = az("network private-dns record-set a add-record -g around -z lab.local -n vm -a 10.2.0.4")
    assert (made["fqdn"], [each["ipv4Address"] for each in made["aRecords"]]) == ("vm.lab.local.", ["10.2.0.4"])
    (found,) = az("network private-dns record-set list -g around -z lab.local")
    assert (found["name"], found["type"].rpartition("/")[2], found["ttl"]) == ("vm", "A", 3600)
    made = az("identity create -g around -n me")
    assert (made["type"], az("identity show -g around -n me")["principalId"]) == (
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        made["principalId"],
    )
    assert az("monitor log-analytics workspace show -g around -n logs")["customerId"]
    listed = {row["Type"].partition("/")[2]: row["Name"] for row in az.table("resource list -g around")}
    assert listed["natGateways"] == "nat"
    assert {"storageAccounts", "workspaces", "metricAlerts", "privateDnsZones", "loadBalancers"} <= set(listed)
    az("lock create -g around -n keep --lock-type CanNotDelete")
    assert az.refused("group delete -n around --yes") == "ScopeLocked"
    assert az.refused("network lb delete -g around -n lb") == "ScopeLocked"
    az("lock delete -g around -n keep")
    az("group delete -n around --yes")
    assert az("group exists -n around") is False
