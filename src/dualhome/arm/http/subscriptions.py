"""What stands above resources: tenants, subscriptions, locations, providers."""

from __future__ import annotations

from typing import Any, Final

from dualhome.arm.errors import ArmError
from dualhome.arm.kinds import kinds
from dualhome.arm.kinds.known import KNOWN
from dualhome.arm.regions import LOCATIONS

Data = dict[str, Any]

VERSIONS: Final = (
    "2026-04-01", "2026-03-01", "2025-09-01", "2025-07-01", "2025-04-01", "2025-01-01", "2024-11-01", "2024-07-01", "2024-05-01", "2024-03-01", "2024-01-01",
    "2023-11-01", "2023-09-01", "2023-06-01", "2023-05-01", "2023-04-01", "2023-02-01", "2022-12-01", "2022-11-01", "2022-09-01", "2022-07-01", "2022-05-01",
    "2022-01-01", "2021-08-01", "2021-05-01", "2021-04-01", "2021-03-01", "2021-02-01", "2020-11-01", "2020-10-01", "2020-06-01", "2019-10-01", "2019-05-01",
)  # fmt: skip
OTHERS: Final = ("Microsoft.Storage/storageAccounts", "Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.OperationalInsights/workspaces",
                 "Microsoft.Insights/components", "Microsoft.KeyVault/vaults", "Microsoft.MarketplaceOrdering/agreements")  # fmt: skip


def subscription(id_: str, tenant: str) -> Data:
    """One subscription."""
    return {
        "id": f"/subscriptions/{id_}",
        "subscriptionId": id_,
        "displayName": "dualhome",
        "state": "Enabled",
        "tenantId": tenant,
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
    }


def subscriptions(id_: str, tenant: str) -> Data:
    """The list; there is one."""
    return {"value": [subscription(id_, tenant)], "count": {"type": "Total", "value": 1}}


def tenants(tenant: str) -> Data:
    """The list; there is one."""
    return {"value": [{"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": "dualhome", "tenantCategory": "Home"}]}


def locations(id_: str) -> Data:
    """Azure's regions."""
    return {
        "value": [
            {
                "id": f"/subscriptions/{id_}/locations/{name}",
                "name": name,
                "type": "Region",
                "displayName": display,
                "regionalDisplayName": display,
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "pairedRegion": []},
            }
            for name, display in LOCATIONS.items()
        ]
    }


def providers(id_: str) -> Data:
    """All of them."""
    return {"value": [provider(id_, namespace) for namespace in _namespaces()]}


def provider(id_: str, namespace: str) -> Data:
    """One, with its types. Raises ArmError 404 InvalidResourceNamespace."""
    named = next((each for each in _namespaces() if each.lower() == namespace.lower()), None)
    if named is None:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    types = [type_.partition("/")[2] for type_ in _types() if type_.partition("/")[0] == named]
    return {
        "id": f"/subscriptions/{id_}/providers/{named}",
        "namespace": named,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {
                "resourceType": type_,
                "locations": list(LOCATIONS.values()),
                "apiVersions": list(VERSIONS),
                "capabilities": "SupportsTags, SupportsLocation",
            }
            for type_ in types
        ],
    }


def _types() -> list[str]:
    found = {**KNOWN, **{key: kind.type for key, kind in kinds().items()}, **{each.lower(): each for each in OTHERS}}
    more = (
        "Microsoft.Resources/deployments",
        "Microsoft.Resources/tags",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Authorization/locks",
    )
    return sorted({**found, **{each.lower(): each for each in more}}.values(), key=str.lower)


def _namespaces() -> list[str]:
    return sorted({type_.partition("/")[0] for type_ in _types()})
