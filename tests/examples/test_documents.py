"""What the README, the guide and the examples show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.consoles import ROOT, Command, commands, documents, run
from tests.files import EXAMPLES

SHOWN = [command for document in documents() for command in commands(document)]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda c: f"{c.document.relative_to(ROOT)}:{c.line}")
def test_a_document_shows_what_its_commands_print(shown: Command) -> None:
    found = run(shown.command, shown.document.parent)
    assert found == shown.output, f"{shown.document}:{shown.line}: the output is another now; read it, then run: make goldens"


@pytest.mark.parametrize("topology", EXAMPLES, ids=lambda p: p.parent.name)
def test_each_example_has_its_parts(topology: Path) -> None:
    """A topology, its picture, its commands with what they print."""
    assert (topology.parent / "picture.svg").exists()
    assert any(commands(topology.parent / "README.md"))


@pytest.mark.parametrize("topology", EXAMPLES, ids=lambda p: p.parent.name)
def test_each_picture_is_of_its_topology(topology: Path) -> None:
    drawn = run("dualhome plan topology.yaml --diagram svg", topology.parent)
    assert drawn == (topology.parent / "picture.svg").read_text("utf-8").rstrip(), "run: make goldens"
