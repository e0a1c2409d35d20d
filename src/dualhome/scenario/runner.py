"""Doing a scenario: one step after the other, and what each expectation found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dualhome.errors import DualhomeError, Fault, RequestError, TopologyError
from dualhome.model import Network
from dualhome.scenario.expectations import Asked, Outcome, outcomes
from dualhome.scenario.results import CheckResult
from dualhome.topology import Step, Topology

if TYPE_CHECKING:
    from dualhome.check import Finding
    from dualhome.engine.views import RouteView, SessionView
    from dualhome.forwarding.effective import EffectiveRoute
    from dualhome.forwarding.trace import Path


class Subject(Protocol):
    """A network that a scenario is done to; `app.Run` is one."""

    @property
    def network(self) -> Network:
        """The network as it is by now."""
        ...

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        ...

    def settle(self, within_s: float) -> float:
        """Run until only keepalives are left; the seconds it took. NotSettled where it doesn't come to rest."""
        ...

    def wait(self, seconds: float) -> None: ...  # noqa: D102
    def fail(self, target: object) -> None: ...  # noqa: D102
    def restore(self, target: object) -> None: ...  # noqa: D102
    def announce(self, node: str, prefixes: Sequence[str]) -> None: ...  # noqa: D102
    def withdraw(self, node: str, prefixes: Sequence[str]) -> None: ...  # noqa: D102
    def change(self, patch: Mapping[str, object]) -> None: ...  # noqa: D102

    def watch(self, source: str, destination: str) -> None:
        """Send probes from now on."""
        ...

    def outage(self, source: str, destination: str) -> float:
        """The longest gap of the worst flow since the last event, in seconds."""
        ...

    def sessions(self, name: str | None = None) -> tuple[SessionView, ...]:
        """Sides of sessions that a name means: `a/b` is every instance of a toward every instance of b."""
        ...

    def speakers(self, name: str) -> tuple[str, ...]:
        """Full names of the speakers that a name means."""
        ...

    def effective_routes(self, nic: str) -> tuple[EffectiveRoute, ...]: ...  # noqa: D102
    def learned(self, session: str) -> tuple[RouteView, ...]: ...  # noqa: D102
    def advertised(self, session: str) -> tuple[RouteView, ...]: ...  # noqa: D102
    def rejected(self, session: str) -> tuple[RouteView, ...]: ...  # noqa: D102
    def table(self, speaker: str) -> tuple[RouteView, ...]: ...  # noqa: D102

    def verdict(self, source: str, destination: str) -> Sequence[tuple[Path, Sequence[Path]]]:
        """Every branch of the way there, each with every branch of its way back."""
        ...

    def check(self) -> Sequence[Finding]:
        """What `check` says of the network as it is by now."""
        ...


Progress = Callable[[int, int, str], None]  # step, of how many, what is done


def run(topology: Topology, make_run: Callable[[Topology], Subject], progress: Progress | None = None) -> list[CheckResult]:
    """Do the file's scenario from a cold start; a result for each `settle` and each expected item, in the order of the file.

    Raises:
        TopologyError: a step names what isn't there, or changes the network into none.
    """
    subject = make_run(topology)
    for source, destination in outage_pairs(topology.scenario):
        subject.watch(source, destination)
    results: list[CheckResult] = []
    for step in topology.scenario:
        if progress:
            progress(step.index, len(topology.scenario), step.description or step.kind)
        results.extend(_results(topology, subject, step))
    return results


def outage_pairs(steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Whom probes must be sent between: every pair that some later step asks an outage of, in order."""
    pairs: dict[tuple[str, str], None] = {}
    for step in steps:
        if step.kind == "expect" and isinstance(step.value, Mapping):
            for item in step.value.get("outage", ()):
                pairs[str(item["from"]), str(item["to"])] = None
    return list(pairs)


def _results(topology: Topology, subject: Subject, step: Step) -> Iterator[CheckResult]:
    if step.kind == "expect":
        asked = Asked(topology.network, ("scenario", step.index, "expect"), step.value if isinstance(step.value, Mapping) else {})
        for outcome in outcomes(subject, asked):
            yield _result(topology, step, outcome)
    elif step.kind == "settle":
        yield _result(topology, step, _settle(subject, step.value))
    else:
        try:
            _do(subject, step)
        except RequestError as error:
            line, column = topology.lines.of(("scenario", step.index))
            raise TopologyError([Fault(file=topology.file, line=line, column=column, message=f"{step.kind}: {error}")]) from error


def _do(subject: Subject, step: Step) -> None:
    """Do an event."""
    value = step.value
    if step.kind == "fail":
        subject.fail(value)
    elif step.kind == "restore":
        subject.restore(value)
    elif step.kind == "wait_s":
        assert isinstance(value, (int, float))
        subject.wait(float(value))
    else:
        assert isinstance(value, Mapping)
        if step.kind == "change":
            subject.change(value)
        elif step.kind == "announce":
            subject.announce(str(value["node"]), [str(p) for p in value["prefixes"]])
        else:
            assert step.kind == "withdraw", f"no such step: {step.kind}"
            subject.withdraw(str(value["node"]), [str(p) for p in value["prefixes"]])


def _settle(subject: Subject, value: object) -> Outcome:
    within_s = float(value["within_s"]) if isinstance(value, Mapping) else 600.0
    start_s = subject.now_s
    what, path = "settle", ("settle",)
    try:
        subject.settle(within_s)
    except (RequestError, TopologyError):
        raise
    except DualhomeError as error:
        return Outcome(
            what=what,
            path=path,
            ok=False,
            expected={"within_s": within_s},
            found=str(error),
            problem=f"not settled within {within_s:g} s: {error}",
        )
    return Outcome(what=what, path=path, ok=True, expected={"within_s": within_s}, found={"after_s": round(subject.now_s - start_s, 3)})


def _result(topology: Topology, step: Step, outcome: Outcome) -> CheckResult:
    line = topology.lines.of(("scenario", step.index, *outcome.path))[0] or step.line
    return CheckResult(
        file=topology.file,
        step=step.index,
        line=line,
        what=outcome.what,
        ok=outcome.ok,
        expected=outcome.expected,
        found=outcome.found,
        message="" if outcome.ok else f"{topology.file}:{line}: {outcome.what}: {outcome.problem}",
        confidence=outcome.confidence,
        evidence=outcome.evidence,
    )
