"""The article's ExpressRoute network by azure-mgmt-network and azure-mgmt-compute: built, read, an NVA deleted, read again.

`dualhome serve &`, `eval "$(dualhome env)"`, then run this with a Python that has the two packages and azure-identity. What it reads is written into $OUT.
"""

import base64
import json
import os
import pathlib
import tempfile

from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

HERE = pathlib.Path(__file__).parent
URL, SUBSCRIPTION = os.environ["AZURE_RESOURCE_MANAGER_URL"], os.environ["AZURE_SUBSCRIPTION_ID"]
GROUP, LOCATION = os.environ.get("RG", "dual-homed-sdk"), "westeurope"
OUT = pathlib.Path(os.environ.get("OUT") or tempfile.mkdtemp())

credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    authority=URL,
    disable_instance_discovery=True,
)
at = {"base_url": URL, "credential_scopes": [f"{URL}/.default"]}
groups = ResourceManagementClient(credential, SUBSCRIPTION, **at)
net = NetworkManagementClient(credential, SUBSCRIPTION, **at)
compute = ComputeManagementClient(credential, SUBSCRIPTION, **at)


def ref(path: str) -> dict:
    """A reference to a resource of Microsoft.Network."""
    return {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{path}"}


def networks() -> None:
    """Virtual networks, route tables, peerings."""
    for hub in (1, 2):
        route = {
            "name": "spoke",
            "properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "VirtualAppliance", "nextHopIpAddress": f"10.{hub}.2.4"},
        }
        net.route_tables.begin_create_or_update(
            GROUP, f"gateway{hub}-to-nva", {"location": LOCATION, "properties": {"routes": [route]}}
        ).result()
        gateway = {"addressPrefix": f"10.{hub}.1.0/27", "routeTable": ref(f"routeTables/gateway{hub}-to-nva")}
        subnets = {
            "RouteServerSubnet": {"addressPrefix": f"10.{hub}.0.0/26"},
            "GatewaySubnet": gateway,
            "nva": {"addressPrefix": f"10.{hub}.2.0/24"},
        }
        network(f"hub{hub}", f"10.{hub}.0.0/16", subnets)
    network(
        "spoke", "10.10.0.0/16", {"RouteServerSubnet": {"addressPrefix": "10.10.0.0/26"}, "workload": {"addressPrefix": "10.10.1.0/24"}}
    )
    for hub in ("hub1", "hub2"):
        for local, remote in (("spoke", hub), (hub, "spoke")):
            flags = {
                "allowVirtualNetworkAccess": True,
                "allowForwardedTraffic": True,
                "remoteVirtualNetwork": ref(f"virtualNetworks/{remote}"),
            }
            net.virtual_network_peerings.begin_create_or_update(GROUP, local, f"to-{remote}", {"properties": flags}).result()


def network(name: str, space: str, subnets: dict) -> None:
    """One virtual network."""
    listed = [{"name": each, "properties": properties} for each, properties in subnets.items()]
    body = {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": [space]}, "subnets": listed}}
    net.virtual_networks.begin_create_or_update(GROUP, name, body).result()


def public(name: str) -> dict:
    """A public address."""
    body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    return {"id": net.public_ip_addresses.begin_create_or_update(GROUP, name, body).result().id}


def machine(name: str, vnet: str, subnet: str, forwards: bool) -> None:
    """A NIC and its machine; an NVA's user data says what it announces."""
    part = {"name": "ipconfig1", "properties": {"subnet": ref(f"virtualNetworks/{vnet}/subnets/{subnet}")}}
    body = {"location": LOCATION, "properties": {"enableIPForwarding": forwards, "ipConfigurations": [part]}}
    nic = net.network_interfaces.begin_create_or_update(GROUP, f"{name}-nic", body).result()
    properties = {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "networkProfile": {"networkInterfaces": [{"id": nic.id}]},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "0001-com-ubuntu-server-jammy",
                "sku": "22_04-lts-gen2",
                "version": "latest",
            }
        },
        "osProfile": {"computerName": name, "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": True}},
    }
    if (told := HERE / f"{name}.yaml").exists():
        properties["userData"] = base64.b64encode(told.read_bytes()).decode()
    compute.virtual_machines.begin_create_or_update(GROUP, name, {"location": LOCATION, "properties": properties}).result()


