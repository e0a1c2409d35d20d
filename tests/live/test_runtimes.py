"""What FRR and BIRD are told, and that they then do in namespaces what the built-in speaker does in simulation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import dualhome
from dualhome.errors import RequestError
from dualhome.live.layout import Layout, lay_out
from dualhome.live.runtimes import RUNTIMES, Job, Runtime, job_of
from dualhome.plan import Plan, make_plan
from tests.consoles import ROOT

HERE = Path(__file__).parent / "runtimes"
THREE, TWO = HERE / "three.yaml", HERE / "two.yaml"
DIRECTORY = Path("/run/dualhome/x/nodes/y")
GOLDENS = [
    ("examples/2-expressroute/topology.yaml", "hub1-nva"),
    ("examples/3-without-as-override/mistake.yaml", "hub1-nva"),
    ("tests/live/runtimes/three.yaml", "centre"),
]


def planned(text: str) -> tuple[Plan, Layout]:
    network = dualhome.parse(text).network
    return make_plan(network), lay_out(network)


def told(runtime: str, text: str, node: str) -> str:
    plan, layout = planned(text)
    return RUNTIMES[runtime].configuration(job_of(plan, layout.nodes[node], DIRECTORY))


# --- texts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("file", "node"), GOLDENS, ids=lambda value: str(value).split("/")[-2] if "/" in str(value) else None)
def test_golden_configuration(runtime: str, file: str, node: str) -> None:
    golden = HERE / f"{Path(file).parent.name if Path(file).stem == 'topology' else Path(file).stem}.{node}.{runtime}.conf"
    text = told(runtime, (ROOT / file).read_text("utf-8"), node)
    if os.environ.get("REGENERATE"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8"), "it is another now; read the difference, then run: make goldens"


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("golden", sorted(HERE.glob("*.conf")), ids=lambda p: p.name)
def test_the_program_itself_finds_nothing_wrong(runtime: str, golden: Path) -> None:
    program = RUNTIMES[runtime]
    if program.missing():
        pytest.skip(program.missing())
    if golden.name.endswith(f".{runtime}.conf"):
        assert program.check_configuration(golden) == ""
    else:
        assert "1" in program.check_configuration(golden), "the other's words are wrong from the first line on"


ROUTER = """
version: 1
name: small
virtual_networks: {far: {address_space: [10.1.0.0/16]}}
on_premises:
  one: {asn: 65010, address: 10.9.0.1, %s}
  two: {asn: 65020, address: 10.9.0.2, hosts: {there: 10.9.0.9}}
links: [{between: [one, two], bfd: {interval_ms: 50, multiplier: 3}}]
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("export: {two: [{name: sum, actions: {prefix: {replace: [10.0.0.0/8]}}}]}", "rule 'sum' replaces prefixes by a summary"),
        ("originates: [{prefix: 10.70.0.0/16, while: there}]", r"under a condition \(10.70.0.0/16 while there\)"),
    ],
)
def test_what_programs_cannot_do_is_refused_in_the_users_words(runtime: str, key: str, word: str) -> None:
    with pytest.raises(RequestError, match=word):
        told(runtime, ROUTER % key, "one")


def test_frr_cannot_replace_paths_and_bird_can() -> None:
    key = "export: {two: [{name: new, actions: {as_path: {replace: [64496, 64497]}}}]}"
    with pytest.raises(RequestError, match=r"one/two: FRR can't do what rule 'new' asks for \(path_replace\)"):
        told("frr", ROUTER % key, "one")
    assert "bgp_path = +empty+; bgp_path.prepend(64497); bgp_path.prepend(64496);" in told("bird", ROUTER % key, "one")


