"""DNS zones, public and private: record sets are kept and listed; nothing answers questions about them."""

from __future__ import annotations

import re
from typing import Final

from dualhome.arm.errors import bad_request
from dualhome.arm.kinds.base import Call, Context, Data, Kind
from dualhome.arm.kinds.networks import NETWORKS
from dualhome.arm.records import Record

ZONES: Final = {"dnsZones": 10_000, "privateDnsZones": 25_000}  # how many record sets each may have
RECORDS: Final = {
    "dnsZones": ("A", "AAAA", "CAA", "CNAME", "DS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT"),
    "privateDnsZones": ("A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"),
}
RECORD_NAME: Final = re.compile(r"^(@|\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_\-]*)(\.[A-Za-z0-9_]([A-Za-z0-9_\-]*))*)$")
PRIVATE: Final = "Microsoft.Network/privateDnsZones"
LINKS: Final = f"{PRIVATE}/virtualNetworkLinks"


class Zone(Kind):
    """A zone. GET …/ALL and …/recordsets list its record sets of every type."""

    views = {"all": "record_sets", "recordsets": "record_sets"}

    def __init__(self, word: str) -> None:
        self.type = f"Microsoft.Network/{word}"  # type: ignore[misc]  # two kinds of one class
        self._most = ZONES[word]

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """How many record sets it has, and links."""
        properties["numberOfRecordSets"] = len(_sets(context, record))
        properties["maxNumberOfRecordSets"] = self._most
        if record.type == PRIVATE:
            links = context.records.children(record.id, "virtualNetworkLinks")
            registering = [each for each in links if each.properties.get("registrationEnabled")]
            properties |= {"numberOfVirtualNetworkLinks": len(links), "maxNumberOfVirtualNetworkLinks": 1000}
            properties |= {
                "numberOfVirtualNetworkLinksWithRegistration": len(registering),
                "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
            }

    async def record_sets(self, context: Context, record: Record, query: Data) -> list[Record]:
        """All of them."""
        return _sets(context, record)


def _sets(context: Context, zone: Record) -> list[Record]:
    return [each for each in context.records.children(zone.id) if each.type != LINKS]


class RecordSet(Kind):
    """The records of one name and type."""

    location = False
    names = RECORD_NAME
    at_once = True

    def __init__(self, zone: str, word: str) -> None:
        self.type = f"Microsoft.Network/{zone}/{word}"  # type: ignore[misc]  # of a class with many types

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Its whole name."""
        zone = record.parsed.names[0]
        properties["fqdn"] = f"{zone}." if record.name == "@" else f"{record.name}.{zone}."
        if record.type.startswith(PRIVATE):
            properties["isAutoRegistered"] = False


class Link(Kind):
    """A private zone's link to a virtual network."""

    type = LINKS

    def accept(self, call: Call) -> None:
        """The virtual network is there, and has one link to this zone."""
        network = call.reference("virtualNetwork", type_=NETWORKS)
        if network is None:
            raise bad_request("InvalidRequestFormat", f"Cannot parse the request: {call.text} has no virtualNetwork.")
        call.properties.setdefault("registrationEnabled", False)
        for each in call.context.records.children(call.id.parent.text if call.id.parent else "", "virtualNetworkLinks"):
            if each.key != call.id.key and (each.properties["virtualNetwork"].get("id") or "").lower() == network.key:
                raise bad_request("BadRequest", f"The virtual network {network.id} is linked to this zone already, by {each.name}.")

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Links are there at once."""
        properties["virtualNetworkLinkState"] = "Completed"


KINDS = (*map(Zone, ZONES), Link(), *(RecordSet(zone, word) for zone, words in RECORDS.items() for word in words))
