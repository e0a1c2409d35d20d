"""What stands around a network in labs: firewalls, which forward; network watchers, which look into it; storage accounts, for the logs of machines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from dualhome.arm.errors import bad_request, conflict
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.addresses import free_public, table_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.compute import power_of
from dualhome.arm.kinds.networks import NETWORKS, guid_of, ranges_of, used_in
from dualhome.arm.kinds.ranges import address, free_in, network_of
from dualhome.arm.records import Record

FIREWALL_SUBNET: Final = "azurefirewallsubnet"
STORAGE: Final = "Microsoft.Storage/storageAccounts"
STORAGE_NAME: Final = re.compile(r"[a-z0-9]{3,24}")
ENDPOINTS: Final = ("blob", "dfs", "file", "queue", "table", "web")


class Firewall(Kind):
    """An Azure Firewall in a virtual network: an address that forwards what routes send there; its rules are kept, and not applied."""

    type = "Microsoft.Network/azureFirewalls"
    parts = ("ipConfigurations",)
    handle = True
    times = Times(create=300, update=120, delete=180)

    def accept(self, call: Call) -> None:
        """Its address in AzureFirewallSubnet, once a configuration says which network that is in."""
        sku = call.properties.setdefault("sku", {"name": "AZFW_VNet", "tier": "Standard"})
        sku.setdefault("name", "AZFW_VNet")
        sku.setdefault("tier", "Standard")
        call.properties.setdefault("threatIntelMode", "Alert")
        for part in call.properties.setdefault("ipConfigurations", []):
            self._place(call, part)

    def _place(self, call: Call, part: Data) -> None:
        values, by = part["properties"], f"{call.text}/ipConfigurations/{part['name']}"
        if (public := values.get("publicIPAddress")) is not None:
            values["publicIPAddress"] = {"id": free_public(call.context, str(public.get("id")), by, call.text).id}
        if values.get("subnet") is None:
            return
        subnet = call.context.referred(values["subnet"], by, f"{NETWORKS}/subnets")
        if subnet.name.lower() != FIREWALL_SUBNET:
            raise bad_request(
                "AzureFirewallSubnetNameInvalid", f"The subnet of {call.text} has to be called AzureFirewallSubnet, not {subnet.name}."
            )
        values["subnet"] = {"id": subnet.id}
        taken = {known for known, user in used_in(call.context, subnet).items() if key_of(user) != call.id.key}
        before = next(
            (
                each["properties"].get("privateIPAddress")
                for each in (call.old.properties.get("ipConfigurations") or [] if call.old else [])
            ),
            None,
        )
        ranges = [network_of(each) for each in ranges_of(subnet) if ":" not in each]
        wanted = before or next(iter(free_in(ranges, taken)), None)
        if wanted is None:
            raise bad_request("SubnetIsFull", f"Subnet {subnet.name} does not have enough capacity for 1 IP addresses.")
        values["privateIPAddress"], values["privateIPAllocationMethod"] = wanted, "Dynamic"


class Watcher(Kind):
    """Network Watcher: which route a packet of a machine takes."""

    type = "Microsoft.Network/networkWatchers"
    actions = {"nexthop": "next_hop"}

    async def next_hop(self, context: Context, record: Record, query: Data, body: Any) -> Data:
        """The longest of the active effective routes of a machine's NIC to an address.

        Raises:
            ArmError: 400, the body names no machine or address; 409, the machine is off.
        """
        given = body if isinstance(body, Mapping) else {}
        machine = context.referred({"id": given.get("targetResourceId")}, record.id, "Microsoft.Compute/virtualMachines")
        wanted = ipaddress.ip_address(address(given.get("destinationIPAddress"), "destinationIPAddress"))
        if power_of(machine) != "running":
            raise conflict("VMNotRunning", f"Virtual machine {machine.name} is not running.")
        listed = (machine.properties.get("networkProfile") or {}).get("networkInterfaces") or []
        nics = [context.referred(each, machine.id) for each in listed]
        asked = key_of(str(given.get("targetNicResourceId") or ""))
        source = str(given.get("sourceIPAddress") or "")
        nic = next((each for each in nics if each.key == asked or source in _addresses(each)), nics[0])
        rows = (await context.network.effective_routes(nic.key))["value"]
        best = max(
            (row for row in rows if row["state"] == "Active" and wanted in network_of(row["addressPrefix"][0])),
            key=lambda row: network_of(row["addressPrefix"][0]).prefixlen,
            default=None,
        )
        if best is None:
            return {"nextHopType": "None", "nextHopIpAddress": "", "routeTableId": "System Route"}
        hops = best.get("nextHopIpAddress") or []
        table = table_of(context, nic)
        where = table.id if best["source"] == "User" and table is not None else "System Route"
        return {"nextHopType": best["nextHopType"], "nextHopIpAddress": hops[0] if hops else "", "routeTableId": where}


def _addresses(nic: Record) -> list[str]:
    return [str((part.get("properties") or {}).get("privateIPAddress")) for part in nic.properties.get("ipConfigurations") or []]


class StorageAccount(Kind):
    """A storage account: a name, and where it would be."""

    type = STORAGE
    has_etag = False
    at_once = True
    created = 200
    actions = {"listkeys": "keys"}

    def accept(self, call: Call) -> None:
        """Its name is Azure's: 3 to 24 small letters and digits."""
        if not STORAGE_NAME.fullmatch(call.id.name):
            raise bad_request(
                "AccountNameInvalid",
                f"{call.id.name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length "
                "and use numbers and lower-case letters only.",
            )
        call.body.setdefault("kind", "StorageV2")
        call.body.setdefault("sku", {"name": "Standard_LRS"})
        call.properties.setdefault("supportsHttpsTrafficOnly", True)
        call.properties.setdefault("accessTier", "Hot")

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Its addresses."""
        properties["primaryEndpoints"] = {each: f"https://{record.name}.{each}.core.windows.net/" for each in ENDPOINTS}
        properties["primaryLocation"] = record.body.get("location")
        properties["statusOfPrimary"] = "available"

    async def keys(self, context: Context, record: Record, query: Data, body: Any) -> Data:
        """listKeys: there is nothing that they would open."""
        return {"keys": [{"keyName": f"key{n}", "value": "bm8gc3RvcmFnZSBoZXJl", "permissions": "FULL"} for n in (1, 2)]}


class ManagedIdentity(Kind):
    """An identity that machines could have: its ids are there to be named; nobody logs in with it."""

    type = "Microsoft.ManagedIdentity/userAssignedIdentities"
    has_etag = False
    at_once = True
    read_only = frozenset(("principalId", "clientId", "tenantId"))

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Its ids, the same for its life."""
        properties["principalId"], properties["clientId"] = guid_of(record), guid_of(record, "client")
        properties["tenantId"] = context.settings.get("tenant")


class Workspace(Kind):
    """A Log Analytics workspace: nothing is written to it."""

    type = "Microsoft.OperationalInsights/workspaces"
    read_only = frozenset(("customerId",))
    actions = {"sharedkeys": "keys"}

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """The id by which agents name it."""
        properties["customerId"] = guid_of(record)
        properties.setdefault("retentionInDays", 30)
        properties.setdefault("sku", {"name": "PerGB2018"})

    async def keys(self, context: Context, record: Record, query: Data, body: Any) -> Data:
        """sharedKeys: there is nothing that they would open."""
        return {"primarySharedKey": "bm8gd29ya3NwYWNl", "secondarySharedKey": "bm8gd29ya3NwYWNl"}


async def storage_name(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """checkNameAvailability: no account of others is known here."""
    return {"nameAvailable": True}


async def none(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Previews to be registered, names of tags: a list of none."""
    return {"value": []}


KINDS = (Firewall(), Watcher(), StorageAccount(), ManagedIdentity(), Workspace())
LOOKUPS: Final = (
    (r"providers/Microsoft\.Storage/checkNameAvailability", storage_name),
    (r"providers/Microsoft\.Features/(?:providers/[^/]+/)?features", none),
    (r"tagNames", none),
)
