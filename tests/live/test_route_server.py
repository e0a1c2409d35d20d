"""The route server's daemon: its file, its sessions on loopback, reloading, metrics, its control socket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dualhome.bgp.config import OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.events import State
from dualhome.bgp.policy import PeerPolicy
from dualhome.errors import RequestError, SystemRefused, TopologyError
from dualhome.live.host import SpeakerHost
from dualhome.live.route_server import control, metrics
from dualhome.live.route_server.config import Kernel, load, parse
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.route_server.programming import Programming
from dualhome.live.route_server.speakers import speaker_config
from dualhome.live.route_server.unit import unit
from dualhome.live.sockets import Endpoint
from dualhome.net import Address, Prefix
from dualhome.plan.azure import ROUTER_ROUNDS
from tests.live.workers import port

PORT = port(17900)
METRICS = port(19179)
FILE = """\
behaves_like: azure
instances:
  - {name: rs0, router_id: 10.0.0.4, listen: [127.0.0.31], port: 17900}
originate: [10.0.0.0/16]
defaults: {timers: {keepalive_s: 60, hold_s: 180}, passive: true}
peers:
  - {name: nva1, address: 127.0.0.32, asn: 65001}
  - {name: nva2, address: 127.0.0.33, asn: 65002}
""".replace("17900", str(PORT))

# --- the file -------------------------------------------------------------------------------------------------------------


def faults(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse(text, "rs.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_every_fault_of_form_is_found_at_its_line() -> None:
    text = """\
instances:
  - {name: rs0, asn: 0, listen: [10.0.0.4]}
behaves_like: azzure
peers:
  - {name: nva1, address: 10.0.1.300, asn: 65001}
  - name: nva2
    adress: 10.0.1.5
    asn: 65002
    ttl: 300
metrics: here
"""
    assert faults(text) == [
        "rs.yaml:2:22: instance 'rs0': 'asn' is 0, wanted at least 1",
        "rs.yaml:3:15: 'behaves_like' is 'azzure', wanted one of azure, ideal (did you mean 'azure'?)",
        "rs.yaml:5:27: peer 'nva1': 'address' is '10.0.1.300', wanted an address, as 10.1.2.4 or fd00::4",
        "rs.yaml:6:5: peer 'nva2': 'address' is missing",
        "rs.yaml:7:5: peer 'nva2': unknown key 'adress' (did you mean 'address'?)",
        "rs.yaml:9:10: peer 'nva2': 'ttl' is 300, wanted at most 255",
        "rs.yaml:10:10: 'metrics' is 'here', wanted an address and a port, as 127.0.0.1:9179 or [::1]:9179",
    ]


def test_what_the_form_cannot_say_is_found_too() -> None:
    text = """\
instances:
  - {name: rs0, listen: [10.0.0.4]}
  - {name: rs1, listen: [10.0.0.4]}
  - {name: rs2, listen: ["fd00::4"]}
peers:
  - {name: nva1, address: 10.0.1.4, asn: 65001, import: [{match: {learned_from: [nva3]}, actions: {prefix: drop}}]}
  - {name: nva1, address: 10.0.1.4, asn: 65002, instances: [rs9]}
  - {name: nva2, address: 10.0.1.5, asn: 65002, multihop: false, ttl: 5, timers: {keepalive_s: 60, hold_s: 30}}
