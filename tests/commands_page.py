"""docs/commands.md: every verb as the command line itself describes it. `make goldens` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import EnumType
from typing import Any

import typer.main

from dualhome.cli.verbs import program
from tests.consoles import ROOT

PAGE = ROOT / "docs" / "commands.md"

HEAD = """\
# Commands

Every verb and its options, made from `dualhome --help` by `make goldens`. Data goes to standard output, progress and complaints to standard error.
Exit status: 0 fine, 1 the answer is no (a finding, a failed check, a dropped packet), 2 the input is wrong, 3 the system refused.

A question goes to the network that is up on this machine, or with `-f FILE` to a simulation of that file, in which `--fail X` (repeatable) fails first.
What can be named in `X`, `FROM`, `TO` and `NODE` is in [Topology files](topology-format.md#1-network).
"""


def page() -> str:
    """The page as it should be now."""
    group: Any = typer.main.get_command(program)
    panels: dict[str, list[str]] = {}
    for words, command in _leaves((), group):
        panels.setdefault(_panel(group, words), []).append(_section(words, command))
    return HEAD + "".join(f"\n## {title}\n" + "".join(sections) for title, sections in panels.items())


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, under its words; a group that does something of its own comes before what is in it."""
    inner = getattr(command, "commands", {})
    if not inner or (words and command.invoke_without_command):
        yield words, command
    for name, each in inner.items():
        yield from _leaves((*words, name), each)


def _panel(group: Any, words: tuple[str, ...]) -> str:
    """The heading under which `dualhome --help` lists it."""
    panel = getattr(group.commands[words[0]], "rich_help_panel", None)
    return (panel if isinstance(panel, str) else "Other").partition(" (")[0]


def _section(words: tuple[str, ...], command: Any) -> str:
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    options = [p for p in command.params if p not in arguments and not p.hidden and p.name != "help"]
    usage = " ".join(["dualhome", *words, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])])
    lines = ["", f"### {' '.join(words)}", "", *_paragraphs(command.help or ""), "", "```text", usage, "```", ""]
    rows = [(_argument(a), _help(a)) for a in arguments] + [(_option(o), _help(o)) for o in options]
    if rows:
        lines += ["| argument, option | |", "|---|---|", *(f"| `{name.replace('|', '/')}` | {text} |" for name, text in rows), ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> list[str]:
    """Help in paragraphs; lines after a mark of click's, which are not to be filled, are a block of code."""
    shown: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        kept = block.lstrip().startswith("\b")
        lines = [line.strip() for line in block.replace("\b", "").splitlines() if line.strip()]
        shown += ["```text", *lines, "```", ""] if kept else [" ".join(map(_plain, lines)), ""]
    return shown[:-1]


def _plain(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("<", "&lt;")


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name += "…" if argument.nargs == -1 and "…" not in name else ""
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    if option.metavar:
        return str(option.metavar)
    return (
        "|".join(each.value for each in annotation)
        if isinstance(annotation, EnumType)
        else str(getattr(annotation, "__name__", "value")).upper()
    )


def _help(parameter: Any) -> str:
    text = _plain(parameter.help or "")
    default = getattr(parameter.default, "value", parameter.default)
    told = isinstance(default, str | int | float) and not isinstance(default, bool) and parameter.show_default
    return text + (f" Default: `{default}`." if told else "")
