"""FRR and BIRD as NVAs of a live network: they do what the built-in speaker does in simulation, crash, come back, and are refused where they must be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import dualhome
from dualhome.app import LiveRun, Net
from dualhome.errors import RequestError, SystemRefused
from dualhome.live import machine
from dualhome.live.place import ROOT as RUN
from dualhome.live.runtimes import RUNTIMES
from dualhome.live.runtimes.frr import Frr
from tests.consoles import ROOT

pytestmark = pytest.mark.live
EXPRESSROUTE = (ROOT / "examples/2-expressroute/topology.yaml").read_text("utf-8")
WITHOUT_OVERRIDE = EXPRESSROUTE.replace("as_override: true", "as_override: false")
NAME = f"programs-{os.getpid()}"


def on(text: str, file: Path = Path("topology.yaml"), **runtimes: str) -> Net:
    """The network with these runtimes, by ASN; a configuration may follow: `frr, ./own.conf`."""
    for asn, runtime in runtimes.items():
        number = asn.removeprefix("as")
        assert f"asn: {number}\n" in text
        words = runtime.replace(", ", "\n    configuration: ")
        text = text.replace(f"asn: {number}\n", f"asn: {number}\n    runtime: {words}\n", 1)
    return dualhome.parse(text, str(file))


@pytest.fixture(autouse=True)
def _needs() -> Iterator[None]:
    reason = next((why for program in RUNTIMES.values() if (why := program.missing())), "") or next(machine.missing(), "")
    if reason:
        pytest.skip(reason)
    yield
    assert not (RUN / NAME).exists()


def inside(live: LiveRun, node: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["nsenter", f"--net={live.nodes()[node]}", "--", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def reaches(live: LiveRun, node: str, address: str) -> bool:
    return inside(live, node, "ping", "-c", "2", "-i", "0.2", "-W", "2", address).returncode == 0


def hops(live: LiveRun, nic: str, prefix: str) -> list[str]:
    """Next hops of a NIC's route; none where it has none."""
    return sorted(str(hop) for row in live.effective_routes(nic) if str(row.prefix) == prefix for hop in row.next_hops)


def told(run: object, session: str) -> set[tuple[str, str, str]]:
    return {(str(route.prefix), route.as_path, route.next_hop) for route in run.learned(session)}  # type: ignore[attr-defined]


def test_frr_and_bird_do_what_the_simulation_says_and_a_crash_moves_traffic(tmp_path: Path) -> None:
    """FRR has a file of the user's, relative to the topology's; BIRD's is made for it."""
    golden = (ROOT / "tests/live/runtimes/2-expressroute.hub1-nva.frr.conf").read_text("utf-8")
    (tmp_path / "own.conf").write_text(golden.replace("description hub1-rs#0\n", "description of-the-user\n"))
    net = on(EXPRESSROUTE, tmp_path / "topology.yaml", as65001="frr, ./own.conf", as65002="bird")
    simulated = net.simulate()
    with net.up(NAME) as live:
        live.settle(60)
        assert {state for name, state in live.session_states().items() if "-nva" in name} == {"Established"}
        for nic in ("spoke-vm", "hub1-vm", "hub1-nva", "hub1-er#0"):
            assert live.effective_routes(nic) == simulated.effective_routes(nic)
        assert hops(live, "spoke-vm", "192.168.0.0/16") == ["10.1.2.4", "10.2.2.4"]
        for session in ("spoke-rs/hub1-nva", "hub2-rs/hub2-nva", "hub1-nva/hub1-rs", "hub2-nva/spoke-rs"):
            assert told(live, session) == told(simulated, session), session
        assert reaches(live, "spoke-vm", "192.168.1.10")
        assert reaches(live, "dc-host", "10.10.1.4")
        with pytest.raises(RequestError, match=r"for hub1-nva speaks FRR.*dualhome exec hub1-nva .*-- vtysh .* 'show bgp ipv4 unicast'"):
            live.table("hub1-nva")
        with pytest.raises(RequestError, match=r"for hub2-nva speaks BIRD.*birdc .*show route export peer1 all"):
            live.advertised("hub2-nva/spoke-rs#0")
        shell = str(live.status()["programs"]["hub1-nva"]["shell"]).partition(" -- ")[2].split()
        assert "local AS number 65001" in inside(live, "hub1-nva", *shell, "-c", "show bgp summary").stdout
        assert "description of-the-user" in inside(live, "hub1-nva", *shell, "-c", "show running-config").stdout

        live.fail("hub1-nva")
        live.settle(30)
        assert hops(live, "spoke-vm", "192.168.0.0/16") == ["10.2.2.4"]
        assert reaches(live, "spoke-vm", "192.168.1.10")
        assert "proto bgp" not in inside(live, "hub1-nva", "ip", "route").stdout
        live.restore("hub1-nva")
        live.settle(60)
        assert hops(live, "spoke-vm", "192.168.0.0/16") == ["10.1.2.4", "10.2.2.4"]
        assert reaches(live, "spoke-vm", "192.168.1.10")


