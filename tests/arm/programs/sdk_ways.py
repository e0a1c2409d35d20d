"""What the SDK makes of a server's ways: each function is a check, named on the command line; what it saw is printed as JSON. For tests/arm/test_ways.py."""

import json
import os
import sys
import time
from collections import Counter

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import AddressSpace, Subnet, VirtualNetwork
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient


class Statuses(SansIOHTTPPolicy):
    """Counts the status of every answer, those that a retry follows too."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()

    def on_response(self, request, response) -> None:
        self.seen[response.http_response.status_code] += 1


URL, SUBSCRIPTION = os.environ["AZURE_RESOURCE_MANAGER_URL"], os.environ["AZURE_SUBSCRIPTION_ID"]
AT = {"base_url": URL, "credential_scopes": [f"{URL}/.default"], "retry_backoff_factor": 0.05, "polling_interval": 1}
credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    authority=URL,
    disable_instance_discovery=True,
)
groups = ResourceManagementClient(credential, SUBSCRIPTION, **AT)
statuses = Statuses()
net = NetworkManagementClient(credential, SUBSCRIPTION, per_retry_policies=[statuses], **AT)
compute = ComputeManagementClient(credential, SUBSCRIPTION, **AT)
deployments = DeploymentsMgmtClient(credential, SUBSCRIPTION, **AT)
WHERE = {"location": "westeurope"}


def ref(path: str) -> dict:
    return {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/{path}"}


def space(prefix: str, *subnets: dict) -> dict:
    return {**WHERE, "properties": {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": list(subnets)}}


def changes() -> dict:
    """A network, a route server with a peer, its routes; then all is deleted: every poller is waited for."""
    groups.resource_groups.create_or_update("rg", WHERE)
    rs = {"name": "RouteServerSubnet", "properties": {"addressPrefix": "10.0.0.0/26"}}
    made = net.virtual_networks.begin_create_or_update("rg", "hub", space("10.0.0.0/16", rs)).result()
    model = VirtualNetwork(
        location="westeurope",
        address_space=AddressSpace(address_prefixes=["10.1.0.0/16"]),
        subnets=[Subnet(name="a", address_prefix="10.1.0.0/24")],
    )
    spoke = net.virtual_networks.begin_create_or_update("rg", "spoke", model).result()
    for one, other in (("hub", "spoke"), ("spoke", "hub")):
        body = {"properties": {"remoteVirtualNetwork": ref(f"virtualNetworks/{other}"), "allowVirtualNetworkAccess": True}}
        peering = net.virtual_network_peerings.begin_create_or_update("rg", one, "p", body).result()
    net.public_ip_addresses.begin_create_or_update(
        "rg", "ip", {**WHERE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    ).result()
    net.virtual_hubs.begin_create_or_update("rg", "rs", {**WHERE, "properties": {"sku": "Standard"}}).result()
    at = {"subnet": ref("virtualNetworks/hub/subnets/RouteServerSubnet"), "publicIPAddress": ref("publicIPAddresses/ip")}
    net.virtual_hub_ip_configuration.begin_create_or_update("rg", "rs", "one", {"properties": at}).result()
    peer = net.virtual_hub_bgp_connection.begin_create_or_update(
        "rg", "rs", "nva", {"properties": {"peerIp": "10.1.0.4", "peerAsn": 65001}}
    ).result()
    learned = net.virtual_hub_bgp_connections.begin_list_learned_routes("rg", "rs", "nva").result()
    found = {
        "made": [made.properties.provisioning_state, spoke.properties.subnets[0].name, peering.properties.peering_state],
        "peer": [peer.properties.peer_ip, peer.properties.peer_asn],
        "learned": sorted(dict(learned)),
    }
    for poller in (
        net.virtual_hub_bgp_connection.begin_delete("rg", "rs", "nva"),
        net.virtual_hub_ip_configuration.begin_delete("rg", "rs", "one"),
    ):
        poller.result()
    net.virtual_hubs.begin_delete("rg", "rs").result()
    groups.resource_groups.begin_delete("rg").result()
    return found | {"groups": [each.name for each in groups.resource_groups.list()]}


def errors() -> dict:
    """What the SDK raises."""
    found = {}
    groups.resource_groups.create_or_update("rg", WHERE)
    net.virtual_networks.begin_create_or_update(
        "rg", "net", space("10.0.0.0/16", {"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}})
    ).result()
    part = {"name": "one", "properties": {"subnet": ref("virtualNetworks/net/subnets/a")}}
    net.network_interfaces.begin_create_or_update("rg", "nic", {**WHERE, "properties": {"ipConfigurations": [part]}}).result()
    tries = {
        "missing": lambda: net.virtual_networks.get("rg", "none"),
        "no group": lambda: net.virtual_networks.begin_create_or_update("none", "x", space("10.0.0.0/16")).result(),
        "overlap": lambda: net.subnets.begin_create_or_update("rg", "net", "b", {"properties": {"addressPrefix": "10.0.0.0/25"}}).result(),
        "in use": lambda: net.subnets.begin_delete("rg", "net", "a").result(),
        "etag": lambda: net.virtual_networks.begin_create_or_update(
            "rg", "net", space("10.0.0.0/16"), headers={"If-Match": '"none"'}
        ).result(),
        "there": lambda: net.virtual_networks.begin_create_or_update(
            "rg", "net", space("10.0.0.0/16"), headers={"If-None-Match": "*"}
        ).result(),
    }
    for name, what in tries.items():
        try:
            what()
            found[name] = ["nothing was raised"]
        except HttpResponseError as error:
            kind = [each.__name__ for each in (ResourceNotFoundError, ResourceExistsError) if isinstance(error, each)]
            found[name] = [*kind, error.status_code, error.error.code if error.error else None]
    return found


def fails() -> dict:
    """Operations that end Failed and Canceled, as pollers see them."""
    groups.resource_groups.create_or_update("rg", WHERE)
    found = {}
    for name, resources in (
        (
            "Failed",
            [
                table("good"),
                {
                    **table("bad"),
                    "properties": {
                        "routes": [{"name": "x", "properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "VirtualAppliance"}}]
                    },
                },
            ],
        ),
        ("Canceled", [table(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(60)]),
    ):
        content = {
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "resources": resources,
        }
        body = {"properties": {"mode": "Incremental", "template": content}}
        try:
            poller = deployments.deployments.begin_create_or_update("rg", name, body)
            if name == "Canceled":
                deployments.deployments.cancel("rg", name)
            poller.result()
            found[name] = ["nothing was raised"]
        except HttpResponseError as error:
            found[name] = [error.error.code if error.error else str(error)]
        found[name].append(deployments.deployments.get("rg", name).properties.provisioning_state)
    return found


def table(name: str, *needs: str) -> dict:
    depends = [f"[resourceId('Microsoft.Network/routeTables', '{each}')]" for each in needs]
    return {
        "type": "Microsoft.Network/routeTables",
        "apiVersion": "2024-05-01",
        "name": name,
        "location": "westeurope",
        "dependsOn": depends,
        "properties": {},
    }


def pages() -> dict:
    """A list that is longer than a page."""
    groups.resource_groups.create_or_update("rg", WHERE)
    loop = {**table("[format('t{0}', copyIndex())]"), "copy": {"name": "l", "count": 1100, "mode": "Parallel"}}
    halves = [{**loop, "name": f"[format('{word}{{0}}', copyIndex())]", "copy": {"name": word, "count": 550}} for word in ("a", "b")]
    content = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": halves,
    }
    deployments.deployments.begin_create_or_update("rg", "many", {"properties": {"mode": "Incremental", "template": content}}).result()
    listed = net.route_tables.list("rg").by_page()
    return {"pages": [len(list(each)) for each in listed]}


def patience() -> dict:
    """Many small changes, one after the other, through what goes wrong on the way."""
    begun = time.monotonic()
    groups.resource_groups.create_or_update("rg", WHERE)
    for number in range(8):
        net.route_tables.begin_create_or_update("rg", f"t{number}", {**WHERE, "properties": {}}).result()
    names = sorted(each.name for each in net.route_tables.list("rg"))
    return {"names": names, "seconds": time.monotonic() - begun, "statuses": statuses.seen}


def expiry() -> dict:
    """One operation that outlasts several tokens; how many were asked for while it lasted."""
    groups.resource_groups.create_or_update("rg", WHERE)
    tokens = []
    get_token_info = credential.get_token_info

    def watched(*scopes: str, **options) -> object:
        token = get_token_info(*scopes, **options)
        tokens.append(token.token)
        return token

    credential.get_token_info = watched
    begun = time.monotonic()
    made = net.route_tables.begin_create_or_update("rg", "t", {**WHERE, "properties": {}}).result()
    seconds = time.monotonic() - begun
    return {"name": made.name, "seconds": seconds, "tokens": len(set(tokens)), "statuses": statuses.seen}


def final_states() -> dict:
    """What a poller gives in the end for each place that an SDK may look for it in."""
    groups.resource_groups.create_or_update("rg", WHERE)
    found = {}
    for via in (None, "azure-async-operation", "location", "original-uri"):
        declared = {"final-state-via": via} if via else None
        put = net.route_tables.begin_create_or_update("rg", "t", {**WHERE, "properties": {}}, polling=ARMPolling(0, lro_options=declared))
        made = put.result()
        gone = net.route_tables.begin_delete("rg", "t", polling=ARMPolling(0, lro_options=declared))
        left = gone.result()
        found[str(via)] = [put.status(), made.name, made.properties.provisioning_state, gone.status(), left]
    return found


def routing_state() -> dict:
    """A hub's routingState until it is Provisioned."""
    groups.resource_groups.create_or_update("rg", WHERE)
    rs = {"name": "RouteServerSubnet", "properties": {"addressPrefix": "10.0.0.0/26"}}
    net.virtual_networks.begin_create_or_update("rg", "hub", space("10.0.0.0/16", rs)).result()
    body = {**WHERE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    net.public_ip_addresses.begin_create_or_update("rg", "ip", body).result()
    net.virtual_hubs.begin_create_or_update("rg", "rs", {**WHERE, "properties": {"sku": "Standard"}}).result()
    at = {"subnet": ref("virtualNetworks/hub/subnets/RouteServerSubnet"), "publicIPAddress": ref("publicIPAddresses/ip")}
    net.virtual_hub_ip_configuration.begin_create_or_update("rg", "rs", "one", {"properties": at}).result()
    seen, end = [], time.monotonic() + 20
    while time.monotonic() < end and (not seen or seen[-1] != "Provisioned"):
        state = net.virtual_hubs.get("rg", "rs").properties.routing_state.value
        seen += [state] if state not in seen else []
        time.sleep(0.2)
    return {"seen": seen}


print(json.dumps(globals()[sys.argv[1]](), default=str))
