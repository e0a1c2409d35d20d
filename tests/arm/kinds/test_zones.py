"""DNS zones: their record sets, by type and all together; links to virtual networks."""

from __future__ import annotations

from tests.arm.azure import azure
from tests.arm.kinds.hub import network


def test_record_sets() -> None:
    with azure() as az:
        az.put("privateDnsZones/lab.local", location="global")
        for name, address in (("@", "10.1.0.1"), ("vm", "10.1.0.4"), ("*.apps", "10.1.0.5"), ("_sip", "10.1.0.6")):
            made = az.put(f"privateDnsZones/lab.local/A/{name}", {"ttl": 60, "aRecords": [{"ipv4Address": address}]})
            assert made["properties"]["fqdn"] == ("lab.local." if name == "@" else f"{name}.lab.local.")
        az.put("privateDnsZones/lab.local/CNAME/www", {"ttl": 60, "cnameRecord": {"cname": "vm.lab.local"}})
        assert [each["name"] for each in az.get("privateDnsZones/lab.local/A")["value"]] == ["@", "vm", "*.apps", "_sip"]
        assert [each["type"].rpartition("/")[2] for each in az.get("privateDnsZones/lab.local/ALL")["value"]] == ["A"] * 4 + ["CNAME"]
        assert az.get("privateDnsZones/lab.local")["properties"]["numberOfRecordSets"] == 5
        assert az.refused("PUT", "privateDnsZones/lab.local/A/a..b", {"properties": {}}) == (400, "InvalidResourceName")
        assert az.refused("PUT", "privateDnsZones/lab.local/CAA/a", {"properties": {}}) == (404, "InvalidResourceType")


def test_links() -> None:
    with azure() as az:
        network(az)
        az.put("privateDnsZones/lab.local", location="global")
        body = {"location": "global", "properties": {"virtualNetwork": az.id("virtualNetworks/hub")}}
        links = "privateDnsZones/lab.local/virtualNetworkLinks"
        assert az.ask("PUT", f"{links}/one", body).json()["properties"]["virtualNetworkLinkState"] == "Completed"
        assert az.ask("PUT", f"{links}/one", body).status_code == 200
        assert az.refused("PUT", f"{links}/two", body) == (400, "BadRequest")
        body["properties"] = {"virtualNetwork": az.id("virtualNetworks/none")}
        assert az.refused("PUT", f"{links}/two", body) == (400, "InvalidResourceReference")
        assert az.get("privateDnsZones/lab.local")["properties"]["numberOfRecordSets"] == 0