IPV6 = """
version: 1
name: small
virtual_networks: {far: {address_space: [10.1.0.0/16]}}
on_premises:
  one:
    asn: 65010
    address: fd00:9::1
    next_hop: {two: unchanged}
    originates: ["fd00:70::/32"]
    export:
      two:
        - match: {prefix: {contains: ["fd00:70::/32", 10.0.0.0/8]}, community: {contains: [no-export, "65010:2"]}}
          actions: {community: {remove: ["65010:1"]}}
        - {match: {prefix: {equals: [10.0.0.0/8]}}, actions: {prefix: drop}}
  two: {asn: 65020, address: fd00:9::2}
links: [[one, two]]
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sessions_of_ipv6_carry_ipv6(runtime: str, tmp_path: Path) -> None:
    """What a rule says of the other family is left out, and so is a rule that says nothing else."""
    text = told(runtime, IPV6, "one")
    assert "fd00:70::/32" in text
    assert "10.0.0.0" not in text
    (tmp_path / "conf").write_text(text)
    if RUNTIMES[runtime].missing():
        pytest.skip(RUNTIMES[runtime].missing())
    assert RUNTIMES[runtime].check_configuration(tmp_path / "conf") == ""


def test_bfd_has_the_links_intervals() -> None:
    assert " profile peer1\n  detect-multiplier 3\n  receive-interval 50\n" in told("frr", ROUTER % "multihop: true", "one")
    expected = "bfd { min rx interval 50 ms; min tx interval 50 ms; idle tx interval 50 ms; multiplier 3; };"
    assert expected in told("bird", ROUTER % "multihop: true", "one")


# --- answers --------------------------------------------------------------------------------------------------------------


def test_states_are_those_of_rfc_4271_by_peers_names() -> None:
    plan, layout = planned(THREE.read_text("utf-8"))
    job = job_of(plan, layout.nodes["centre"], DIRECTORY)
    frr = json.dumps({"10.9.0.2": {"bgpState": "Established"}, "10.9.0.3": {"bgpState": "Clearing"}})
    assert RUNTIMES["frr"].states(job, frr) == {"left": "Established", "right": "Idle"}
    bird = "peer2 BGP --- up\n  BGP state:          Passive\n    Neighbor address: 10.9.0.3\n"
    assert RUNTIMES["bird"].states(job, bird) == {"left": "Idle", "right": "Active"}
    assert RUNTIMES["frr"].states(job, "") == {"left": "Idle", "right": "Idle"}


# --- in namespaces ----------------------------------------------------------------------------------------------------------


def sh(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
    return done.stdout


class Nodes:
    """Namespaces of a network's routers, wired pair by pair as the fabric wires them: every neighbor is 192.0.0.8, behind which is the far end."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan, self.layout = plan, layout
        self.base = Path(tempfile.mkdtemp(prefix="dualhome-"))
        self.base.chmod(0o755)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.jobs: dict[str, tuple[Runtime, Job]] = {}

    def namespace(self, node: str) -> str:
        return f"{self.base.name}-{node}"

    def build(self) -> None:
        for name in self.plan.speakers:
            sh("ip", "netns", "add", self.namespace(name))
            self.ip(name, "link", "set", "lo", "up")
            node = self.layout.nodes[name]
            for address in (*node.addresses, *(a for each in node.interfaces if each.nic for a in each.addresses)):
                self.ip(name, "address", "add", f"{address}/32", "dev", "lo")
        for session in self.plan.sessions:
            self.join(session.a, session.b)

    def join(self, a: str, b: str) -> None:
        """By the wire between the two; else both NICs, and then the default route leads there."""
        ends = [(a, b, self.device(a, b), "02:00:00:00:00:01"), (b, a, self.device(b, a), "02:00:00:00:00:02")]
        (_, _, first, mac), (_, _, second, far) = ends
        self.ip(a, "link", "add", first, "address", mac, "type", "veth", "peer", "name", second, "address", far, "netns", self.namespace(b))
        for (node, other, device, _), (_, _, _, lladdr) in zip(ends, reversed(ends), strict=True):
            self.ip(node, "link", "set", device, "up")
            self.ip(node, "neighbor", "add", "192.0.0.8", "lladdr", lladdr, "dev", device, "nud", "permanent")
            peer = self.plan.speakers[node].config.peers[other].session.remote_address
            to = "default" if device == "eth0" else f"{peer}/32"
            self.ip(node, "route", "add", to, "via", "192.0.0.8", "dev", device, "onlink")

    def device(self, node: str, far: str) -> str:
        wire = self.layout.nodes[node].toward(far)
        return wire.device if wire is not None else "eth0"

    def ip(self, node: str, *words: str) -> str:
        return sh("ip", "-n", self.namespace(node), *words)

    def start(self, node: str, runtime: Runtime) -> None:
        directory = self.base / node
        directory.mkdir()
        job = job_of(self.plan, self.layout.nodes[node], directory)
        (directory / runtime.file).write_text(runtime.configuration(job))
        if runtime.owner:
            shutil.chown(directory, runtime.owner, runtime.owner)
        self.jobs[node] = runtime, job
        for process in runtime.processes(job):
            with (directory / f"{process.name}.out").open("wb") as out:
                command = ["ip", "netns", "exec", self.namespace(node), *process.command]
                self.processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=directory))
            self.until(process.ready.exists, node)
        if load := runtime.load(job):
            sh(*load)

    def until(self, found: Callable[[], object], *nodes: str, are: object = True) -> None:
        """Wait until what is found is that; fails with what was found last, and with what these nodes put down."""
        end = time.monotonic() + 30
        while (last := found()) != are:
            logs = "\n".join(file.read_text(errors="replace") for node in nodes for file in (self.base / node).glob("log"))
            assert time.monotonic() < end, f"found {last}, not {are}\n{logs}"
            time.sleep(0.1)

    def states(self, node: str) -> dict[str, str]:
        runtime, job = self.jobs[node]
        return runtime.states(job, sh(*runtime.ask_states(job)))

    def learned(self, node: str, peer: str) -> dict[str, tuple[str, str]]:
        """By prefix AS path and next hop."""
        runtime, job = self.jobs[node]
        return {each.prefix: (each.as_path, each.next_hop) for each in runtime.learned(sh(*runtime.ask_learned(job, peer)))}

    def kernel(self, node: str) -> dict[str, list[str]]:
        """Routes of routing programs: prefix and devices."""
        found = {}
        for route in json.loads(self.ip(node, "-j", "route", "show")):
            if route.get("protocol") in ("bgp", "bird"):
                assert all("onlink" in way["flags"] and way["gateway"] == "192.0.0.8" for way in route.get("nexthops", [route]))
                found[route["dst"]] = sorted(way["dev"] for way in route.get("nexthops", [route]))
        return found

    def clear(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in self.plan.speakers:
            subprocess.run(["ip", "netns", "delete", self.namespace(name)], capture_output=True, check=False)
        shutil.rmtree(self.base)


@pytest.fixture
def make_nodes() -> Iterator[Callable[[Path], Nodes]]:
    reason = next((why for program in RUNTIMES.values() if (why := program.missing())), "")
    if reason or os.geteuid() or not shutil.which("ip"):
        pytest.skip(reason or "namespaces need root, and `ip` (apt-get install iproute2)")
    made: list[Nodes] = []

    def make(file: Path) -> Nodes:
        made.append(Nodes(*planned(file.read_text("utf-8"))))
        made[-1].build()
        return made[-1]

    try:
        yield make
    finally:
        for nodes in made:
            nodes.clear()


def simulated(file: Path, session: str) -> dict[str, tuple[str, str]]:
    """What the built-in speaker of the first has from the second."""
    run = dualhome.load(file).simulate()
    return {str(route.prefix): (str(route.as_path), str(route.next_hop)) for route in run.learned(session)}


def agree(nodes: Nodes, file: Path) -> None:
    """Both ends of every session come to know of the other what the simulation says, in whatever time."""
    for session in nodes.plan.sessions:
        for node, peer in ((session.a, session.b), (session.b, session.a)):
            expected = simulated(file, f"{node}/{peer}")
            assert expected
            nodes.until(partial(nodes.learned, node, peer), node, are=expected)


@pytest.mark.live
@pytest.mark.parametrize(("centre", "others"), [("frr", "bird"), ("bird", "frr")])
def test_frr_and_bird_tell_each_other_what_the_built_in_speaker_would(
    make_nodes: Callable[[Path], Nodes], centre: str, others: str
) -> None:
    """The centre has two ways to 10.50.0.0/16, and they reach its kernel.

    left 10.50, 10.51 ── centre 10.70, 10.71 ── right 10.50, 10.52, 10.53
    """
    nodes = make_nodes(THREE)
    for node in nodes.plan.speakers:
        nodes.start(node, RUNTIMES[centre if node == "centre" else others])
    nodes.until(lambda: nodes.states("centre"), "centre", "left", are={"left": "Established", "right": "Established"})
    assert nodes.states("left") == {"centre": "Established"}
    agree(nodes, THREE)
    expected = {"10.50.0.0/16": ["left", "right"], "10.51.0.0/16": ["left"], "10.52.0.0/16": ["right"]}
    nodes.until(lambda: nodes.kernel("centre"), "centre", are=expected)


@pytest.mark.live
@pytest.mark.parametrize(("one", "two"), [("frr", "bird"), ("bird", "frr")])
def test_next_hops_behind_the_default_route_are_good_even_where_bgp_covers_them(
    make_nodes: Callable[[Path], Nodes], one: str, two: str
) -> None:
    """A route of BGP to 10.0.0.0/8 doesn't make next hops in 10.1.2.0/24 unusable; and the session has BFD."""
    nodes = make_nodes(TWO)
    nodes.start("one", RUNTIMES[one])
    nodes.start("two", RUNTIMES[two])
    nodes.until(lambda: nodes.states("one"), "one", "two", are={"two": "Established"})
    agree(nodes, TWO)
    nodes.until(lambda: nodes.kernel("one"), "one", are={"10.0.0.0/8": ["eth0"], "10.61.0.0/16": ["eth0"]})
    nodes.until(lambda: "10.60.0.0/16" in nodes.kernel("two"), "two")
    bird = "one" if one == "bird" else "two"
    nodes.until(lambda: " Up " in sh("birdc", "-r", "-s", str(nodes.base / bird / "bird.ctl"), "show bfd sessions"), "one", "two")
