"""`schema`."""

from __future__ import annotations

import typer


def schema() -> None:
    """The JSON Schema of topology files, for editors."""
    from importlib.resources import files

    typer.echo((files("dualhome.topology") / "topology.schema.json").read_text("utf-8").rstrip("\n"))
