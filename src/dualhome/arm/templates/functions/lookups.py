"""Functions of the deployment and of resources: parameters, variables, copyIndex, resourceId, reference and what stands around a deployment."""

from __future__ import annotations

import re
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope
from dualhome.arm.templates.faults import TemplateFault, not_here, wrong_argument
from dualhome.arm.templates.functions.arguments import Data, array, integer, show, text

GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UNZONED: Final = frozenset(
    ("westus", "northcentralus", "westcentralus", "canadaeast", "ukwest", "australiasoutheast", "australiacentral", "southindia", "westindia",
     "koreasouth")
)  # fmt: skip
ENVIRONMENT: Final[Data] = {
    "name": "AzureCloud",
    "gallery": "https://gallery.azure.com/",
    "graph": "https://graph.windows.net/",
    "portal": "https://portal.azure.com",
    "graphAudience": "https://graph.windows.net/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "batch": "https://batch.core.windows.net/",
    "media": "https://rest.media.azure.net",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com/",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "suffixes": {
        "acrLoginServer": ".azurecr.io",
        "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
        "azureFrontDoorEndpointSuffix": "azurefd.net",
        "keyvaultDns": ".vault.azure.net",
        "sqlServerHostname": ".database.windows.net",
        "storage": "core.windows.net",
    },
}


def _parameters(scope: Scope, arguments: list[Any]) -> Any:
    name = text("parameters", arguments[0])
    if name.lower() not in scope.parameters:
        raise TemplateFault(
            f"The template parameter '{name}' is not found. Please see https://aka.ms/arm-syntax-parameters for usage details."
        )
    return scope.parameters[name.lower()]


def _variables(scope: Scope, arguments: list[Any]) -> Any:
    name = text("variables", arguments[0])
    if name.lower() not in scope.variables:
        raise TemplateFault(
            f"The template variable '{name}' is not found. Please see https://aka.ms/arm-syntax-variables for usage details."
        )
    return scope.variables[name.lower()]


def _copy_index(scope: Scope, arguments: list[Any]) -> int:
    name, offset = "", 0
    for each in arguments:
        if isinstance(each, str):
            name = each
        else:
            offset = integer("copyIndex", each)
    if name.lower() not in scope.loops:
        raise TemplateFault(
            "The template function 'copyIndex' is not expected at this location. The function can only be used in a resource with copy specified. "
            "Please see https://aka.ms/arm-copy for usage details."
        )
    return scope.loops[name.lower()] + offset


# --- ids --------------------------------------------------------------------------------------------------------------


def joined(function: str, type_: str, names: list[str]) -> str:
    """`Microsoft.Network/virtualNetworks/v/subnets/s` of a type and its names. Raises TemplateFault where they don't fit."""
    namespace, *types = type_.split("/")
    if len(types) != len(names) or not types:
        raise wrong_argument(function, f"the type '{type_}' requires '{len(types)}' resource name argument(s)")
    return "/".join([namespace, *(part for pair in zip(types, names, strict=True) for part in pair)])


def _typed(name: str, arguments: list[Any], most_before: int) -> tuple[list[str], str, list[str]]:
    """What stands before the resource type, the type, and the names after it."""
    given = [text(name, each) for each in arguments]
    at = next((place for place, each in enumerate(given) if "/" in each), None)
    if at is None:
        raise wrong_argument(name, "a fully qualified resource type, such as 'Microsoft.Network/virtualNetworks', is expected")
    if at > most_before:
        raise wrong_argument(name, f"at most {most_before} argument(s) stand before the resource type")
    return given[:at], given[at].strip("/"), given[at + 1 :]


def _own_group(scope: Scope) -> str:
    """ "" where the deployment isn't into a resource group."""
    try:
        return str(scope.around.resource_group()["name"])
    except TemplateFault:
        return ""


def _resource_id(scope: Scope, arguments: list[Any]) -> str:
    before, type_, names = _typed("resourceId", arguments, 2)
    rest = joined("resourceId", type_, names)
    own = str(scope.around.subscription()["subscriptionId"])
    if len(before) == 2:
        subscription, group = before
    elif before and GUID.fullmatch(before[0]):
        subscription, group = before[0], _own_group(scope)
    elif before:
        subscription, group = own, before[0]
    else:
        subscription, group = own, _own_group(scope)
    above = f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
    if type_.lower() == "microsoft.resources/resourcegroups":
        return f"/subscriptions/{subscription}/resourceGroups/{names[0]}"
    return f"{above}/providers/{rest}"


def _subscription_resource_id(scope: Scope, arguments: list[Any]) -> str:
    before, type_, names = _typed("subscriptionResourceId", arguments, 1)
    subscription = before[0] if before else scope.around.subscription()["subscriptionId"]
    rest = joined("subscriptionResourceId", type_, names)
    if type_.lower() == "microsoft.resources/resourcegroups":
        return f"/subscriptions/{subscription}/resourceGroups/{names[0]}"
    return f"/subscriptions/{subscription}/providers/{rest}"


