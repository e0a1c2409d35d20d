"""mkdocs hooks: examples, whose folder stands beside docs/, are a part of the site; rules and findings that a page names are links."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
KINDS = {".md", ".svg", ".yaml"}
TO_EXAMPLES = re.compile(r"(\]\()\.\./((?:\.\./)*examples/)")
"""A link of a page of docs/ that leaves docs/ toward the examples; on the site they are one floor nearer."""

NUMBERS = {"azure-routing-rules": r"^- \*\*(R\d+)\*\*", "findings": r"^\| (L-\d+) \|", "topology-format": r"^\| .*\| (D\d+)[,.]"}
"""How a page begins what it says of a rule, a finding, a question on which sources disagree."""
BOLD_OR_CELL = re.compile(r"<(strong|td)>([RD]\d+|L-\d+)(?=[<,.])")
NAMED = re.compile(r"\b(?:[RD]\d+|L-\d+)\b")
CLOSED = re.compile(r"<(code|pre|a|h[1-6])[ >].*?</\1>|<[^>]+>", re.DOTALL)
"""What is left as it is: code, links, headings, tags."""


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


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Numbers can be jumped to where they are explained, and are links everywhere else."""
    here = page.file.src_uri.removesuffix(".md")
    if here in NUMBERS:
        html = BOLD_OR_CELL.sub(lambda m: f'<{m[1]} id="{m[2].lower()}">{m[2]}' if places().get(m[2]) == here else m[0], html)
    up = "../" * page.file.src_uri.count("/")

    def link(named: re.Match[str]) -> str:
        place = places().get(named[0])
        return named[0] if place in (None, here) else f'<a href="{up}{place}.html#{named[0].lower()}">{named[0]}</a>'

    done, end = "", 0
    for closed in CLOSED.finditer(html):
        done += NAMED.sub(link, html[end : closed.start()]) + closed[0]
        end = closed.end()
    return done + NAMED.sub(link, html[end:])


@cache
def places() -> dict[str, str]:
    """Of each rule (R99), disagreement (D4) and finding (L-027) the page that explains it."""
    found: dict[str, str] = {}
    for page, pattern in NUMBERS.items():
        source = ROOT / "docs" / f"{page}.md"
        for match in re.finditer(pattern, source.read_text("utf-8") if source.exists() else "", re.MULTILINE):
            found[match[1]] = page
    return found
