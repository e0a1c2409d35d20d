"""Load balancers: kept with all of their parts; an internal one with backends is a next hop of the network (R116)."""

from __future__ import annotations

from typing import Any

from dualhome.arm.errors import bad_request
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.addresses import check_address, free_public
from dualhome.arm.kinds.base import Call, Context, Data, Kind
from dualhome.arm.kinds.networks import NETWORKS, guid_of, ranges_of, used_in
from dualhome.arm.kinds.ranges import address, free_in, network_of
from dualhome.arm.records import Record


class LoadBalancer(Kind):
    """A load balancer."""

    type = "Microsoft.Network/loadBalancers"
    handle = True
    parts = (
        "frontendIPConfigurations",
        "backendAddressPools",
        "loadBalancingRules",
        "probes",
        "inboundNatRules",
        "outboundRules",
        "inboundNatPools",
    )
    in_use = (400, "InUseLoadBalancerCannotBeDeleted")

    def accept(self, call: Call) -> None:
        """Frontends in a subnet or with a public address."""
        sku = call.body.setdefault("sku", {})
        sku.setdefault("name", "Standard")
        sku.setdefault("tier", "Regional")
        for name in self.parts:
            call.properties.setdefault(name, [])
        before = {
            part["name"].lower(): part["properties"]
            for part in (call.old.properties.get("frontendIPConfigurations") or [] if call.old else [])
        }
        mine: set[str] = set()
        for part in call.properties["frontendIPConfigurations"]:
            self._front(call, part, before.get(part["name"].lower()) or {}, mine)
        for word, target in (
            ("frontendIPConfiguration", "frontendIPConfigurations"),
            ("backendAddressPool", "backendAddressPools"),
            ("probe", "probes"),
        ):
            known = {part["name"].lower() for part in call.properties[target]}
            for rule in call.properties["loadBalancingRules"]:
                reference = rule["properties"].get(word)
                if reference is not None and str(reference.get("id", "")).rpartition("/")[2].lower() not in known:
                    raise bad_request(
                        "InvalidResourceReference",
                        f"Resource {reference.get('id')} referenced by resource {call.text}/loadBalancingRules/{rule['name']} was not found.",
                    )

    def _front(self, call: Call, part: Data, before: Data, mine: set[str]) -> None:
        values, by = part["properties"], f"{call.text}/frontendIPConfigurations/{part['name']}"
        if (public := values.get("publicIPAddress")) is not None:
            values["publicIPAddress"] = {"id": free_public(call.context, str(public.get("id")), by, call.text).id}
            return
        if values.get("subnet") is None:
            raise bad_request("InvalidRequestFormat", f"Frontend {by} needs a subnet or a publicIPAddress.")
        subnet = call.context.referred(values["subnet"], by, f"{NETWORKS}/subnets")
        values["subnet"] = {"id": subnet.id}
        ranges = [network_of(each) for each in ranges_of(subnet) if ":" not in each]
        taken = {known: user for known, user in used_in(call.context, subnet).items() if key_of(user) != call.id.key} | dict.fromkeys(
            mine, call.text
        )
        wanted = values.get("privateIPAddress") or before.get("privateIPAddress")
        values.setdefault("privateIPAllocationMethod", "Static" if values.get("privateIPAddress") else "Dynamic")
        if wanted:
            wanted = address(wanted, by)
            check_address(wanted, ranges, taken, subnet, by)
        else:
            wanted = next(iter(free_in(ranges, taken)), None)
        if wanted is None:
            raise bad_request("SubnetIsFull", f"Subnet {subnet.name} does not have enough capacity for 1 IP addresses.")
        values["privateIPAddress"] = wanted
        mine.add(wanted)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Which NICs are in the pools, which rules use a part."""
        members: dict[str, list[Any]] = {}
        for nic in context.records.referrers(record.id):
            for part in nic.properties.get("ipConfigurations") or []:
                for pool in (part.get("properties") or {}).get("loadBalancerBackendAddressPools") or []:
                    members.setdefault(key_of(pool["id"]), []).append({"id": f"{nic.id}/ipConfigurations/{part['name']}"})
        for pool in properties["backendAddressPools"]:
            pool["properties"]["backendIPConfigurations"] = members.get(key_of(pool["id"]), [])
        for word, target in (
            ("frontendIPConfiguration", "frontendIPConfigurations"),
            ("backendAddressPool", "backendAddressPools"),
            ("probe", "probes"),
        ):
            for part in properties[target]:
                rules = [
                    {"id": rule["id"]}
                    for rule in properties["loadBalancingRules"]
                    if key_of((rule["properties"].get(word) or {}).get("id", "")) == key_of(part["id"])
                ]
                if rules:
                    part["properties"]["loadBalancingRules"] = rules
        properties["resourceGuid"] = guid_of(record)


KINDS = (LoadBalancer(),)