def _tenant_resource_id(_: Scope, arguments: list[Any]) -> str:
    type_, names = _typed("tenantResourceId", arguments, 0)[1:]
    return "/providers/" + joined("tenantResourceId", type_, names)


def _management_group_resource_id(_: Scope, arguments: list[Any]) -> str:
    before, type_, names = _typed("managementGroupResourceId", arguments, 1)
    if not before:
        raise not_here("managementGroupResourceId", "Deployments into management groups are not supported.")
    return f"/providers/Microsoft.Management/managementGroups/{before[0]}/providers/{joined('managementGroupResourceId', type_, names)}"


def _extension_resource_id(_: Scope, arguments: list[Any]) -> str:
    base, type_, *names = (text("extensionResourceId", each) for each in arguments)
    return f"{base.rstrip('/')}/providers/{joined('extensionResourceId', type_, names)}"


# --- what is deployed -------------------------------------------------------------------------------------------------


def _reference(scope: Scope, arguments: list[Any]) -> Any:
    if scope.references is None:
        raise not_here("reference")
    name = text("reference", arguments[0])
    version = text("reference", arguments[1]) if len(arguments) > 1 and arguments[1] is not None else None
    return scope.references.reference(scope, name, version, _full("reference", arguments))


def _references(scope: Scope, arguments: list[Any]) -> Any:
    if scope.references is None:
        raise not_here("references")
    full = len(arguments) > 1 and _full("references", [None, *arguments])
    return scope.references.references(scope, text("references", arguments[0]), full)


def _full(name: str, arguments: list[Any]) -> bool:
    if len(arguments) < 3 or arguments[2] is None:
        return False
    word = text(name, arguments[2]).lower()
    if word not in ("full", "properties"):
        raise wrong_argument(name, f"'Full' or 'Properties' is expected, and {show(arguments[2])} was given")
    return word == "full"


def _providers(scope: Scope, arguments: list[Any]) -> Data:
    return scope.around.providers(text("providers", arguments[0]), text("providers", arguments[1]) if len(arguments) > 1 else None)


# --- zones ------------------------------------------------------------------------------------------------------------


def _pick_zones(_: Scope, arguments: list[Any]) -> list[str]:
    _namespace, _type, location = (text("pickZones", each) for each in arguments[:3])
    count = integer("pickZones", arguments[3]) if len(arguments) > 3 else 1
    offset = integer("pickZones", arguments[4]) if len(arguments) > 4 else 0
    if _location(location) in UNZONED:
        return []
    if not 0 <= count <= 3 or offset < 0 or count + offset > 3:
        raise wrong_argument("pickZones", f"there are 3 zones, and {count} after {offset} were asked for")
    return [str(each + 1) for each in range(offset, offset + count)]


def _location(text_: str) -> str:
    return text_.replace(" ", "").lower()


def _logical_zone(name: str, location: Any, zone: Any) -> str:
    return text(name, zone).rpartition("-az")[2] if text(name, zone).startswith(f"{_location(text(name, location))}-az") else ""


def _physical_zone(name: str, location: Any, zone: Any) -> str:
    return f"{_location(text(name, location))}-az{text(name, zone)}" if zone else ""


def _zones(name: str, one: Any) -> Function:
    return Function(3, 3, lambda _, a: [one(name, a[1], each) for each in array(name, a[2])])


def _around(name: str) -> Function:
    return Function(0, 0, lambda scope, _: getattr(scope.around, name)())


def _management_group(_: Scope, __: list[Any]) -> Any:
    raise not_here("managementGroup", "Deployments into management groups are not supported.")


FAMILY: Final = {
    "parameters": Function(1, 1, _parameters),
    "variables": Function(1, 1, _variables),
    "copyIndex": Function(0, 2, _copy_index),
    "resourceId": Function(2, None, _resource_id),
    "subscriptionResourceId": Function(2, None, _subscription_resource_id),
    "tenantResourceId": Function(2, None, _tenant_resource_id),
    "managementGroupResourceId": Function(2, None, _management_group_resource_id),
    "extensionResourceId": Function(3, None, _extension_resource_id),
    "reference": Function(1, 3, _reference),
    "references": Function(1, 2, _references),
    "providers": Function(1, 2, _providers),
    "pickZones": Function(3, 5, _pick_zones),
    "toLogicalZone": Function(3, 3, lambda _, a: _logical_zone("toLogicalZone", a[1], a[2])),
    "toPhysicalZone": Function(3, 3, lambda _, a: _physical_zone("toPhysicalZone", a[1], a[2])),
    "toLogicalZones": _zones("toLogicalZones", _logical_zone),
    "toPhysicalZones": _zones("toPhysicalZones", _physical_zone),
    "environment": Function(0, 0, lambda _, a: ENVIRONMENT),
    "subscription": _around("subscription"),
    "resourceGroup": _around("resource_group"),
    "tenant": _around("tenant"),
    "deployment": _around("deployment"),
    "deployer": Function(0, 0, lambda scope, _: {"objectId": "", "tenantId": scope.around.tenant()["tenantId"]}),
    "managementGroup": Function(0, 0, _management_group),
}
