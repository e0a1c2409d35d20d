"""The use cases, and the library: a file becomes a `Net`, a simulated `Net` a `Run`. The only place that wires the floors together.

Begin at `Net`; what may be asked of a network that runs is in `questions`, what may be done to it on virtual time in `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path as File

from dualhome import check as checks
from dualhome import topology as files
from dualhome.app.live import LiveRun, ProbeResult, UpOptions, down, networks, up
from dualhome.app.questions import Questions, Way, hint, node_names
from dualhome.app.run import Run
from dualhome.app.what_if import Change
from dualhome.check import Finding
from dualhome.errors import Fault, NotSettled, RequestError, TopologyError
from dualhome.explain import Story
from dualhome.model import Network
from dualhome.plan import Plan, make_plan
from dualhome.report import diagram
from dualhome.scenario import CheckResult
from dualhome.scenario import run as run_scenario
from dualhome.topology import Topology

__all__ = [
    "LiveRun",
    "Net",
    "ProbeResult",
    "Progress",
    "Questions",
    "Run",
    "UpOptions",
    "Way",
    "down",
    "hint",
    "load",
    "networks",
    "node_names",
    "parse",
]

Progress = Callable[[int, int, str], None]


def load(path: str | File) -> Net:
    """The network of a topology file.

    Raises:
        TopologyError: the file can't be read, or is wrong; all its faults.
    """
    try:
        return Net(files.load(File(path)))
    except OSError as error:
        raise TopologyError([Fault(file=str(path), line=0, column=0, message=f"can't be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise TopologyError([Fault(file=str(path), line=0, column=0, message="is not a text in UTF-8")]) from error


def parse(text: str, file: str = "topology.yaml") -> Net:
    """The network of a topology's text.

    Raises:
        TopologyError: the text is wrong; all its faults, under the name `file`.
    """
    return Net(files.parse(text, file))


class Net:
    """A network as its file describes it. In a notebook it shows itself as a picture."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.network: Network = topology.network
        self.plan: Plan = make_plan(topology.network)

    def simulate(self, seed: int = 0, settle: bool = True, fail: Sequence[str | Mapping[str, object]] = ()) -> Run:
        """Start it cold on virtual time; let it settle, then fail what is named, one after the other, settling after each."""
        run = Run(self.topology, self.plan, seed)
        if settle:
            run.settle()
        for target in fail:
            run.fail(target)
            if settle:
                run.settle()
        return run

    def up(self, name: str | None = None, options: UpOptions | None = None, progress: Progress | None = None) -> LiveRun:
        """Bring it up on this machine, under its own name or another; `with` takes it down again at the end.

        Raises:
            RequestError: the name is taken.
            SystemRefused: the machine lacks something, or refused; nothing is left then.
        """
        return up(self.topology, name, options, progress)

    def test(self, progress: Progress | None = None, seed: int = 0) -> list[CheckResult]:
        """Run the scenario of the file on virtual time."""
        return run_scenario(self.topology, lambda topology: Run(topology, self.plan, seed), progress)

    def test_live(self, progress: Progress | None = None, name: str | None = None, options: UpOptions | None = None) -> list[CheckResult]:
        """Run the scenario of the file on this machine, and take the network down again.

        Raises:
            SystemRefused: the machine lacks something; nothing is left.
        """
        with ExitStack() as ending:
            return run_scenario(self.topology, lambda topology: ending.enter_context(up(topology, name, options)), progress)

    def check(self, simulate: bool = True) -> list[Finding]:
        """Findings about the design; those that need its routes too, if it may be simulated."""
        run = Run(self.topology, self.plan, 0) if simulate and self.plan.speakers else None
        with suppress(NotSettled):  # one that flaps has findings too, as of the end of that time
            if run is not None:
                run.simulation.settle(600)
        engine, scenario = run.engine if run is not None else None, self.topology.scenario
        return checks.findings(self.network, self.plan, engine, self.topology.locate, self.topology.file, scenario)

    def what_if(self, *changes: Change) -> Run:
        """Simulate it changed, settled: `route_servers.hub1-rs.branch_to_branch=true`, a mapping as a scenario's `change`, `fail hub1-nva`, …

        Raises:
            TopologyError: a change can't be understood, names what isn't there, or makes no valid network.
        """
        return self.simulate().what_if(*changes)

    def why_outage(self, source: str, destination: str, *fail: object) -> Story:
        """Simulate it, fail one after the other, and say why packets were lost as long as they were when the last one failed: phases that add up."""
        run = self.simulate()
        for target in fail[:-1]:
            run.fail(target)
            run.settle()
        return run.outage_by(source, destination, fail[-1])

    def diagram(self, form: str = "svg") -> str:
        """A drawing: `svg`, or text for `mermaid`."""
        if form not in diagram.FORMS:
            raise RequestError(f"no such drawing: {form!r} (there are {', '.join(diagram.FORMS)})")
        return diagram.draw(self.network, self.plan, form)

    def _repr_svg_(self) -> str:
        return self.diagram("svg")

    def __repr__(self) -> str:
        return f"<dualhome.Net {self.network.name}: {len(self.network.virtual_networks)} virtual networks, {len(self.plan.speakers)} BGP speakers>"
