"""What Microsoft.Compute answers that is no resource: images, sizes, skus; and whether a name is free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dualhome.arm.errors import ArmError
from dualhome.arm.kinds.base import Context, Data
from dualhome.arm.regions import LOCATIONS

SIZES: Final = {
    "Standard_B1s": (1, 1024), "Standard_B1ls": (1, 512), "Standard_B1ms": (1, 2048), "Standard_B2s": (2, 4096), "Standard_B2ms": (2, 8192),
    "Standard_B2ats_v2": (2, 1024), "Standard_B2as_v2": (2, 8192), "Standard_D2s_v3": (2, 8192), "Standard_D2s_v5": (2, 8192), "Standard_D2as_v5": (2, 8192),
    "Standard_D4s_v3": (4, 16384), "Standard_D4s_v5": (4, 16384), "Standard_DS1_v2": (1, 3584), "Standard_DS2_v2": (2, 7168), "Standard_DS3_v2": (4, 14336),
    "Standard_F2s_v2": (2, 4096), "Standard_F4s_v2": (4, 8192), "Standard_A1_v2": (1, 2048), "Standard_D2_v2": (2, 7168), "Standard_D3_v2": (4, 14336),
}  # fmt: skip
IMAGES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "Canonical": {
        "ubuntu-24_04-lts": ("server", "minimal"),
        "0001-com-ubuntu-server-jammy": ("22_04-lts", "22_04-lts-gen2"),
        "0001-com-ubuntu-server-focal": ("20_04-lts", "20_04-lts-gen2"),
        "UbuntuServer": ("18.04-LTS",),
    },
    "Debian": {"debian-12": ("12", "12-gen2"), "debian-11": ("11", "11-gen2")},
    "cisco": {
        "cisco-csr-1000v": ("16_12-byol", "17_2_1-byol", "17_3_4a-byol"),
        "cisco-c8000v": ("17_11_01a-byol", "17_13_01a-byol"),
        "cisco-c8000v-byol": ("17_13_01a-byol",),
    },
    "vyos": {"vyos-1-3": ("vyos-1-3",)},
    "MicrosoftWindowsServer": {"WindowsServer": ("2019-Datacenter", "2022-datacenter-azure-edition")},
}
ALIASES: Final[Mapping[str, Mapping[str, tuple[str, str, str]]]] = {
    "Linux": {
        "Debian11": ("Debian", "debian-11", "11-gen2"),
        "Debian12": ("Debian", "debian-12", "12-gen2"),
        "Ubuntu2204": ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
        "Ubuntu2404": ("Canonical", "ubuntu-24_04-lts", "server"),
        "Ubuntu2404Pro": ("Canonical", "ubuntu-24_04-lts", "ubuntu-pro"),
        "RHELRaw8LVMGen2": ("RedHat", "RHEL", "8-lvm-gen2"),
        "SuseSles15SP3": ("SUSE", "sles-15-sp3", "gen2"),
        "CentOS85Gen2": ("OpenLogic", "CentOS", "8_5-gen2"),
        "UbuntuLTS": ("Canonical", "UbuntuServer", "18.04-LTS"),  # these are Azure's no more, and many published scripts name them
        "Debian": ("Debian", "debian-10", "10"),
        "CentOS": ("OpenLogic", "CentOS", "7.5"),
        "RHEL": ("RedHat", "RHEL", "7-LVM"),
        "SLES": ("SUSE", "SLES", "15"),
    },
    "Windows": {
        "Win2022Datacenter": ("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-g2"),
        "Win2022AzureEditionCore": ("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-azure-edition-core"),
        "Win2019Datacenter": ("MicrosoftWindowsServer", "WindowsServer", "2019-datacenter-gensecond"),
        "Win2016Datacenter": ("MicrosoftWindowsServer", "WindowsServer", "2016-datacenter-gensecond"),
    },
}
EXTENSIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Microsoft.Azure.Extensions": {"CustomScript": "2.1.13"},
    "Microsoft.OSTCExtensions": {"CustomScriptForLinux": "1.5.5"},
    "Microsoft.Azure.NetworkWatcher": {"NetworkWatcherAgentLinux": "1.4.4"},
}
NEWEST: Final = "2026.10.01"


def aliases() -> Data:
    """What `vmImageAliasDoc` names: short names of images, as az reads them."""
    value = {
        system: {
            name: {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest", "architecture": "x64"}
            for name, (publisher, offer, sku) in names.items()
        }
        for system, names in ALIASES.items()
    }
    return {
        "contentVersion": "1.0.0.0",
        "parameters": {},
        "variables": {},
        "resources": [],
        "outputs": {"aliases": {"type": "object", "value": value}},
    }


def sizes() -> Data:
    """vmSizes."""
    return {
        "value": [
            {
                "name": name,
                "numberOfCores": cores,
                "memoryInMB": memory,
                "osDiskSizeInMB": 1047552,
                "resourceDiskSizeInMB": 4096 * cores,
                "maxDataDiskCount": 2 * cores,
            }
            for name, (cores, memory) in SIZES.items()
        ]
    }


async def vm_sizes(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Of a location."""
    return sizes()


