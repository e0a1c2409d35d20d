"""`export` and `import`: a network as topology file, ARM template or script of az, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dualhome.cli.common import note

FORMS = ("topology", "template", "script")
FormOption = Annotated[str, typer.Option("--as", metavar="FORM", help="topology, template (ARM) or script (az).")]
SourceOption = Annotated[
    Path | None,
    typer.Option("-f", "--file", metavar="FILE", help="Of this topology file; else of the server that runs.", show_default=False),
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.", show_default=False)]
ParametersOption = Annotated[Path | None, typer.Option("--parameters", metavar="FILE", help="A template's parameters.", show_default=False)]


def export(form: FormOption = "topology", file: SourceOption = None, output: OutputOption = None) -> None:
    """Write a network as topology file, ARM template, or az script: that of a topology file, or of the `dualhome serve` that runs."""
    from dualhome.arm.exchange.resources import export_of
    from dualhome.arm.exchange.writing import script, template, topology_text
    from dualhome.errors import RequestError
    from dualhome.topology import Topology, load, parse

    if form not in FORMS:
        raise RequestError(f"no form {form!r} (there are {', '.join(FORMS)})")
    left: list[tuple[str, str]] = []
    if file is not None:
        topology: Topology = load(file)
    else:
        from dualhome.arm.client import Client

        said = Client.of_owner().ask("GET", "/dualhome/topology")
        left = [(each["id"], each["why"]) for each in said["left"]]
        if not said["data"].get("virtual_networks"):
            raise RequestError("the server has no virtual network yet")
        topology = parse(topology_text(said["data"]), "server")
    if form == "topology":
        _write(topology_text(topology.data, left), output)
        return
    for what, why in left:
        note(f"left out: {what}: {why}")
    exported = export_of(topology)
    _write(template(exported) if form == "template" else script(exported), output)
    if form == "script" and exported.fragment:
        note("for `dualhome serve --with FILE`, what ARM has no words for:")
        note(topology_text(exported.fragment))


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="X",
            help="An ARM template, output of `az … -o json` or a folder of it, or of `terraform show -json`.",
            show_default=False,
        ),
    ],
    parameters: ParametersOption = None,
    output: OutputOption = None,
) -> None:
    """Read Azure resources into a topology file; what is left out is said, and why."""
    from dualhome.arm.exchange.reading import imported
    from dualhome.arm.exchange.writing import topology_text
    from dualhome.errors import RequestError

    found = imported(source, parameters)
    for what, why in found.left:
        note(f"left out: {what}: {why}")
    if found.world.topology is None:
        raise RequestError(f"{source}: {found.kind}, which has no virtual network")
    data = {
        "name": source.stem.replace(" ", "-"),
        **{key: value for key, value in found.world.data.items() if key != "name" or value != "azure"},
    }
    _write(topology_text({"version": 1, **data}, found.left, f"From {source.name}, {found.kind}."), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