metrics: 127.0.0.1:0
"""
    assert faults(text) == [
        "rs.yaml:3:26: instance 'rs1': listens on 10.0.0.4 too, as instance 'rs0' does",
        "rs.yaml:4:5: instance 'rs2': 'router_id' is missing (only an IPv4 address in 'listen' can stand for it)",
        "rs.yaml:6:82: peer 'nva1': no peer 'nva3' (did you mean 'nva1'?)",
        "rs.yaml:7:12: peer 'nva1': 'name' is 'nva1', as of peer 'nva1'",
        "rs.yaml:7:27: peer 'nva1': 'address' is '10.0.1.4', as of peer 'nva1'",
        "rs.yaml:7:61: peer 'nva1': no instance 'rs9' (did you mean 'rs0'?)",
        "rs.yaml:8:71: peer 'nva2': 'ttl' is 5 without multihop (leave one of the two away)",
        "rs.yaml:8:74: peer 'nva2': 'keepalive_s' is not less than 'hold_s' (a third of it is usual)",
        "rs.yaml:9:10: 'metrics' is '127.0.0.1:0', wanted an address and a port, as 127.0.0.1:9179",
    ]


def test_an_empty_file_and_a_missing_one_are_named(tmp_path: Path) -> None:
    assert faults("") == ["rs.yaml: the file is empty (it names 'instances' and 'peers')"]
    with pytest.raises(TopologyError, match=r"none\.yaml: cannot be read: no such file"):
        load(tmp_path / "none.yaml")


def test_azure_and_ideal_differ_in_policy() -> None:
    azure, ideal = parse(FILE), parse(FILE.replace("azure", "ideal"))
    of_azure = speaker_config(azure, azure.instances[0]).peers["nva1"].policy
    of_ideal = speaker_config(ideal, ideal.instances[0]).peers["nva1"].policy
    assert (of_azure.max_prefixes, of_azure.max_prefixes_count, of_azure.next_hop, of_azure.transparent) == (4000, "azure", "self", False)
    assert (of_ideal.max_prefixes, of_ideal.next_hop, of_ideal.transparent) == (None, "unchanged", True)
    assert [term.name for term in of_azure.checks] == ["own-prefix"]
    assert [term.source for stage in of_azure.export for term in stage] == ["R95"]
    assert (of_ideal.checks, of_ideal.export) == ((), ())


# --- sessions on loopback ---------------------------------------------------------------------------------------------------

NVAS = {"nva1": ("127.0.0.32", 65001), "nva2": ("127.0.0.33", 65002)}


def nva(name: str, prefixes: list[str]) -> SpeakerConfig:
    address, asn = NVAS[name]
    session = SessionConfig(
        peer="rs0",
        local_asn=asn,
        remote_asn=65515,
        router_id=address,
        local_address=Address.parse(address),
        remote_address=Address.parse("127.0.0.31"),
        connect_retry_s=1,
    )
    policy = PeerPolicy(name="rs0", asn=65515, ebgp=True, local_address=address, peer_address="127.0.0.31", tags=("rs0",))
    return SpeakerConfig(
        name=name,
        asn=asn,
        router_id=address,
        rounds=ROUTER_ROUNDS,
        peers={"rs0": PeerConfig(session=session, policy=policy)},
        origins={(p := Prefix.parse(text)): OriginConfig(prefix=p, next_hop=session.local_address) for text in prefixes},
    )


class Lab:
    """A route server and two NVAs."""

    def __init__(self, path: Path, text: str = FILE) -> None:
        self.path = path / "rs.yaml"
        self.path.write_text(text)
        self.server = RouteServer(load(self.path))
        self.nvas = SpeakerHost(
            endpoint=lambda speaker, peer: Endpoint(local=Address.parse(NVAS[speaker][0]), remote=Address.parse("127.0.0.31"), port=PORT),
            who=lambda speaker, remote, device: None,
        )

    async def up(self, routes: int = 4, told: int = 2) -> None:
        await self.server.start()
        for name, prefixes in (("nva1", ["192.168.0.0/16", "10.0.7.0/24"]), ("nva2", ["192.168.0.0/16", "172.16.0.0/12"])):
            self.nvas.add(nva(name, prefixes))
            self.nvas.start(name)
        rs = self.server.speakers["rs0"]
        await until(lambda: all(rs.session(name).state is State.ESTABLISHED for name in NVAS))
        await until(lambda: rs.rib.statistics()["paths"] >= routes and len(rs.advertised("nva1")) >= told)

    def learned(self, name: str) -> list[str]:
        return [f"{Prefix(*r.prefix)} {r.as_path} {r.next_hop}" for r in self.nvas.speakers[name].learned("rs0")]


async def until(true: Callable[[], bool], limit_s: float = 15) -> None:
    end = asyncio.get_running_loop().time() + limit_s
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def run(tmp_path: Path, test: Callable[[Lab], Awaitable[None]], text: str = FILE, routes: int = 4, told: int = 2) -> None:
    async def main() -> None:
        lab = Lab(tmp_path, text)
        try:
            await lab.up(routes, told)
            await test(lab)
        finally:
            await lab.nvas.end()
            await lab.server.stop()

    asyncio.run(main())


@pytest.mark.live
def test_routes_pass_between_nvas_as_azure_does_it(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        await until(lambda: len(lab.learned("nva1")) == 2 and len(lab.learned("nva2")) == 2)
        assert lab.learned("nva1") == ["10.0.0.0/16 65515 127.0.0.31", "172.16.0.0/12 65515 65002 127.0.0.31"]
        assert lab.learned("nva2") == ["10.0.0.0/16 65515 127.0.0.31", "192.168.0.0/16 65515 65001 127.0.0.31"]
        assert [r.reason for r in lab.server.speakers["rs0"].rejected("nva1")] == ["own-prefix"]

    run(tmp_path, test)


@pytest.mark.live
def test_an_ideal_one_is_not_seen_in_paths_and_next_hops(tmp_path: Path) -> None:
    """RFC 7947 section 2.2: what a client is told is what another client said."""

    async def test(lab: Lab) -> None:
        await until(lambda: len(lab.learned("nva2")) == 3)
        assert lab.learned("nva2") == [
            "10.0.0.0/16 65515 127.0.0.31",
            "10.0.7.0/24 65001 127.0.0.32",
            "192.168.0.0/16 65001 127.0.0.32",
        ]
        best = "192.168.0.0/16 65002 127.0.0.33"  # of the others' paths, for the sender of the best (RFC 7947 section 2.3)
        await until(lambda: best in lab.learned("nva1"))

    run(tmp_path, test, FILE.replace("azure", "ideal"))


@pytest.mark.live
@pytest.mark.parametrize(("action", "accepted"), [("drop", 1), ("warn", 2)])
def test_too_many_routes_need_not_end_the_session(tmp_path: Path, action: str, accepted: int, capfd: pytest.CaptureFixture[str]) -> None:
    text = FILE.replace("passive: true", f"passive: true, max_routes: {{limit: 1, action: {action}}}").replace(
        "originate: [10.0.0.0/16]\n", ""
    )

    async def test(lab: Lab) -> None:
        rs = lab.server.speakers["rs0"]
        await until(lambda: rs.counts("nva2")[3] == 1)
        assert rs.session("nva2").state is State.ESTABLISHED
        assert rs.counts("nva2")[0] == accepted
        assert b'dualhome_routes_over_limit{instance_name="rs0",peer="nva2"} 1.0' in metrics.text_of(lab.server).splitlines()

    run(tmp_path, test, text, routes=2 * accepted, told=0)
    assert capfd.readouterr().err.count("max_routes") == 2


@pytest.mark.live
@pytest.mark.skipif(not shutil.which("bird"), reason="BIRD is not installed (apt-get install bird2)")
def test_bird_learns_from_it_and_is_learned_from(tmp_path: Path) -> None:
    bird = tmp_path / "bird.conf"
    bird.write_text(
        """\
