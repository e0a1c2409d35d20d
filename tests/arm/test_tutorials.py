"""What Microsoft's pages about route servers have one type, typed into the real az: each test is a page, and what it reads at the end is checked.

Quickstart; configure; peer with an appliance; routing preference; route maps; with ExpressRoute and VPN; dual-homed; machines.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.arm.served import AZ, DUALHOME, Served, needs_az, served

pytestmark = needs_az
READY = 'set -euo pipefail\nexec 3>&1 >/dev/null\nshow() { printf "\\n=== %s\\n" "$1" >&3; shift; az "$@" -o json >&3; }\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as found:
        yield found


def typed(server: Served, script: str, refused: bool = False) -> Any:
    """Run a script of bash. What its lines `show NAME WORDS…` printed, by name; or what it said last, where it is to be refused."""
    server.az("account", "show")  # once: registers the cloud, logs in
    path = f"{AZ.parent}:{server.environment['PATH']}"
    environment = server.variables() | {"AZURE_CONFIG_DIR": str(server.home / "az"), "AZURE_CORE_ONLY_SHOW_ERRORS": "true", "PATH": path}
    done = subprocess.run(["bash", "-c", READY + script], env=environment, capture_output=True, text=True, check=False, cwd=server.home)
    if refused:
        assert done.returncode != 0, done.stdout
        return done.stderr
    assert done.returncode == 0, (done.stderr[-3000:], done.stdout[-500:])
    parts = [part.partition("\n") for part in done.stdout.split("\n=== ")[1:]]
    return {name: json.loads(text) if text.strip() else None for name, _, text in parts}


ROUTE_SERVER = """
az group create --name myRouteServerRG --location westus
az network vnet create --resource-group myRouteServerRG --name myVirtualNetwork --address-prefixes 10.0.0.0/16
az network vnet subnet create --resource-group myRouteServerRG --vnet-name myVirtualNetwork --name RouteServerSubnet --address-prefixes 10.0.0.0/24
subnetId=$(az network vnet subnet show --name RouteServerSubnet --resource-group myRouteServerRG --vnet-name myVirtualNetwork --query id --output tsv)
az network public-ip create --resource-group myRouteServerRG --name myRouteServerIP --sku Standard --version IPv4
az network routeserver create --name myRouteServer --resource-group myRouteServerRG --hosted-subnet $subnetId --public-ip-address myRouteServerIP
"""
CISCO = """hostname myNVA
interface Loopback0
 ip address 172.31.0.1 255.255.255.255
router bgp 65501
 neighbor 10.0.0.4 remote-as 65515
 neighbor 10.0.0.4 ebgp-multihop 255
 neighbor 10.0.0.5 remote-as 65515
 neighbor 10.0.0.5 ebgp-multihop 255
 network 172.31.0.1 mask 255.255.255.255
"""
APPLIANCE = f"""
cat >nva.txt <<'END'
{CISCO}END
az network vnet subnet create --resource-group myRouteServerRG --vnet-name myVirtualNetwork --name nva --address-prefixes 10.0.1.0/24
az network nic create -g myRouteServerRG -n myNVANic --vnet-name myVirtualNetwork --subnet nva --ip-forwarding true --private-ip-address 10.0.1.4
az vm image terms accept --urn cisco:cisco-c8000v:17_13_01a-byol:latest
az vm create -g myRouteServerRG -n myNVA --nics myNVANic --image cisco:cisco-c8000v:17_13_01a-byol:latest --size Standard_D2_v2 \\
  --admin-username azureuser --admin-password 'Correct-Horse-9' --custom-data nva.txt
az network routeserver peering create --name myNVA --peer-ip 10.0.1.4 --peer-asn 65501 --routeserver myRouteServer --resource-group myRouteServerRG
"""


def test_quickstart(server: Served) -> None:
    said = typed(
        server,
        ROUTE_SERVER
        + """
