"""Public addresses and network interfaces."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from dualhome.arm.errors import bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.base import Call, Context, Data, Kind
from dualhome.arm.kinds.networks import NETWORKS, guid_of, ranges_of, used_in
from dualhome.arm.kinds.ranges import address, free_in, network_of
from dualhome.arm.kinds.security import defaults
from dualhome.arm.records import Record

PUBLIC: Final = "Microsoft.Network/publicIPAddresses"
NICS: Final = "Microsoft.Network/networkInterfaces"
POOL: Final = ipaddress.ip_network("20.64.0.0/12")  # of Azure's own ranges; nothing is sent there
NO_NICS: Final = ("gatewaysubnet", "routeserversubnet", "azurebastionsubnet", "azurefirewallsubnet")


class PublicAddress(Kind):
    """An address of the Internet: kept, given to one ipConfiguration at most."""

    type = PUBLIC
    in_use = (400, "PublicIPAddressCannotBeDeleted")
    read_only = frozenset(("ipConfiguration",))

    def accept(self, call: Call) -> None:
        """Standard ones are static; Basic ones were retired in 2025 and still accepted. A dynamic one that names no SKU is Basic, as in older templates."""
        given = call.properties
        sku = call.body.setdefault("sku", dict(call.old.body.get("sku") or {}) if call.old else {})
        sku.setdefault("name", "Basic" if str(given.get("publicIPAllocationMethod")).lower() == "dynamic" else "Standard")
        sku.setdefault("tier", "Regional")
        method = str(given.setdefault("publicIPAllocationMethod", "Static" if sku["name"] != "Basic" else "Dynamic")).capitalize()
        if method not in ("Static", "Dynamic"):
            raise bad_request("InvalidRequestFormat", f"publicIPAllocationMethod of {call.text} is Static or Dynamic, not {method}.")
        if sku["name"].lower().startswith("standard") and method == "Dynamic":
            raise bad_request(
                "StandardSkuPublicIPAddressMustBeStatic", f"Standard sku publicIp {call.text} must have AllocationMethod set to Static."
            )
        given["publicIPAllocationMethod"] = method
        given.setdefault("publicIPAddressVersion", "IPv4")
        given.setdefault("idleTimeoutInMinutes", 4)
        if call.old is not None and call.old.properties.get("ipAddress"):
            given["ipAddress"] = call.old.properties["ipAddress"]
        elif given["publicIPAddressVersion"] == "IPv4":
            number = int(call.context.settings.get("first_public", 0)) + call.context.records.number + 1
            given["ipAddress"] = str(POOL[1 + number % (POOL.num_addresses - 2)])
        if (dns := given.get("dnsSettings")) and dns.get("domainNameLabel"):
            dns["fqdn"] = f"{dns['domainNameLabel']}.{call.body['location']}.cloudapp.azure.com"

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Who has it."""
        for user in context.records.referrers(record.id):
            for part in user.properties.get("ipConfigurations") or user.properties.get("frontendIPConfigurations") or []:
                if key_of(((part.get("properties") or {}).get("publicIPAddress") or {}).get("id", "")) == record.key:
                    word = "ipConfigurations" if user.properties.get("ipConfigurations") else "frontendIPConfigurations"
                    properties["ipConfiguration"] = {"id": f"{user.id}/{word}/{part['name']}"}
            if user.type.lower() == "microsoft.network/virtualhubs/ipconfigurations":
                properties["ipConfiguration"] = {"id": user.id}
        properties["resourceGuid"] = guid_of(record)


def free_public(context: Context, id_: str, by: str, own: str) -> Record:
    """The public address that a configuration asks for, if nobody else has it.

    Raises:
        ArmError: 400 InvalidResourceReference, PublicIPAddressInUse.
    """
    record = context.referred({"id": id_}, by, PUBLIC)
    others = [each for each in context.records.referrers(record.id) if each.key not in (own.lower(), by.lower())]
    others = [each for each in others if each.type.lower() != "microsoft.network/natgateways"]
    if others:
        raise bad_request(
            "PublicIPAddressInUse",
            f"Resource {by} is referencing public IP address {record.id} that is already allocated to resource {others[0].id}.",
        )
    return record