async def skus(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Every size, in the location asked for, or in each."""
    asked = next((value for name, value in query.items() if name.lower() == "$filter"), "")
    wanted = asked.partition("'")[2].rpartition("'")[0]
    return {"value": [_size(name, location) for location in ([wanted] if wanted else LOCATIONS) for name in SIZES]}


def _size(name: str, location: str) -> Data:
    cores, memory = SIZES[name]
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "size": name.removeprefix("Standard_"),
        "family": "standardFamily",
        "locations": [location],
        "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [
            {"name": "vCPUs", "value": str(cores)},
            {"name": "MemoryGB", "value": str(memory / 1024)},
            {"name": "PremiumIO", "value": "True"},
            {"name": "HyperVGenerations", "value": "V1,V2"},
            {"name": "AcceleratedNetworkingEnabled", "value": "True"},
            {"name": "MaxNetworkInterfaces", "value": "4"},
        ],
        "restrictions": [],
    }


def _image(context: Context, words: Mapping[str, str], last: str, name: str) -> Data:
    path = f"/subscriptions/{context.settings.get('subscription')}/providers/Microsoft.Compute/locations/{words['location']}/publishers/{words['publisher']}"
    return {
        "location": words["location"],
        "name": name,
        "id": f"{path}/artifacttypes/vmimage/offers/{words['offer']}/skus/{words['sku']}/{last}",
    }


async def versions(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Of any image there is one version: a bare list."""
    return [_image(context, words, f"versions/{NEWEST}", NEWEST)]


async def version(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """One version."""
    windows = "windows" in words["publisher"].lower()
    properties = {
        "osDiskImage": {"operatingSystem": "Windows" if windows else "Linux", "sizeInGb": 30},
        "dataDiskImages": [],
        "hyperVGeneration": "V1" if "gen1" in words["sku"].lower() else "V2",
        "architecture": "x64",
        "features": [],
    }
    if words["publisher"].lower() in PLANNED:
        properties["plan"] = {"publisher": words["publisher"], "name": words["sku"], "product": words["offer"]}
    return {**_image(context, words, f"versions/{words['version']}", words["version"]), "properties": properties}


PLANNED: Final = frozenset(
    ("cisco", "paloaltonetworks", "fortinet", "checkpoint", "vyos", "sentriumsl", "arista-networks", "juniper-networks")
)


async def named(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Publishers, their offers, and skus of these: some, any other is taken as well."""
    place = f"/subscriptions/{context.settings.get('subscription')}/providers/Microsoft.Compute/locations/{words['location']}/publishers"
    level: Any = {**{publisher: {} for publisher in EXTENSIONS}, **IMAGES}
    for word, path in (("publisher", "artifacttypes/vmimage/offers"), ("offer", "skus")):
        if word in words:
            level = next((below for name, below in level.items() if name.lower() == words[word].lower()), {})
            place = f"{place}/{words[word]}/{path}"
    return [{"location": words["location"], "name": name, "id": f"{place}/{name}"} for name in level]


async def extension_types(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Extensions of a publisher; of one type, its one version (az vm extension set asks for the newest)."""
    known = next((types for name, types in EXTENSIONS.items() if name.lower() == words["publisher"].lower()), {})
    place = f"/subscriptions/{context.settings.get('subscription')}/providers/Microsoft.Compute/locations/{words['location']}/publishers"
    path = f"{place}/{words['publisher']}/artifacttypes/vmextension/types"
    if "type" in words:
        newest = next((version for name, version in known.items() if name.lower() == words["type"].lower()), None)
        return [{"location": words["location"], "name": newest, "id": f"{path}/{words['type']}/versions/{newest}"}] if newest else []
    return [{"location": words["location"], "name": name, "id": f"{path}/{name}"} for name in known]


async def name_available(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """CheckDnsNameAvailability."""
    wanted = next((value for name, value in query.items() if name.lower() == "domainnamelabel"), "").lower()
    taken = {
        str((each.properties.get("dnsSettings") or {}).get("domainNameLabel", "")).lower()
        for each in context.records.of_type("Microsoft.Network/publicIPAddresses")
    }
    return {"available": bool(wanted) and wanted not in taken}


async def usages(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Quotas: far away."""
    found = []
    for type_, limit in (
        ("virtualMachines", 25000),
        ("virtualNetworks", 1000),
        ("publicIPAddresses", 1000),
        ("networkInterfaces", 65536),
        ("routeTables", 200),
    ):
        namespace = "Microsoft.Compute" if type_ == "virtualMachines" else "Microsoft.Network"
        used = len(context.records.of_type(f"{namespace}/{type_}"))
        if namespace.lower() == words["namespace"].lower():
            found.append({"currentValue": used, "limit": limit, "unit": "Count", "name": {"value": type_, "localizedValue": type_}})
    return {"value": found}


async def service_tags(context: Context, words: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Tags stand for nobody here."""
    raise ArmError(404, "ResourceNotFound", "Service tags are not kept: there is no Internet behind this server.")


_PUBLISHER: Final = r"providers/Microsoft\.Compute/locations/(?P<location>[^/]+)/publishers"
_OFFER: Final = _PUBLISHER + r"/(?P<publisher>[^/]+)/artifacttypes/vmimage/offers"
_EXTENSION: Final = _PUBLISHER + r"/(?P<publisher>[^/]+)/artifacttypes/vmextension/types"
_SKU: Final = _OFFER + r"/(?P<offer>[^/]+)/skus"
LOOKUPS: Final = (
    (r"providers/Microsoft\.Compute/locations/(?P<location>[^/]+)/vmSizes", vm_sizes),
    (r"providers/Microsoft\.Compute/skus", skus),
    (_PUBLISHER, named),
    (_EXTENSION, extension_types),
    (_EXTENSION + r"/(?P<type>[^/]+)/versions", extension_types),
    (_OFFER, named),
    (_SKU, named),
    (_SKU + r"/(?P<sku>[^/]+)/versions", versions),
    (_SKU + r"/(?P<sku>[^/]+)/versions/(?P<version>[^/]+)", version),
    (r"providers/Microsoft\.Network/locations/(?P<location>[^/]+)/CheckDnsNameAvailability", name_available),
    (r"providers/(?P<namespace>Microsoft\.(?:Compute|Network))/locations/(?P<location>[^/]+)/usages", usages),
    (r"providers/Microsoft\.Network/locations/(?P<location>[^/]+)/serviceTags", service_tags),
)
