"""Resources as an ARM template, as a script of az, and a topology as the file that users write."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ruamel.yaml import YAML

from dualhome.arm.exchange.resources import Export
from dualhome.arm.exchange.sandbox import SUBSCRIPTION

Data = dict[str, Any]
SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
VERSIONS: Final = {"Microsoft.Network": "2024-05-01", "Microsoft.Compute": "2024-07-01"}
DEFAULTS: Final = {"bgp": None, "routing_weight": 0, "ip_forwarding": False, "routing_preference": "ExpressRoute", "routing_infrastructure_units": 2, "fast_path": False,
                   "branch_to_branch": False, "active_active": False, "allow_virtual_network_access": True, "allow_forwarded_traffic": False,
                   "allow_gateway_transit": False, "use_remote_gateways": False}  # fmt: skip


def template(export: Export) -> str:
    """An ARM template; the topology's fragment is in its metadata, where Azure doesn't look."""
    known = {each["id"].lower(): each for each in export.resources}
    resources = []
    for each in export.resources:
        one: Data = {"type": each["type"], "apiVersion": VERSIONS[each["type"].partition("/")[0]], "name": each["name"]}
        if "location" in each:
            one["location"] = each["location"]
        one |= {key: value for key, value in each.items() if key in ("tags", "sku")}
        needed = _needs(each, known)
        if needed:
            one["dependsOn"] = [_expression(id_) for id_ in needed]
        one["properties"] = _expressions(each["properties"])
        resources.append(one)
    whole: Data = {"$schema": SCHEMA, "contentVersion": "1.0.0.0"}
    if export.fragment:
        whole["metadata"] = {"dualhome": export.fragment}
    locations = [each["location"] for each in resources if "location" in each]
    usual = max(sorted(set(locations)), key=locations.count, default="westeurope")
    for one in resources:
        if one.get("location") == usual:
            one["location"] = "[parameters('location')]"
    whole |= {"parameters": {"location": {"type": "string", "defaultValue": usual}}, "resources": resources}
    return json.dumps(whole, indent=2) + "\n"


def _needs(each: Data, known: Mapping[str, Data]) -> list[str]:
    """Ids of the resources that must be there first: parents, references, and a hub's place before its connections."""
    found: dict[str, None] = {}
    parts = each["id"].split("/")
    if "/".join(parts[:-2]).lower() in known:
        found["/".join(parts[:-2])] = None
    for id_ in re.findall(r'"(/subscriptions/[^"]+)"', json.dumps(each["properties"])):
        while id_ and id_.lower() not in known:
            id_ = "/".join(id_.split("/")[:-2])
            if id_.count("/") < 7:
                id_ = ""
        if id_ and id_.lower() != each["id"].lower():
            found[known[id_.lower()]["id"]] = None
    if "bgpConnections" in each["type"]:
        found["/".join(parts[:-2]) + "/ipConfigurations/Default"] = None
    if each["properties"].get("useRemoteGateways"):
        remote, local = each["properties"]["remoteVirtualNetwork"]["id"].lower(), parts[8].lower()
        for other in known.values():
            own = json.dumps(other["properties"]).lower()
            mirror = other["id"].lower().startswith(f"{remote}/virtualnetworkpeerings/") and f'/virtualnetworks/{local}"' in own
            gateway = other["type"].endswith(("virtualNetworkGateways", "virtualHubs/ipConfigurations")) and f"{remote}/subnets/" in own
            if mirror or gateway:
                found[other["id"]] = None
    return list(found)


def _expression(id_: str) -> str:
    """`[resourceId(…)]`."""
    parts = id_.split("/providers/")[1].split("/")
    type_, names = "/".join((parts[0], *parts[1::2])), parts[2::2]
    return f"[resourceId('{type_}', {', '.join(repr(name) for name in names)})]"


def _expressions(value: Any) -> Any:
    if isinstance(value, str):
        if value.startswith(f"/subscriptions/{SUBSCRIPTION}/"):
            return _expression(value)
        if found := re.fullmatch(r"\[public:(.+)\]", value):
            return f"[reference(resourceId('Microsoft.Network/publicIPAddresses', '{found[1]}'), '2024-05-01').ipAddress]"
        return f"[{value}" if value.startswith("[") else value
    if isinstance(value, dict):
        return {key: _expressions(each) for key, each in value.items()}
    return [_expressions(each) for each in value] if isinstance(value, list) else value


# --- a script of az ---------------------------------------------------------------------------------------------------------------