class NetworkInterface(Kind):
    """A NIC: its addresses, and what its routes are."""

    type = NICS
    parts = ("ipConfigurations",)
    read_only = frozenset(("virtualMachine", "macAddress", "primary", "hostedWorkloads", "tapConfigurations", "vnetEncryptionSupported"))
    in_use = (400, "NicInUse")
    handle = True
    actions = {"effectiveroutetable": "effective_routes", "effectivenetworksecuritygroups": "effective_groups"}

    def accept(self, call: Call) -> None:
        """Each configuration in a subnet, with an address that is free."""
        given = call.properties
        parts = given.get("ipConfigurations")
        if not parts:
            raise bad_request("InvalidRequestFormat", f"Network interface {call.id.name} needs at least one of ipConfigurations.")
        given.setdefault("enableIPForwarding", False)
        given.setdefault("enableAcceleratedNetworking", False)
        given.setdefault("dnsSettings", {"dnsServers": [], "appliedDnsServers": []})
        before = {
            part["name"].lower(): part["properties"] for part in (call.old.properties.get("ipConfigurations") or [] if call.old else [])
        }
        mine: set[str] = set()
        primary = next((part for part in parts if part["properties"].get("primary")), parts[0])
        networks = set()
        for part in parts:
            networks.add(self._place(call, part, before.get(part["name"].lower()), mine))
            part["properties"]["primary"] = part is primary
        if len(networks) > 1:
            raise bad_request("IpConfigurationsMustBeInSameVnet", f"All ipConfigurations of {call.text} must be in one virtual network.")
        call.reference("networkSecurityGroup", type_="Microsoft.Network/networkSecurityGroups")

    def _place(self, call: Call, part: Data, before: Data | None, mine: set[str]) -> str:
        values = part["properties"]
        by = f"{call.text}/ipConfigurations/{part['name']}"
        subnet = call.context.referred(values.get("subnet"), by, f"{NETWORKS}/subnets")
        values["subnet"] = {"id": subnet.id}
        if subnet.name.lower() in NO_NICS:
            raise bad_request(
                "SubnetIsReservedForGateways", f"Network interface {call.text} cannot be in subnet {subnet.id}, which is reserved."
            )
        version = str(values.setdefault("privateIPAddressVersion", "IPv4"))
        ranges = [network_of(each) for each in ranges_of(subnet) if (":" in each) == (version == "IPv6")]
        taken = {known: user for known, user in used_in(call.context, subnet).items() if key_of(user) != call.id.key} | dict.fromkeys(
            mine, call.text
        )
        method = str(values.setdefault("privateIPAllocationMethod", "Static" if values.get("privateIPAddress") else "Dynamic")).capitalize()
        values["privateIPAllocationMethod"] = method
        wanted = values.get("privateIPAddress") if method == "Static" else (before or {}).get("privateIPAddress")
        if wanted and method == "Static":
            wanted = address(wanted, by)
            check_address(wanted, ranges, taken, subnet, by)
        elif not wanted or wanted in taken or not any(ipaddress.ip_address(wanted) in each for each in ranges):
            wanted = next(iter(free_in(ranges, taken)), None)
        if wanted is None:
            raise bad_request(
                "SubnetIsFull",
                f"Subnet {subnet.name} with address prefix {', '.join(map(str, ranges))} does not have enough capacity for 1 IP addresses.",
            )
        values["privateIPAddress"] = wanted
        mine.add(wanted)
        if (public := values.get("publicIPAddress")) is not None:
            values["publicIPAddress"] = {"id": free_public(call.context, str(public.get("id")), by, call.text).id, **_own(public)}
        for word in ("loadBalancerBackendAddressPools", "applicationSecurityGroups", "loadBalancerInboundNatRules"):
            values_ = values.get(word)
            if values_:
                values[word] = [{"id": _existing(call, each, by, word)} for each in values_]
        return subnet.key.rpartition("/subnets/")[0]

    def leaves(self, context: Context, record: Record) -> None:
        """Not while a VM has it."""
        vms = [
            each
            for each in context.records.referrers(record.id)
            if each.key not in context.going and each.type.lower() == "microsoft.compute/virtualmachines"
        ]
        if vms:
            raise bad_request(
                "NicInUse",
                f"Network Interface {record.id} is used by existing resource {vms[0].id}. In order to delete the network interface, it must be dissociated from the resource.",
            )

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Its VM and MAC address."""
        properties["macAddress"] = f"00-0D-3A-{record.number >> 16 & 255:02X}-{record.number >> 8 & 255:02X}-{record.number & 255:02X}"
        vm = machine_of(context, record)
        if vm is not None:
            listed = (vm.properties.get("networkProfile") or {}).get("networkInterfaces") or []
            mine: Data = next((each for each in listed if key_of(each.get("id", "")) == record.key), {})
            properties["virtualMachine"] = {"id": vm.id}
            properties["primary"] = len(listed) == 1 or bool((mine.get("properties") or {}).get("primary"))
        properties["resourceGuid"] = guid_of(record)
        properties.setdefault("hostedWorkloads", [])
        properties.setdefault("nicType", "Standard")

    async def effective_routes(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """effectiveRouteTable (R192), with the names of user-defined routes."""
        names, table = {}, table_of(context, record)
        if table is not None:
            names = {each.properties["addressPrefix"]: each.name for each in context.records.children(table.id, "routes")}
        found = await context.network.effective_routes(record.key)
        off = bool(table.properties.get("disableBgpRoutePropagation")) if table else False
        value = [
            {**row, "disableBgpRoutePropagation": off, **({"name": names.get(row["addressPrefix"][0])} if row["source"] == "User" else {})}
            for row in found["value"]
        ]
        return {"value": value, "nextLink": None}

    async def effective_groups(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """effectiveNetworkSecurityGroups: those of the NIC and of its subnet, each with all of its rules."""
        found = []
        own = context.get((record.properties.get("networkSecurityGroup") or {}).get("id"))
        if own is not None:
            found.append(_effective_group(context, own, {"networkInterface": {"id": record.id}}))
        for part in record.properties["ipConfigurations"]:
            subnet = context.get(part["properties"]["subnet"]["id"])
            group = context.get((subnet.properties.get("networkSecurityGroup") or {}).get("id")) if subnet else None
            if group is not None and subnet is not None:
                found.append(_effective_group(context, group, {"subnet": {"id": subnet.id}}))
        return {"value": found}


def machine_of(context: Context, nic: Record) -> Record | None:
    """The virtual machine that has a NIC."""
    return next((each for each in context.records.referrers(nic.id) if each.type.lower() == "microsoft.compute/virtualmachines"), None)


def table_of(context: Context, nic: Record) -> Record | None:
    """The route table of a NIC's subnet."""
    subnets = [context.get(part["properties"]["subnet"]["id"]) for part in nic.properties["ipConfigurations"]]
    tables = [context.get((subnet.properties.get("routeTable") or {}).get("id")) for subnet in subnets if subnet is not None]
    return next((table for table in tables if table is not None), None)


