"""Network security groups: kept, shown with Azure's default rules, and judged by the network where a subnet has one."""

from __future__ import annotations

from typing import Any, Final

from dualhome.arm.errors import bad_request
from dualhome.arm.kinds.base import Call, Context, Data, Kind
from dualhome.arm.kinds.networks import guid_of
from dualhome.arm.records import Record

GROUPS: Final = "Microsoft.Network/networkSecurityGroups"
DEFAULTS: Final = (
    ("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork", "Allow inbound traffic from all VMs in VNET"),
    (
        "AllowAzureLoadBalancerInBound",
        "Inbound",
        65001,
        "Allow",
        "AzureLoadBalancer",
        "*",
        "Allow inbound traffic from azure load balancer",
    ),
    ("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*", "Deny all inbound traffic"),
    (
        "AllowVnetOutBound",
        "Outbound",
        65000,
        "Allow",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow outbound traffic from all VMs to all VMs in VNET",
    ),
    ("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet", "Allow outbound traffic from all VMs to Internet"),
    ("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*", "Deny all outbound traffic"),
)
WORDS: Final = {
    "direction": ("Inbound", "Outbound"),
    "access": ("Allow", "Deny"),
    "protocol": ("*", "Tcp", "Udp", "Icmp", "Esp", "Ah"),
}


def defaults(record: Record, state: str) -> list[Data]:
    """defaultSecurityRules."""
    return [
        {
            "id": f"{record.id}/defaultSecurityRules/{name}",
            "name": name,
            "etag": record.etag,
            "type": f"{GROUPS}/defaultSecurityRules",
            "properties": {
                "provisioningState": state,
                "description": text,
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
                **{
                    each: []
                    for each in ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes")
                },
            },
        }
        for name, direction, priority, access, source, destination, text in DEFAULTS
    ]


class SecurityGroup(Kind):
    """A network security group."""

    type = GROUPS
    embedded = {"securityRules": "securityRules"}
    read_only = frozenset(("defaultSecurityRules", "networkInterfaces", "subnets", "flowLogs"))
    in_use = (400, "InUseNetworkSecurityGroupCannotBeDeleted")
    views = {"defaultsecurityrules": "default_rules"}

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Default rules, and who has it."""
        properties["defaultSecurityRules"] = defaults(record, properties["provisioningState"])
        for name, word in (("subnets", "/subnets"), ("networkInterfaces", "/networkinterfaces")):
            users = [{"id": each.id} for each in context.records.referrers(record.id) if each.type.lower().endswith(word)]
            if users:
                properties[name] = users
        properties["resourceGuid"] = guid_of(record)

    async def default_rules(self, context: Context, record: Record, query: Data) -> Any:
        """The list alone."""
        return {"value": defaults(record, record.provisioning_state(context.now()))}


class SecurityRule(Kind):
    """One rule."""

    type = f"{GROUPS}/securityRules"

    def accept(self, call: Call) -> None:
        """Priority 100 to 4096, once in a direction; words of Azure's."""
        given = call.properties
        for name, words in WORDS.items():
            word = next((each for each in words if each.lower() == str(given.get(name, "")).lower()), None)
            if word is None:
                raise bad_request(
                    "SecurityRuleInvalid", f"Security rule {call.id.name} needs {name}: one of {', '.join(words)}, not {given.get(name)}."
                )
            given[name] = word
        priority = given.get("priority")
        if not isinstance(priority, int) or not 100 <= priority <= 4096:
            raise bad_request(
                "SecurityRuleInvalidPriority",
                f"Security rule {call.id.name} has invalid priority {priority}. It must be between 100 and 4096.",
            )
        for end in ("source", "destination"):
            if (
                not given.get(f"{end}AddressPrefix")
                and not given.get(f"{end}AddressPrefixes")
                and not given.get(f"{end}ApplicationSecurityGroups")
            ):
                raise bad_request(
                    "SecurityRuleInvalidAddressPrefix", f"Security rule {call.id.name} needs {end}AddressPrefix or {end}AddressPrefixes."
                )
            given.setdefault(f"{end}AddressPrefixes", [])
            given.setdefault(f"{end}PortRanges", [])
        for other in call.context.records.children(call.id.above, "securityRules"):
            if other.key != call.id.key and (other.properties["priority"], other.properties["direction"]) == (priority, given["direction"]):
                raise bad_request(
                    "SecurityRuleConflict",
                    f"Security rule {call.id.name} conflicts with rule {other.name}. Rules cannot have the same Priority and Direction.",
                )


KINDS = (SecurityGroup(), SecurityRule())
