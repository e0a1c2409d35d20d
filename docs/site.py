"""Examples are a part of the site, though their folder stands beside docs/: mkdocs hooks that bring them in, and set links to them right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
KINDS = {".md", ".svg", ".yaml"}
TO_EXAMPLES = re.compile(r"(\]\()\.\./((?:\.\./)*examples/)")
"""A link of a page of docs/ that leaves docs/ toward the examples; on the site they are one floor nearer."""


def on_files(files: Files, config: Any) -> Files:
    """The examples' pages, pictures and files, under examples/."""
    for source in sorted(path for path in EXAMPLES.rglob("*") if path.suffix in KINDS):
        files.append(File.generated(config, source.relative_to(ROOT).as_posix(), abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """A page with its links to examples as the site has them; an example's own to docs/ likewise."""
    if page.file.src_uri.startswith("examples/"):
        return markdown.replace("../../docs/", "../../")
    return TO_EXAMPLES.sub(r"\1\2", markdown)
