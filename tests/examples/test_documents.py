"""What the README, the guide and the examples show is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands_page
from tests.consoles import ROOT, Command, commands, documents, folder, run
from tests.files import EXAMPLES, GUIDE

SHOWN = [command for document in documents() for command in commands(document)]


JUMP = re.compile(r'href="([^"#]+)#([rd]\d+|l-\d+)"')


@pytest.mark.parametrize("shown", SHOWN, ids=lambda c: f"{c.document.relative_to(ROOT)}:{c.line}")
def test_a_document_shows_what_its_commands_print(shown: Command) -> None:
    found = run(shown.command, folder(shown.document))
    assert found == shown.output, f"{shown.document}:{shown.line}: the output is another now; read it, then run: make goldens"


@pytest.mark.parametrize("topology", EXAMPLES, ids=lambda p: p.parent.name)
def test_each_example_has_its_parts(topology: Path) -> None:
    """A topology, its picture, its commands with what they print."""
    assert (topology.parent / "picture.svg").exists()
    assert any(commands(topology.parent / "README.md"))


PICTURES = {topology.parent / "picture.svg": topology for topology in EXAMPLES} | {
    topology.with_suffix(".svg"): topology for topology in GUIDE
}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_picture_is_of_its_topology(picture: Path) -> None:
    drawn = run(f"dualhome plan {PICTURES[picture].name} --diagram svg", picture.parent)
    assert drawn == picture.read_text("utf-8").rstrip(), "run: make goldens"


@pytest.mark.parametrize("topology", GUIDE, ids=lambda p: p.stem)
def test_a_topology_of_the_guide_is_shown_and_holds(topology: Path) -> None:
    """A page includes the file itself, so it can't show another; and the file's own scenario passes."""
    pages = [page.read_text("utf-8") for page in topology.parent.glob("*.md")]
    assert any(f'--8<-- "docs/guide/{topology.name}"' in page for page in pages)
    assert run(f"dualhome test -q {topology.name}", topology.parent).endswith(" passed, 0 failed")


@pytest.mark.parametrize(
    "page", [p for p in documents() if p.parent.name == "guide" and "```python\n" in p.read_text("utf-8")], ids=lambda p: p.stem
)
def test_python_on_a_page_of_the_guide_runs(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    assert commands_page.page() == commands_page.PAGE.read_text("utf-8"), "run: make goldens"


def test_the_site_builds_and_no_link_is_broken(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is missing: make docs installs it")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {page: page.read_text("utf-8") for page in (tmp_path / "site").rglob("*.html")}
    jumps = [(page, *jump) for page, text in pages.items() for jump in JUMP.findall(text)]
    assert len(jumps) > 100, "numbers of rules and findings are links"
    assert [jump for jump in jumps if f'id="{jump[2]}"' not in pages[jump[0].parent.joinpath(jump[1]).resolve()]] == []