az network routeserver peering create --name myNVA --peer-ip 10.0.1.4 --peer-asn 65501 --routeserver myRouteServer --resource-group myRouteServerRG
show server network routeserver show --resource-group myRouteServerRG --name myRouteServer
show peerings network routeserver peering list --resource-group myRouteServerRG --routeserver myRouteServer
az network routeserver update --name myRouteServer --resource-group myRouteServerRG --allow-b2b-traffic true
az network routeserver update --name myRouteServer --resource-group myRouteServerRG --hub-routing-preference ASPath
show updated network routeserver show --resource-group myRouteServerRG --name myRouteServer
show learned network routeserver peering list-learned-routes --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG
az network routeserver peering delete --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG --yes
show none network routeserver peering list --resource-group myRouteServerRG --routeserver myRouteServer
az network routeserver delete --name myRouteServer --resource-group myRouteServerRG --yes
az group delete --name myRouteServerRG --yes
show groups group list
""",
    )
    assert (said["server"]["virtualRouterAsn"], said["server"]["virtualRouterIps"]) == (65515, ["10.0.0.4", "10.0.0.5"])
    assert said["server"]["routingState"] == said["server"]["provisioningState"].replace("Succeeded", "Provisioned")
    assert [(each["name"], each["peerIp"], each["peerAsn"]) for each in said["peerings"]] == [("myNVA", "10.0.1.4", 65501)]
    assert (said["updated"]["allowBranchToBranchTraffic"], said["updated"]["hubRoutingPreference"]) == (True, "ASPath")
    assert said["learned"]["RouteServiceRole_IN_0"] == []
    assert (said["none"], said["groups"]) == ([], [])


def test_peer_with_an_appliance(server: Served) -> None:
    said = typed(
        server,
        ROUTE_SERVER
        + APPLIANCE
        + """
az network vnet subnet create --resource-group myRouteServerRG --vnet-name myVirtualNetwork --name vms --address-prefixes 10.0.2.0/24
az vm create -g myRouteServerRG -n myVM --image Ubuntu2204 --vnet-name myVirtualNetwork --subnet vms --public-ip-sku Standard \\
  --admin-username azureuser --generate-ssh-keys
show peer network routeserver peering show --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG
show learned network routeserver peering list-learned-routes --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG
show advertised network routeserver peering list-advertised-routes --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG
show routes network nic show-effective-route-table -g myRouteServerRG -n myVMVMNic
az vm deallocate -g myRouteServerRG -n myNVA
show after network nic show-effective-route-table -g myRouteServerRG -n myVMVMNic
az vm start -g myRouteServerRG -n myNVA
show again network nic show-effective-route-table -g myRouteServerRG -n myVMVMNic
""",
    )
    assert said["peer"]["connectionState"] == "Connected"
    for role in ("RouteServiceRole_IN_0", "RouteServiceRole_IN_1"):
        assert [(row["network"], row["nextHop"], row["asPath"]) for row in said["learned"][role]] == [
            ("172.31.0.1/32", "10.0.1.4", "65501")
        ]
        assert [(row["network"], row["asPath"]) for row in said["advertised"][role]] == [("10.0.0.0/16", "65515")]
    learned = ("172.31.0.1/32", "VirtualNetworkGateway", "10.0.1.4")
    assert learned in routes(said["routes"])
    assert learned not in routes(said["after"])
    assert learned in routes(said["again"])


def test_a_shell_that_is_told_once(server: Served) -> None:
    """`eval "$(dualhome env)"`, then az as ever."""
    script = f'eval "$({DUALHOME} env)"; az group create -n rg -l westeurope -o none && az group list --query "[].name" -o tsv'
    path = f"{AZ.parent}:{server.environment['PATH']}"
    environment = {name: value for name, value in server.environment.items() if name != "DUALHOME_AZ"} | {"PATH": path}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, cwd=server.home)
    assert (done.returncode, done.stdout) == (0, "rg\n"), done.stderr
    assert not (server.home / ".azure").exists(), "nobody's own configuration is touched"


def routes(table: Any) -> list[tuple[str, str, str]]:
    """Of an effective route table: prefix, kind and address of the next hop."""
    return [
        (row["addressPrefix"][0], row["nextHopType"], (row["nextHopIpAddress"] or [""])[0])
        for row in table["value"]
        if row["state"] == "Active"
    ]


RULES = json.dumps(
    {
        "properties": {
            "rules": [
                {
                    "name": "longer",
                    "matchCriteria": [{"matchCondition": "Contains", "routePrefix": ["172.31.0.0/16"], "community": [], "asPath": []}],
                    "actions": [{"type": "Add", "parameters": [{"asPath": ["100", "100"], "community": [], "routePrefix": []}]}],
                    "nextStepIfMatched": "Terminate",
                }
            ]
        }
    }
)


def test_route_maps(server: Served) -> None:
    said = typed(
        server,
        ROUTE_SERVER
        + APPLIANCE
        + f"""