def check_address(wanted: str, ranges: list[Any], taken: dict[str, str], subnet: Record, by: str) -> None:
    """A static address within its subnet, neither reserved nor taken. ArmError 400."""
    where = next((each for each in ranges if ipaddress.ip_address(wanted) in each), None)
    if where is None:
        raise bad_request(
            "PrivateIPAddressNotInSubnet",
            f"Private static IP address {wanted} does not belong to the range of subnet prefix {', '.join(map(str, ranges))}.",
        )
    reserved = {str(where[place]) for place in range(min(4, where.num_addresses))} | ({str(where[-1])} if where.version == 4 else set())
    if wanted in reserved:
        raise bad_request(
            "PrivateIPAddressInReservedRange",
            f"Private static IP address {wanted} falls within reserved IP range of subnet prefix {where}.",
        )
    if wanted in taken:
        raise bad_request(
            "PrivateIPAddressIsAllocated",
            f"IP configuration {by} is using the private IP address {wanted} which is already allocated to resource {taken[wanted]}.",
        )


def _own(reference: Data) -> Data:
    """What a VM's template says of the address beside its id (deleteOption)."""
    option = (reference.get("properties") or {}).get("deleteOption")
    return {"properties": {"deleteOption": option}} if option else {}


def _existing(call: Call, reference: Any, by: str, word: str) -> str:
    """A pool or group that is there; a pool is a part of its load balancer."""
    id_ = str(reference.get("id", "")) if isinstance(reference, dict) else ""
    if word != "loadBalancerBackendAddressPools":
        return call.context.referred(reference, by).id if word == "applicationSecurityGroups" else id_
    balancer = call.context.referred({"id": "/".join(id_.rstrip("/").split("/")[:-2])}, by, "Microsoft.Network/loadBalancers")
    pools = balancer.properties.get("backendAddressPools") or []
    pool = next((each for each in pools if each["name"].lower() == id_.rpartition("/")[2].lower()), None)
    if pool is None:
        raise bad_request("InvalidResourceReference", f"Resource {id_} referenced by resource {by} was not found.")
    return f"{balancer.id}/backendAddressPools/{pool['name']}"


def _effective_group(context: Context, group: Record, association: Data) -> Data:
    rules = [{"name": f"securityRules/{each.name}", **each.properties} for each in context.records.children(group.id, "securityRules")]
    rules += [{"name": f"defaultSecurityRules/{each['name']}", **each["properties"]} for each in defaults(group, "Succeeded")]
    for rule in rules:
        rule.pop("provisioningState", None)
    return {
        "networkSecurityGroup": {"id": group.id},
        "association": association,
        "effectiveSecurityRules": sorted(rules, key=lambda each: each["priority"]),
    }


KINDS = (PublicAddress(), NetworkInterface())
