"""Communities that say from which region a prefix is (R144).

Source: Azure ExpressRoute, "ExpressRoute routing requirements", regional BGP communities of private peering.
"""

from __future__ import annotations

from typing import Final

_LAST_DIGITS: Final = {
    "westeurope": 2, "northeurope": 3, "eastus": 4, "eastus2": 5, "westus": 6, "northcentralus": 7, "southcentralus": 8, "centralus": 9,
    "eastasia": 10, "southeastasia": 11, "japaneast": 12, "japanwest": 13, "brazilsouth": 14, "australiaeast": 15, "australiasoutheast": 16,
    "centralindia": 17, "westindia": 18, "southindia": 19, "canadacentral": 20, "canadaeast": 21, "uksouth": 24, "ukwest": 25, "westus2": 26,
    "westcentralus": 27, "koreasouth": 28, "koreacentral": 29, "francecentral": 30, "francesouth": 31, "australiacentral": 32,
    "australiacentral2": 33, "southafricanorth": 34, "southafricawest": 35, "uaenorth": 36, "uaecentral": 37, "switzerlandnorth": 38,
    "switzerlandwest": 39, "germanynorth": 40, "germanywestcentral": 41, "norwayeast": 42, "norwaywest": 43, "westus3": 44,
    "newzealandnorth": 59,
}  # fmt: skip


def community(region: str | None) -> str | None:
    """12076:50002 for westeurope; None for a region that Microsoft's list doesn't have (R144)."""
    number = _LAST_DIGITS.get(region or "")
    return f"12076:{50000 + number}" if number is not None else None
