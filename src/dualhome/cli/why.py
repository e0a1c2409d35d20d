"""`why`: of a route, of another next hop, of a session, of an outage; and what would change if."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import (
    FailOption,
    FileOption,
    JsonOption,
    NetworkOption,
    attach,
    node_argument,
    note,
    open_net,
    open_run,
    settle,
    show,
    show_json,
)

if TYPE_CHECKING:
    from dualhome.app import LiveRun, Run
    from dualhome.explain import Story
    from dualhome.explain.compare import WhatIf


def why(
    node: Annotated[str, node_argument("NODE|A/B", "A machine, gateway, host or BGP speaker; a session as spoke-rs/hub1-nva.")],
    to: Annotated[str | None, typer.Argument(metavar="PREFIX|TO", help="A prefix, an address or a name.", show_default=False)] = None,
    instead_of: Annotated[
        str | None, typer.Option("--not", metavar="NEXTHOP", help="Why it doesn't go by this node or address.", show_default=False)
    ] = None,
    outage: Annotated[
        bool, typer.Option("--outage", help="Why packets from NODE to TO were lost that long when the last --fail happened.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--if",
            metavar="CHANGE",
            help="What would change if: section.name.key=value, a YAML mapping as in a scenario's `change`, 'fail X', 'restore X', "
            "'announce NODE PREFIX', 'withdraw NODE PREFIX'. Repeatable. A live network's topology is simulated for it.",
            show_default=False,
        ),
    ] = None,
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """Why a route is there or was lost, a session is up or down, an outage took that long; and what would change if.

    \b
    why spoke-vm 192.168.0.0/16          a prefix, an address, or a name (dc-host)
    why spoke-vm dc-host --not hub2-nva  why not by this node or address
    why spoke-rs/hub1-nva                a session
    why spoke-vm dc-host --outage --fail hub1-nva:silent -f FILE
    why spoke-vm dc-host --if route_servers.hub1-rs.branch_to_branch=true
    """
    found = _answer(node, to, instead_of, outage, changes or [], file, fail, network)
    if json:
        show_json(found.to_data())
        return
    from dualhome.explain import Story
    from dualhome.report import story as stories

    show(stories.told(found) if isinstance(found, Story) else stories.compared(found))


def _answer(
    node: str,
    to: str | None,
    instead_of: str | None,
    outage: bool,
    changes: list[str],
    file: Path | None,
    fail: list[str] | None,
    network: str | None,
) -> Story | WhatIf:
    from dualhome.errors import RequestError

    if to is None and (outage or instead_of is not None):
        raise RequestError(
            "--outage and --not ask about packets: name where they go, as in `why spoke-vm dc-host --outage --fail hub1-nva`"
        )
    if outage and instead_of is not None:
        raise RequestError("--outage and --not are two questions: ask one of them")
    if outage:
        assert to is not None, "it was looked at above"
        return _outage(node, to, changes, file, fail or [], network)
    run = open_run(file, fail, network)
    if changes:
        run, told = _simulated(run)
        from dataclasses import replace

        return replace(run.why_if(changes, node, to, instead_of), note=told)
    return run.why_session(node) if to is None else run.why(node, to, instead_of)


def _outage(source: str, destination: str, changes: list[str], file: Path | None, fail: list[str], network: str | None) -> Story | WhatIf:
    """Simulated, with the last of `fail` as what is asked about; of a live network its topology."""
    from dataclasses import replace

    from dualhome.errors import RequestError

    if not fail:
        raise RequestError("--outage needs --fail X: whose failure packets are lost by")
    if file is not None:
        net, told = open_net(file), ""
        run = net.simulate(settle=False)
        settle(run)
    else:
        run, told = _simulated(attach(network))
    for target in fail[:-1]:
        run.fail(target)
        settle(run)
    if changes:
        return replace(run.why_outage_if(changes, source, destination, fail[-1]), note=told)
    return run.again().outage_by(source, destination, fail[-1])


def _simulated(run: Run | LiveRun) -> tuple[Run, str]:
    """Of a live network a simulation of its topology with what is failed there, and a word on that."""
    from dualhome.app import LiveRun

    if not isinstance(run, LiveRun):
        return run, ""
    told = f"simulated from the topology of {run.place.name}, which is up, as it is by now"
    note(f"dualhome: {told}")
    return run.simulated(), told
