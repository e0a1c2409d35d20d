"""The article's ExpressRoute network through the API: the tables that come out are those of examples/2-expressroute."""

from __future__ import annotations

from pathlib import Path

from dualhome import app
from dualhome.app import azure as shapes
from tests.arm.article import resources
from tests.arm.azure import GROUP, Azure, azure

EXAMPLE = Path(__file__).parents[2] / "examples" / "2-expressroute" / "topology.yaml"


def build(az: Azure) -> None:
    for path, body in resources(az.id):
        whole = f"{GROUP}/providers/{path}" if path.startswith("Microsoft.") else path
        answer = az.ask("PUT", whole, {"location": "westeurope", **body})
        assert answer.status_code == 201, (path, answer.text)


def plain(answer: dict[str, list[dict[str, object]]]) -> dict[str, set[tuple[object, ...]]]:
    """What of learned or advertised routes doesn't depend on names."""
    return {role: {(row["network"], row["nextHop"], row["asPath"], row["origin"]) for row in rows} for role, rows in answer.items() if rows}


def routes(answer: dict[str, list[dict[str, object]]]) -> set[tuple[object, ...]]:
    return {(*row["addressPrefix"], row["source"], row["state"], row["nextHopType"], *row["nextHopIpAddress"]) for row in answer["value"]}  # type: ignore[misc]


def test_tables_are_those_of_the_topology_file() -> None:
    run = app.load(EXAMPLE).simulate()
    with azure() as az:
        build(az)
        same(az, run)
        az.delete(f"{GROUP}/providers/Microsoft.Compute/virtualMachines/hub1-nva")
        run.fail("hub1-nva")
        run.settle()
        assert plain(az.post("virtualHubs/spoke-rs/bgpConnections/hub1-nva/learnedRoutes")) == {}
        assert routes(az.post("networkInterfaces/spoke-vm-nic/effectiveRouteTable")) == routes(shapes.effective_routes(run, "spoke-vm"))  # type: ignore[arg-type]
        assert az.get("virtualHubs/spoke-rs/bgpConnections/hub2-nva")["properties"]["connectionState"] == "Connected"


def same(az: Azure, run: app.Run) -> None:
    for hub, peer in (("spoke-rs", "hub1-nva"), ("spoke-rs", "hub2-nva"), ("hub1-rs", "hub1-nva"), ("hub2-rs", "hub2-nva")):
        for action, answer in (("learnedRoutes", shapes.learned), ("advertisedRoutes", shapes.advertised)):
            found = plain(az.post(f"virtualHubs/{hub}/bgpConnections/{peer}/{action}"))
            wanted = plain({role: rows for role, rows in answer(run, f"{hub}/{peer}").items() if rows})  # type: ignore[misc]
            assert found == wanted, (hub, peer, action)
            assert set(found) == {"RouteServiceRole_IN_0", "RouteServiceRole_IN_1"}
    for nic in ("spoke-vm", "hub1-vm", "hub1-nva"):
        assert routes(az.post(f"networkInterfaces/{nic}-nic/effectiveRouteTable")) == routes(shapes.effective_routes(run, nic))  # type: ignore[arg-type]


def test_power_gateways_and_circuits() -> None:
    with azure() as az:
        build(az)
        learned = az.post("virtualNetworkGateways/hub1-er/getLearnedRoutes")["value"]
        assert {"192.168.0.0/16", "10.10.0.0/16", "10.1.0.0/16"} == {row["network"] for row in learned}
        peers = az.post("virtualNetworkGateways/hub1-er/getBgpPeerStatus")["value"]
        assert {row["state"] for row in peers} == {"Connected"}
        told = az.post(f"virtualNetworkGateways/hub1-er/getAdvertisedRoutes?peer={peers[0]['neighbor']}")["value"]
        assert told
        assert az.refused("POST", "virtualNetworkGateways/hub1-er/getAdvertisedRoutes?peer=9.9.9.9") == (400, "VpnGatewayBgpPeerNotFound")
        table = az.post("expressRouteCircuits/circuit1/peerings/AzurePrivatePeering/routeTables/primary")["value"]
        assert {row["network"]: row["path"] for row in table}["192.168.0.0/16"].split()[-1] == "65010"
        assert (
            az.post("expressRouteCircuits/circuit1/peerings/AzurePrivatePeering/arpTables/secondary")["value"][0]["ipAddress"]
            == "169.254.0.5"
        )
        assert az.post("expressRouteCircuits/circuit1/peerings/AzurePrivatePeering/routeTablesSummary/primary")["value"]
        vm = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/hub1-nva"
        assert az.ask("POST", f"{vm}/deallocate").status_code == 200
        assert az.get(f"{vm}/instanceView")["statuses"][1]["code"] == "PowerState/deallocated"
        assert plain(az.post("virtualHubs/spoke-rs/bgpConnections/hub1-nva/learnedRoutes")) == {}
        assert az.ask("POST", f"{vm}/start").status_code == 200
        assert plain(az.post("virtualHubs/spoke-rs/bgpConnections/hub1-nva/learnedRoutes"))
        az.ask("POST", "expressRouteCircuits/circuit1/startCircuitLinkFailoverTest?linkType=Primary")
        found = az.post("expressRouteCircuits/circuit1/peerings/AzurePrivatePeering/routeTablesSummary/primary")["value"]
        assert not any(row["statePfxRcd"].isdigit() for row in found)
