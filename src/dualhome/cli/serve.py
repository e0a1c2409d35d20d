"""`serve`: Azure's REST API in front of a network."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dualhome.cli.common import note

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where it listens; another address than loopback needs --tls-cert and --tls-key.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any that is free.")]
EngineOption = Annotated[str, typer.Option("--engine", metavar="WORD", help="live, simulated, or auto: live where this machine lets us.")]
StateOption = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="memory|FILE", help="Where resources are kept; a file of SQLite's in the state directory.", show_default=False
    ),
]
WithOption = Annotated[
    Path | None,
    typer.Option(
        "--with", metavar="FILE", help="A fragment of a topology that is merged in: what ARM has no words for.", show_default=False
    ),
]
OperationsOption = Annotated[
    str, typer.Option("--operations", metavar="WORD", help="How changes are answered: immediate, async, location or body.")
]
TimesOption = Annotated[bool, typer.Option("--realistic-times", help="Operations take as long as Azure's.")]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="NAME=N", help="Go wrong on purpose: throttle, unavailable, busy, slow, routing-lag, tokens.", show_default=False
    ),
]
CertificateOption = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Your own certificate.", show_default=False)]
KeyOption = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key.", show_default=False)]
RunOption = Annotated[
    bool | None,
    typer.Option(
        "--allow-run-command/--no-run-command", help="Whether programs may be run in machines; on loopback they may.", show_default=False
    ),
]
DownloadsOption = Annotated[
    Path | None,
    typer.Option(
        "--downloads",
        metavar="FOLDER",
        help="Where templates and scripts that are named by URL are looked for before they are fetched: FOLDER/HOST/PATH.",
        show_default=False,
    ),
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What the live network is called on this machine.")]


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8443,
    engine: EngineOption = "auto",
    state: StateOption = None,
    extra: WithOption = None,
    operations: OperationsOption = "immediate",
    realistic_times: TimesOption = False,
    fault: FaultOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    run_commands: RunOption = None,
    name: NameOption = "azure",
    downloads: DownloadsOption = None,
) -> None:
    """Answer Azure's REST API, so that az, SDKs, templates and Terraform work unchanged; `dualhome env` says how they find it. Ends on Ctrl-C."""
    from dualhome.arm.place import home
    from dualhome.arm.server import Options, Server
    from dualhome.arm.server import serve as run
    from dualhome.arm.settings import OPERATIONS
    from dualhome.arm.settings import fault as read_fault
    from dualhome.errors import RequestError

    if operations not in OPERATIONS:
        raise RequestError(f"no --operations {operations!r} (there are {', '.join(OPERATIONS)})")
    if (tls_cert is None) != (tls_key is None):
        raise RequestError("--tls-cert and --tls-key go together")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings: dict[str, Any] = {"operations": operations, "realistic_times": realistic_times, "faults": dict(map(read_fault, fault or ()))}
    if operations != "immediate":
        settings["operation_s"] = 0.5
    options = Options(
        directory=home(),
        host=host,
        port=port,
        engine=engine,
        name=name,
        state=state,
        tls=(tls_cert, tls_key) if tls_cert and tls_key else None,
        extra=_fragment(extra) if extra else None,
        run_commands=run_commands,
        settings=settings,
        downloads=downloads,
    )

    def ready(server: Server, url: str, why: str) -> None:
        word = server.backend.engine.word
        note(f"Azure Resource Manager at {url}, the network behind it {word}{f' ({why})' if why else ''}, {len(server.records)} resources.")
        note('Ctrl-C ends it. In another shell:  eval "$(dualhome env)"   or   dualhome az -- group list')
        sys.stdout.write(json.dumps({"url": url, "engine": word, "subscription": server.settings.subscription}) + "\n")
        sys.stdout.flush()

    run(options, ready)


def _fragment(file: Path) -> dict[str, Any]:
    """A topology's fragment."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from dualhome.errors import RequestError

    try:
        found = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise RequestError(f"{file}: {error}") from error
    if not isinstance(found, dict):
        raise RequestError(f"{file}: a mapping is wanted, as a `change` step has it")
    return found