hub=$(az network routeserver show -g myRouteServerRG -n myRouteServer --query id -o tsv)
az rest --method put --url "$hub/routeMaps/longer?api-version=2024-05-01" --body '{RULES}'
show map rest --method get --url "$hub/routeMaps/longer?api-version=2024-05-01"
body=$(az rest --method get --url "$hub/bgpConnections/myNVA?api-version=2024-05-01" | python3 -c '
import json, sys
found = json.load(sys.stdin)
found["properties"]["routingConfiguration"] = {{"inboundRouteMap": {{"id": sys.argv[1] + "/routeMaps/longer"}}}}
print(json.dumps(found))' "$hub")
az rest --method put --url "$hub/bgpConnections/myNVA?api-version=2024-05-01" --body "$body"
show learned network routeserver peering list-learned-routes --name myNVA --routeserver myRouteServer --resource-group myRouteServerRG
show maps rest --method get --url "$hub/routeMaps?api-version=2024-05-01"
""",
    )
    assert said["map"]["properties"]["provisioningState"] == "Succeeded"
    assert [each["name"] for each in said["maps"]["value"]] == ["longer"]
    assert said["maps"]["value"][0]["properties"]["associatedInboundConnections"]
    assert {row["asPath"] for row in said["learned"]["RouteServiceRole_IN_0"]} == {
        "65501"
    }  # as they came: rules are applied to what is taken


def test_with_vpn_gateways(server: Served) -> None:
    """Two gateways with BGP, a branch behind a local network gateway; branch-to-branch gives the appliance what the gateway learned."""
    said = typed(
        server,
        ROUTE_SERVER
        + APPLIANCE
        + """
g="-g myRouteServerRG"
az network vnet subnet create $g --vnet-name myVirtualNetwork --name GatewaySubnet --address-prefixes 10.0.254.0/24
az network vnet create $g -n branch --address-prefixes 10.9.0.0/16 --subnet-name GatewaySubnet --subnet-prefixes 10.9.254.0/24
for name in hub-ip1 hub-ip2 branch-ip; do az network public-ip create $g -n $name --sku Standard; done
az network vnet-gateway create $g -n hub-gw --vnet myVirtualNetwork --gateway-type Vpn --vpn-type RouteBased --sku VpnGw2 \\
  --public-ip-addresses hub-ip1 hub-ip2 --asn 65515 --no-wait
az network vnet-gateway create $g -n branch-gw --vnet branch --gateway-type Vpn --vpn-type RouteBased --sku VpnGw2 --public-ip-addresses branch-ip --asn 65509
az network vnet-gateway wait $g -n hub-gw --created
az network vpn-connection create $g -n hub-to-branch --vnet-gateway1 hub-gw --vnet-gateway2 branch-gw --shared-key abc123 --enable-bgp
az network vpn-connection create $g -n branch-to-hub --vnet-gateway1 branch-gw --vnet-gateway2 hub-gw --shared-key abc123 --enable-bgp
az network local-gateway create $g -n site --gateway-ip-address 203.0.113.7 --asn 65010 --bgp-peering-address 192.168.1.1 --local-address-prefixes 192.168.1.0/24
az network vpn-connection create $g -n hub-to-site --vnet-gateway1 hub-gw --local-gateway2 site --shared-key abc123 --enable-bgp
az network routeserver update $g -n myRouteServer --allow-b2b-traffic true
show connection network vpn-connection show $g -n hub-to-branch
show peers network vnet-gateway list-bgp-peer-status $g -n hub-gw
show learned network vnet-gateway list-learned-routes $g -n hub-gw
show told network vnet-gateway list-advertised-routes $g -n hub-gw --peer 10.9.254.4
show advertised network routeserver peering list-advertised-routes --name myNVA --routeserver myRouteServer $g
show key network vpn-connection shared-key show $g --connection-name hub-to-branch
show gateways network vnet-gateway list $g
""",
    )
    assert said["connection"]["connectionStatus"] == "Connected"
    states = {row["neighbor"]: row["state"] for row in said["peers"]["value"]}
    assert states["10.9.254.4"] == "Connected"
    assert "10.9.0.0/16" in {row["network"] for row in said["learned"]["value"]}
    assert {"10.0.0.0/16", "172.31.0.1/32"} <= {row["network"] for row in said["told"]["value"]}
    assert {"10.0.0.0/16", "10.9.0.0/16"} <= {row["network"] for row in said["advertised"]["RouteServiceRole_IN_0"]}
    assert [each["name"] for each in said["gateways"]] == ["hub-gw", "branch-gw"] or len(said["gateways"]) == 2


HUBS = """
g="-g dual"
az group create -n dual -l westeurope
az network vnet create $g -n hub1 --address-prefixes 10.1.0.0/16 --subnet-name GatewaySubnet --subnet-prefixes 10.1.1.0/24
az network vnet create $g -n hub2 --address-prefixes 10.2.0.0/16 --subnet-name GatewaySubnet --subnet-prefixes 10.2.1.0/24
az network vnet create $g -n spoke --address-prefixes 10.3.0.0/16 --subnet-name vms --subnet-prefixes 10.3.1.0/24
"""


def test_peerings(server: Served) -> None:
    said = typed(
        server,
        HUBS
        + """
for hub in hub1 hub2; do
  az network vnet peering create $g -n $hub-to-spoke --vnet-name $hub --remote-vnet spoke --allow-vnet-access --allow-forwarded-traffic --allow-gateway-transit
  show half-$hub network vnet peering show $g -n $hub-to-spoke --vnet-name $hub
  az network vnet peering create $g -n spoke-to-$hub --vnet-name spoke --remote-vnet $hub --allow-vnet-access --allow-forwarded-traffic
done
show whole network vnet peering list $g --vnet-name spoke
az network vnet update $g -n hub1 --address-prefixes 10.1.0.0/16 10.11.0.0/16
show stale network vnet peering show $g -n spoke-to-hub1 --vnet-name spoke
az network vnet peering sync $g -n spoke-to-hub1 --vnet-name spoke
show synced network vnet peering show $g -n spoke-to-hub1 --vnet-name spoke
az network vnet peering delete $g -n hub2-to-spoke --vnet-name hub2
show alone network vnet peering show $g -n spoke-to-hub2 --vnet-name spoke
""",
    )
    assert said["half-hub1"]["peeringState"] == "Initiated"
    assert {each["peeringState"] for each in said["whole"]} == {"Connected"}
    assert said["stale"]["peeringSyncLevel"] == "RemoteNotInSync"
    assert said["synced"]["peeringSyncLevel"] == "FullyInSync"
    assert said["alone"]["peeringState"] == "Disconnected"
    refused = typed(
        server, "az network vnet peering create -g dual -n x --vnet-name spoke --remote-vnet hub2 --use-remote-gateways", refused=True
    )
    assert "AnotherPeeringAlreadyReferencesRemoteVnet" in refused
    refused = typed(
        server, "az network vnet peering update -g dual -n spoke-to-hub1 --vnet-name spoke --set useRemoteGateways=true", refused=True
    )
    assert "RemotePeeringIsDisconnected" in refused or "RemoteVnetHasNoGateways" in refused, refused


def test_expressroute(server: Served) -> None:
    said = typed(
        server,
        HUBS
        + """
az network express-route create $g -n circuit --bandwidth 50 --peering-location "Silicon Valley" --provider Equinix --sku-family MeteredData --sku-tier Standard
az network express-route peering create $g --circuit-name circuit --peering-type AzurePrivatePeering --peer-asn 65020 --vlan-id 100 \\
  --primary-peer-subnet 192.168.15.16/30 --secondary-peer-subnet 192.168.15.20/30
az network express-route auth create $g --circuit-name circuit -n other
az network public-ip create $g -n er-ip --sku Standard
az network vnet-gateway create $g -n er-gw --vnet hub1 --gateway-type ExpressRoute --sku Standard --public-ip-addresses er-ip
circuit=$(az network express-route show $g -n circuit --query id -o tsv)
az network vpn-connection create $g -n er --vnet-gateway1 er-gw --express-route-circuit2 $circuit
show circuit network express-route show $g -n circuit
show routes network express-route list-route-tables $g -n circuit --path primary --peering-name AzurePrivatePeering
show summary network express-route list-route-tables-summary $g -n circuit --path secondary --peering-name AzurePrivatePeering
show arp network express-route list-arp-tables $g -n circuit --path primary --peering-name AzurePrivatePeering
show auth network express-route auth list $g --circuit-name circuit
show connection network vpn-connection show $g -n er
show providers network express-route list-service-providers
show peers network vnet-gateway list-bgp-peer-status $g -n er-gw
""",
    )
    assert (said["circuit"]["serviceProviderProvisioningState"], said["circuit"]["circuitProvisioningState"]) == ("Provisioned", "Enabled")
    assert any(row["network"].startswith("10.1.0.0/16") for row in said["routes"]["value"])
    assert said["arp"]["value"]
    assert said["auth"][0]["authorizationKey"]
    assert said["connection"]["connectionStatus"] == "Connected"
    assert {"Equinix"} <= {each["name"] for each in said["providers"]}


def test_machines(server: Served) -> None:
    said = typed(
        server,
        """
g="-g rg"
az group create -n rg -l westeurope
az network vnet create $g -n net --address-prefixes 10.0.0.0/16 --subnet-name vms --subnet-prefixes 10.0.1.0/24
az network nsg create $g -n web
az network nsg rule create $g --nsg-name web -n ssh --priority 100 --source-address-prefixes 203.0.113.9 --source-port-ranges '*' \\
  --destination-address-prefixes '*' --destination-port-ranges 22 --access Allow --protocol Tcp --direction Inbound
az vm create $g -n vm1 --image UbuntuLTS --vnet-name net --subnet vms --nsg web --public-ip-sku Standard --size Standard_DS1_v2 \\
  --admin-username azureuser --admin-password 'Correct-Horse-9'
az vm open-port $g -n vm1 --port 179 --priority 900
az network nic update $g -n vm1VMNic --ip-forwarding true
az network nic ip-config update $g --nic-name vm1VMNic -n ipconfigvm1 --private-ip-address 10.0.1.10
az network route-table create $g -n udr
az network route-table route create $g --route-table-name udr -n out --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance --next-hop-ip-address 10.0.1.10
az network vnet subnet update $g --vnet-name net -n vms --route-table udr
az storage account create $g -n labstorage001 --sku Standard_LRS
az vm boot-diagnostics enable $g -n vm1 --storage $(az storage account show $g -n labstorage001 --query primaryEndpoints.blob -o tsv)
az vm auto-shutdown $g -n vm1 --time 2300
az network nat gateway create $g -n nat --idle-timeout 4
show where vm list-ip-addresses $g -n vm1
show details vm show -d $g -n vm1
show groups network nic list-effective-nsg $g -n vm1VMNic
show routes network nic show-effective-route-table $g -n vm1VMNic
az network watcher configure $g --locations westeurope --enabled
show hop network watcher show-next-hop $g --vm vm1 --source-ip 10.0.1.10 --dest-ip 8.8.8.8
show storage storage account show $g -n labstorage001
az vm deallocate $g -n vm1
show off vm get-instance-view $g -n vm1
az vm delete $g -n vm1 --yes
show left vm list $g
show resources resource list $g
az group delete -n rg --yes --no-wait
""",
    )
    assert said["where"][0]["virtualMachine"]["network"]["privateIpAddresses"] == ["10.0.1.10"]
    assert said["details"]["powerState"] == "VM running"
    assert {rule["name"].rpartition("/")[2] for each in said["groups"]["value"] for rule in each["effectiveSecurityRules"]} >= {"ssh"}
    assert ("0.0.0.0/0", "VirtualAppliance", "10.0.1.10") in routes(said["routes"])
    assert (said["hop"]["nextHopType"], said["hop"]["nextHopIpAddress"]) == ("VirtualAppliance", "10.0.1.10")
    assert said["hop"]["routeTableId"].endswith("/udr")
    assert said["storage"]["primaryEndpoints"]["blob"] == "https://labstorage001.blob.core.windows.net/"
    assert "PowerState/deallocated" in [each["code"] for each in said["off"]["instanceView"]["statuses"]]
    assert said["left"] == []
    assert {each["type"] for each in said["resources"]} >= {"Microsoft.Network/natGateways", "Microsoft.Storage/storageAccounts"}