def script(export: Export) -> str:
    """Stock az, a command a resource, in order. Where az has no words of its own for all of a resource, `az rest` puts it."""
    lines = [
        "#!/usr/bin/env bash",
        "# Made by `dualhome export --as script`.",
        "set -euo pipefail",
        f"rg=${{RG:-{export.group}}} location=${{LOCATION:-westeurope}}",
        'az group create -n "$rg" -l "$location" -o none',
        'group=$(az group show -n "$rg" --query id -o tsv)',
        'put() { az rest --method put --url "$group/providers/$1?api-version=$2" --body "$3" -o none; }',
        "",
    ]
    if export.fragment:
        lines.insert(2, "# What ARM has no words for is in a fragment: dualhome serve --with FILE")
    for each in export.resources:
        lines.append(_command(each))
    return "\n".join(lines) + "\n"


def _command(each: Data) -> str:
    kind, names, given = each["type"].partition("/")[2], each["name"].split("/"), each["properties"]
    match kind:
        case "publicIPAddresses":
            return f'az network public-ip create -g "$rg" -n {names[0]} -l {each["location"]} --sku Standard --only-show-errors -o none'
        case "virtualNetworks/virtualNetworkPeerings":
            flags = (("allowVirtualNetworkAccess", "--allow-vnet-access"), ("allowForwardedTraffic", "--allow-forwarded-traffic"),
                     ("allowGatewayTransit", "--allow-gateway-transit"), ("useRemoteGateways", "--use-remote-gateways"))  # fmt: skip
            words = " ".join(f"{word} {str(given[name]).lower()}" for name, word in flags)
            remote = given["remoteVirtualNetwork"]["id"].rpartition("/")[2]
            return f'az network vnet peering create -g "$rg" --vnet-name {names[0]} -n {names[1]} --remote-vnet {remote} {words} -o none'
        case "virtualHubs/bgpConnections":
            return f'az network routeserver peering create -g "$rg" --routeserver {names[0]} -n {names[1]} --peer-ip {given["peerIp"]} --peer-asn {given["peerAsn"]} -o none'
        case "expressRouteCircuits/peerings":
            links = (
                f"--primary-peer-subnet {given['primaryPeerAddressPrefix']} --secondary-peer-subnet {given['secondaryPeerAddressPrefix']}"
            )
            words = f"--circuit-name {names[0]} --peering-type {names[1]} --peer-asn {given['peerASN']} --vlan-id {given['vlanId']} {links}"
            return f'az network express-route peering create -g "$rg" {words} -o none'
    namespace = each["type"].partition("/")[0]
    path = f"{namespace}/" + "/".join(part for pair in zip(kind.split("/"), names, strict=True) for part in pair)
    body = json.dumps({key: each[key] for key in ("location", "tags", "sku", "properties") if key in each})
    quoted = shlex.quote(body).replace(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/", "\0")
    quoted = re.sub('\0[^/"]+', "'\"$group\"'", quoted)
    quoted = re.sub(
        r"\[public:([^\]]+)\]", lambda found: f'\'"$(az network public-ip show -g "$rg" -n {found[1]} --query ipAddress -o tsv)"\'', quoted
    )
    return f"put {path} {VERSIONS[namespace]} {quoted}"


# --- a topology file ---------------------------------------------------------------------------------------------------------------


def topology_text(data: Mapping[str, Any], left: Iterable[tuple[str, str]] = (), title: str = "") -> str:
    """YAML, short where values are Azure's defaults; what was left out is said at its top."""
    lines = [f"# {title}"] if title else []
    for what, why in left:
        lines.append(f"# Left out: {what}: {' '.join(why.split())}")
    tidy = {key: _tidy(value) for key, value in data.items() if value not in ({}, [], None)}
    tidy.setdefault("virtual_networks", {})
    yaml = YAML()
    yaml.width = 150
    yaml.default_flow_style = None
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(json.loads(json.dumps(tidy)), out)
    return "\n".join([*lines, out.getvalue()])


def _tidy(value: Any) -> Any:
    if isinstance(value, Mapping):
        found = {
            key: _tidy(each) for key, each in value.items() if not (key in DEFAULTS and DEFAULTS[key] is not None and each == DEFAULTS[key])
        }
        if isinstance(subnets := found.get("subnets"), Mapping):
            found["subnets"] = {
                name: each["prefix"] if isinstance(each, Mapping) and set(each) == {"prefix"} else each for name, each in subnets.items()
            }
        return found
    return [_tidy(each) for each in value] if isinstance(value, list | tuple) else value
