"""Azure's regions: the name of each, and how it is shown."""

from __future__ import annotations

from typing import Final

LOCATIONS: Final = {
    "eastus": "East US", "eastus2": "East US 2", "centralus": "Central US", "northcentralus": "North Central US", "southcentralus": "South Central US",
    "westus": "West US", "westus2": "West US 2", "westus3": "West US 3", "westcentralus": "West Central US", "canadacentral": "Canada Central",
    "canadaeast": "Canada East", "brazilsouth": "Brazil South", "northeurope": "North Europe", "westeurope": "West Europe", "uksouth": "UK South",
    "ukwest": "UK West", "francecentral": "France Central", "germanywestcentral": "Germany West Central", "switzerlandnorth": "Switzerland North",
    "norwayeast": "Norway East", "swedencentral": "Sweden Central", "polandcentral": "Poland Central", "italynorth": "Italy North",
    "spaincentral": "Spain Central", "uaenorth": "UAE North", "qatarcentral": "Qatar Central", "israelcentral": "Israel Central",
    "southafricanorth": "South Africa North", "eastasia": "East Asia", "southeastasia": "Southeast Asia", "japaneast": "Japan East",
    "japanwest": "Japan West", "koreacentral": "Korea Central", "koreasouth": "Korea South", "centralindia": "Central India",
    "southindia": "South India", "westindia": "West India", "australiaeast": "Australia East", "australiasoutheast": "Australia Southeast",
    "australiacentral": "Australia Central", "newzealandnorth": "New Zealand North", "mexicocentral": "Mexico Central",
}  # fmt: skip