def test_without_as_override_the_route_server_sees_a_loop() -> None:
    net = on(WITHOUT_OVERRIDE, as65001="frr", as65002="bird")
    simulated = net.simulate()
    assert "as-loop" in {route.reason for route in simulated.rejected("spoke-rs/hub1-nva")}
    with net.up(NAME) as live:
        live.settle(60)
        for session in ("spoke-rs/hub1-nva", "spoke-rs/hub2-nva", "hub1-rs/hub1-nva"):
            found, expected = ({(str(r.prefix), r.reason, r.as_path) for r in run.rejected(session)} for run in (live, simulated))
            assert found == expected, session
        assert live.effective_routes("spoke-vm") == simulated.effective_routes("spoke-vm")
        why, expected_why = (run.why("spoke-vm", "192.168.0.0/16") for run in (live, simulated))
        assert (why.answer, why.refusals, why.remedy) == (expected_why.answer, expected_why.refusals, expected_why.remedy)
        assert "holds its own ASN 65515 (R99)" in why.answer
        assert not reaches(live, "spoke-vm", "192.168.1.10")
        live.change({"network_virtual_appliances": {nva: {"as_override": True} for nva in ("hub1-nva", "hub2-nva")}})
        live.settle(60)
        assert hops(live, "spoke-vm", "192.168.0.0/16") == ["10.1.2.4", "10.2.2.4"]
        assert reaches(live, "spoke-vm", "192.168.1.10")


@pytest.mark.parametrize(
    ("runtime", "text", "words"),
    [
        ("frr", "router bgp 65001\n  neighbour 10.10.0.4 remote-as 65515\n", "line 2: % Unknown command"),
        ("bird", "router id 10.1.2.4;\nprotocol bgp {\n  neighbour 10.10.0.4;\n}\n", "own.conf:3:3 syntax error"),
    ],
)
def test_an_own_configuration_that_is_wrong_is_refused_in_its_daemons_words(tmp_path: Path, runtime: str, text: str, words: str) -> None:
    (tmp_path / "own.conf").write_text(text)
    net = on(EXPRESSROUTE, tmp_path / "topology.yaml", as65001=f"{runtime}, ./own.conf")
    with pytest.raises(RequestError) as refused:
        net.up(NAME)
    assert f"hub1-nva: {runtime.upper()} refuses {tmp_path}/own.conf" in str(refused.value)
    assert words in str(refused.value)


def test_what_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dualhome.live.runtimes.frr.DAEMONS", tmp_path)
    assert Frr().missing()
    with pytest.raises(SystemRefused, match=r"hub1-nva: FRR is not installed \(apt-get install frr\)"):
        on(EXPRESSROUTE, as65001="frr").up(NAME)


def test_an_external_nva_is_a_cable_in_the_host() -> None:
    """A namespace of the test's stands for the user's container."""
    user = f"{NAME}-user"
    with on(EXPRESSROUTE, as65001="external").up(NAME) as live:
        live.settle(60)  # nobody waits for it
        (plug,) = live.status()["plugs"]
        assert (plug.node, plug.to, plug.addresses, plug.gateways) == ("hub1-nva", "hub1/nva", ("10.1.2.4/24",), ("10.1.2.1",))
        assert "hub1-nva" not in live.nodes()
        subprocess.run(["ip", "netns", "add", user], check=True)
        try:
            subprocess.run(["ip", "link", "set", plug.device, "netns", user], check=True)
            for words in (
                f"link set {plug.device} up",
                f"address add 10.1.2.4/24 dev {plug.device}",
                "route add default via 10.1.2.1",
            ):
                subprocess.run(["ip", "-n", user, *words.split()], check=True)
            ping = ["ip", "netns", "exec", user, "ping", "-c", "2", "-i", "0.2", "-W", "2", "10.1.3.4"]
            done = subprocess.run(ping, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
            with pytest.raises(RequestError, match="a machine of yours"):
                live.watch("hub1-nva", "spoke-vm")
            assert live.session_states("spoke-rs/hub1-nva").keys() == {"spoke-rs#0/hub1-nva", "spoke-rs#1/hub1-nva"}
        finally:
            subprocess.run(["ip", "netns", "delete", user], check=True)