router id 127.0.0.34;
protocol device {}
protocol static { ipv4; route 198.51.100.0/24 blackhole; }
protocol bgp upstream {
  local 127.0.0.34 port 17900 as 65003;
  neighbor 127.0.0.31 port 17900 as 65515;
  multihop; strict bind yes; connect delay time 1; connect retry time 1;
  ipv4 { import all; export all; next hop address 192.0.2.2; };
}
""".replace("17900", str(PORT))
    )
    text = FILE + "  - {name: bird, address: 127.0.0.34, asn: 65003}\n"

    async def test(lab: Lab) -> None:
        ctl = str(tmp_path / "ctl")
        process = subprocess.Popen(["bird", "-f", "-c", str(bird), "-s", ctl, "-P", str(tmp_path / "pid")], stderr=subprocess.DEVNULL)
        try:
            await until(lambda: any("198.51.100.0/24 65515 65003" in line for line in lab.learned("nva1")), 30)
            shown = await asyncio.to_thread(
                subprocess.run, ["birdc", "-s", ctl, "show", "route", "protocol", "upstream", "all"], capture_output=True, text=True
            )
            assert "172.16.0.0/12" in shown.stdout
            assert "BGP.as_path: 65515 65002" in shown.stdout
            assert "BGP.community: (65517,65517)" in shown.stdout
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)
        await until(lambda: lab.server.speakers["rs0"].session("bird").state is not State.ESTABLISHED)

    run(tmp_path, test, text)


@pytest.mark.live
def test_a_changed_file_keeps_sessions_that_did_not_change_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        rs = lab.server.speakers["rs0"]
        first = rs.session("nva1").up_since
        changed = FILE.replace("originate: [10.0.0.0/16]", "originate: [10.0.0.0/16, 10.9.0.0/16]").replace("asn: 65002", "asn: 65009")
        lab.path.write_text(changed)
        assert lab.server.reload() == []
        await until(lambda: any("10.9.0.0/16" in line for line in lab.learned("nva1")))
        assert rs.session("nva1").up_since == first
        await until(lambda: rs.session("nva2").state is not State.ESTABLISHED)
        lab.path.write_text(FILE.replace("asn: 65001", "asn: none"))
        said = lab.server.reload()
        assert said == [f"{lab.path}:7:44: peer 'nva1': 'asn' is 'none', wanted an autonomous system number"]
        assert rs.session("nva1").up_since == first
        lab.path.write_text(FILE.replace(f"port: {PORT}", "port: 17999, namespace: /none/such"))
        assert lab.server.reload() == ["instance 'rs0': network namespace /none/such: No such file or directory"]
        assert rs.session("nva1").up_since == first
        lab.path.write_text(FILE)
        assert lab.server.reload() == []
        await until(lambda: rs.session("nva2").state is State.ESTABLISHED, 30)
        assert rs.session("nva1").up_since == first

    run(tmp_path, test)


@pytest.mark.live
def test_metrics_and_control_tell_of_routes_and_sessions(tmp_path: Path) -> None:
    text = FILE + f"control: {tmp_path}/control\nmetrics: 127.0.0.1:{METRICS}\n"

    async def test(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", METRICS)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = (await reader.read()).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
        for line in (
            'dualhome_session_up{instance_name="rs0",peer="nva1"} 1.0',
            'dualhome_routes_received{instance_name="rs0",peer="nva1"} 2.0',
            'dualhome_routes_accepted{instance_name="rs0",peer="nva1"} 1.0',
            'dualhome_routes_rejected{instance_name="rs0",peer="nva1",reason="own-prefix"} 1.0',
            'dualhome_notifications_total{direction="out",instance_name="rs0",peer="nva2"} 0.0',
        ):
            assert line in answer.splitlines(), answer

        def ask(**request: Any) -> Any:
            return asyncio.to_thread(control.ask, tmp_path / "control", request)

        status = await ask(ask="status")
        assert [(row["peer"], row["state"], row["accepted"], row["rejected"]) for row in status] == [
            ("nva1", "Established", 1, 1),
            ("nva2", "Established", 2, 0),
        ]
        routes = await ask(ask="routes", prefix="192.168.0.0/16")
        assert [(row["learned_from"], row["best"], row["multipath"]) for row in routes] == [("nva1", True, True), ("nva2", False, True)]
        assert [row["reason"] for row in await ask(ask="rejected", peer="nva1")] == ["own-prefix"]
        assert len(await ask(ask="advertised", peer="nva1", instance="rs0")) == 2
        with pytest.raises(RequestError, match="no peer 'nva9'"):
            await ask(ask="learned", peer="nva9")
        with pytest.raises(RequestError, match="nothing is known of None"):
            await ask()
        assert await ask(ask="reload") == "reloaded"
        assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600
        with pytest.raises(SystemRefused, match="another route server answers there"):
            await control.serve(tmp_path / "control", lambda request: None)
        assert b"dualhome_paths" in metrics.text_of(lab.server)

    run(tmp_path, test, text)


# --- the process ------------------------------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "dualhome.cli", "route-server"]


@pytest.mark.live
def test_the_process_says_ready_reloads_and_says_goodbye(tmp_path: Path) -> None:
    file = tmp_path / "rs.yaml"
    file.write_text(FILE + "log: {format: json}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(tmp_path / "notify"))
        ready.settimeout(20)
        process = subprocess.Popen(
            [*COMMAND, "--config", str(file)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        )
        try:
            assert ready.recv(100).startswith(b"READY=1\n")
            taken = subprocess.run([*COMMAND, "--config", str(file)], capture_output=True, text=True, timeout=20)
            assert (taken.returncode, taken.stderr.splitlines()[-1]) == (
                3,
                f"dualhome: can't listen on 127.0.0.31:{PORT}: the port is taken by another program (ss -ltnp shows which)",
            )
            with socket.create_connection(("127.0.0.31", PORT), source_address=("127.0.0.32", 0)) as peer:
                peer.settimeout(10)
                assert peer.recv(100)[18] == 1, "an OPEN"
                file.write_text("nonsense: 1\n")
                process.send_signal(signal.SIGHUP)
                assert (ready.recv(100), ready.recv(100)) == (b"RELOADING=1", b"READY=1")
                process.terminate()
                assert peer.recv(100)[18:21] == b"\x03\x06\x02", "Cease, Administrative Shutdown"
            assert process.wait(10) == 0
            assert process.stderr is not None
            lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        finally:
            process.kill()
            process.wait()
    said = [line["event"] for line in lines]
    assert said[0] == "started"
    assert said[-1] == "stopped"
    [refused] = [line for line in lines if line["event"] == "reload refused"]
    assert refused["level"] == "error"
    assert refused["faults"][0].startswith(f"{file}:1:1: unknown key 'nonsense' (possible: behaves_like, ")


def test_check_and_the_unit(tmp_path: Path) -> None:
    file = tmp_path / "rs.yaml"
    file.write_text(FILE)
    done = subprocess.run([*COMMAND, "--config", str(file), "--check"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, f"{file}: 1 instances, 2 peers: nothing is wrong\n"), done.stderr
    file.write_text(FILE.replace("asn: 65001", "asn: 0"))
    done = subprocess.run([*COMMAND, "--config", str(file), "--check"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (2, f"{file}:7:44: peer 'nva1': 'asn' is 0, wanted at least 1\n")
    text = unit(file)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in text
    assert f"route-server --config {file}\n" in text
    assert "CAP_NET_ADMIN" in unit(file, kernel=True)


# --- the kernel's table -------------------------------------------------------------------------------------------------------


class Table:
    """A kernel with one network on eth0 and a default route; it takes all that it is told."""

    def __init__(self) -> None:
        self.objects: dict[int, object] = {}
        self.table: dict[tuple[bytes, int], int] = {}

    def route_dump(self, table: int = 254) -> Any:
        on_link = (2, bytes([10, 0, 0, 0]), 24, 2, 0, ((None, "eth0", 1),))
        default = (2, bytes(4), 0, 3, 0, (("10.0.0.1", "eth0", 1),))
        return [default, on_link]

    def nexthop_dump(self) -> Any:
        return []

    def nexthops(self, put: Any = (), groups: Any = (), drop: Any = ()) -> list[tuple[int, int, str]]:
        self.objects.update({number: (via, device) for number, via, device, _ in put})
        self.objects.update({number: [self.objects[each] for each in members] for number, members in groups})
        for number in drop:
            del self.objects[number]
        return []

    def routes(self, put: Any = (), drop: Any = (), *, table: int = 254, metric: int = 0) -> list[tuple[int, int, str]]:
        self.table.update({(bits, length): number for bits, length, number in put})
        for key in drop:
            del self.table[key]
        return []


def test_best_paths_are_written_over_groups_and_a_lost_peer_costs_one_write() -> None:
    kernel = Table()
    program = Programming(kernel, Kernel(table=254, metric=20))
    many = {Prefix.parse(f"192.168.{i}.0/24"): ("10.0.0.5", "10.9.0.1") for i in range(100)}
    assert program.write(many) == 101
    [group] = set(kernel.table.values())
    assert kernel.objects[group] == [("10.0.0.5", "eth0"), ("10.0.0.1", "eth0")]
    assert program.write(dict.fromkeys(many, ("10.0.0.5",))) == 1
    assert kernel.objects[group] == [("10.0.0.5", "eth0")]
    program.clear()
    assert (kernel.objects, kernel.table) == ({}, {})


def test_the_example_is_right() -> None:
    file = Path(__file__).parents[2] / "examples/route-server/route-server.yaml"
    done = subprocess.run([*COMMAND, "--check", "--config", str(file)], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