def route_server(name: str, exchange: bool) -> None:
    """A route server in its network."""
    hub = {"location": LOCATION, "properties": {"sku": "Standard", "allowBranchToBranchTraffic": exchange}}
    net.virtual_hubs.begin_create_or_update(GROUP, f"{name}-rs", hub).result()
    place = {
        "properties": {"subnet": ref(f"virtualNetworks/{name}/subnets/RouteServerSubnet"), "publicIPAddress": public(f"{name}-rs-pip")}
    }
    net.virtual_hub_ip_configuration.begin_create_or_update(GROUP, f"{name}-rs", "Default", place).result()


def branch(hub: int) -> None:
    """Gateway, circuit and connection."""
    part = {
        "name": "default",
        "properties": {"subnet": ref(f"virtualNetworks/hub{hub}/subnets/GatewaySubnet"), "publicIPAddress": public(f"hub{hub}-er-pip")},
    }
    body = {
        "location": LOCATION,
        "properties": {"gatewayType": "ExpressRoute", "sku": {"name": "ErGw1AZ", "tier": "ErGw1AZ"}, "ipConfigurations": [part]},
    }
    net.virtual_network_gateways.begin_create_or_update(GROUP, f"hub{hub}-er", body).result()
    behind = f"{{name: dc-r{hub}, prefixes: [192.168.0.0/16], export: {{circuit{hub}: [{{match: {{learned_from: [self]}}}}, {{actions: {{prefix: drop}}}}]}}}}"
    provider = {"serviceProviderName": "Equinix", "peeringLocation": "Amsterdam", "bandwidthInMbps": 50}
    circuit = {"location": LOCATION, "tags": {"dualhome": behind}, "properties": {"serviceProviderProperties": provider}}
    net.express_route_circuits.begin_create_or_update(GROUP, f"circuit{hub}", circuit).result()
    first = 8 * hub - 8
    links = {"primaryPeerAddressPrefix": f"169.254.0.{first}/30", "secondaryPeerAddressPrefix": f"169.254.0.{first + 4}/30"}
    peering = {"properties": {"peeringType": "AzurePrivatePeering", "peerASN": 65010, "vlanId": 100, **links}}
    net.express_route_circuit_peerings.begin_create_or_update(GROUP, f"circuit{hub}", "AzurePrivatePeering", peering).result()
    ends = {"virtualNetworkGateway1": ref(f"virtualNetworkGateways/hub{hub}-er"), "peer": ref(f"expressRouteCircuits/circuit{hub}")}
    connection = {"location": LOCATION, "properties": {"connectionType": "ExpressRoute", **ends}}
    net.virtual_network_gateway_connections.begin_create_or_update(GROUP, f"hub{hub}-circuit{hub}", connection).result()


def tables(word: str) -> None:
    """What is learned, advertised and in force, as JSON."""
    (OUT / word).mkdir(parents=True, exist_ok=True)
    for hub in (1, 2):
        for what, ask in (
            ("learned", net.virtual_hub_bgp_connections.begin_list_learned_routes),
            ("advertised", net.virtual_hub_bgp_connections.begin_list_advertised_routes),
        ):
            found = ask(GROUP, "spoke-rs", f"hub{hub}-nva").result()
            rows = {role: [dict(row) for row in listed] for role, listed in found.items()}
            (OUT / word / f"{what}-hub{hub}-nva.json").write_text(json.dumps(rows, default=str))
    found = net.network_interfaces.begin_get_effective_route_table(GROUP, "spoke-vm-nic").result()
    (OUT / word / "effective-spoke-vm.json").write_text(json.dumps({"value": [row.as_dict() for row in found.value]}))


groups.resource_groups.create_or_update(GROUP, {"location": LOCATION})
networks()
for each in (("hub1-nva", "hub1", "nva", True), ("hub2-nva", "hub2", "nva", True), ("spoke-vm", "spoke", "workload", False)):
    machine(*each)
for each in ("spoke", "hub1", "hub2"):
    route_server(each, exchange=each != "spoke")
for each in (1, 2):
    branch(each)
    for server in ("spoke-rs", f"hub{each}-rs"):
        peer = {"properties": {"peerIp": f"10.{each}.2.4", "peerAsn": 65000 + each}}
        net.virtual_hub_bgp_connection.begin_create_or_update(GROUP, server, f"hub{each}-nva", peer).result()
tables("before")
compute.virtual_machines.begin_delete(GROUP, "hub1-nva").result()
tables("after")
print(OUT)
