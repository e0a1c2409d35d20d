"""The ledger of Azure's rules, docs/azure-rules.md: each rule, where it is implemented, which tests prove it, and its status.

Rules and their texts are those of docs/azure-routing-rules.md. A rule is implemented where a function's source names it (`R99`) or its docstring
does; a test proves it that bears the marker `rules("R99")`, itself, by its class or by its module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.consoles import ROOT

LEDGER = ROOT / "docs" / "azure-rules.md"
TEXTS = ROOT / "docs" / "azure-routing-rules.md"
SOURCE = ROOT / "src" / "dualhome"
TESTS = ROOT / "tests"
NUMBER = re.compile(r"\bR(\d{1,3})\b")
# Where a rule is at work, before where it is checked for, told of or only described.
ROOMS = ("plan", "forwarding", "engine", "bgp", "topology", "fabric", "live", "sim", "check", "report", "app", "cli", "explain", "model")
SHOWN = 3

NOT_BEHAVIOUR: dict[str, str] = {
    "R11": "the public address of a route server has no effect on routes or packets",
    "R18": "nothing is being provisioned in a topology",
    "R53": "service tags are not in the topology's format",
    "R55": "read-only in Azure, and not in the topology's format",
    "R70": "follows from R56; service endpoints are not in the topology's format",
    "R124": "how long Azure takes to provision a route map",
    "R132": "how a sentence of an article is to be read: R127 says when it holds",
    "R176": "advice for operators",
    "R187": "about public addresses, not route servers",
}


@dataclass(slots=True)
class Rule:
    """One rule: number, evidence and text, functions that name it, tests that prove it."""

    name: str
    evidence: str
    text: str
    section: str
    places: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """proved, not behaviour, or what is missing."""
        if self.name in NOT_BEHAVIOUR:
            return f"not behaviour: {NOT_BEHAVIOUR[self.name]}"
        missing = [what for what, there in (("implementation", self.places), ("test", self.tests)) if not there]
        return f"**without {' and '.join(missing)}**" if missing else "proved"


def rules() -> dict[str, Rule]:
    """Every rule, in order, with its places and tests."""
    found = {rule.name: rule for rule in _texts()}
    for path in sorted(SOURCE.rglob("*.py"), key=_room):
        for place, names in _named(path):
            for name in names:
                if name in found and place not in found[name].places:
                    found[name].places.append(place)
    for path in sorted(TESTS.rglob("test_*.py")):
        for test, names in _marked(ast.parse(path.read_text("utf-8")), path):
            for name in names:
                found.setdefault(name, Rule(name, "", "", "")).tests.append(test)
    return found


def page() -> str:
    """The ledger as its file holds it."""
    known = rules()
    proved = sum(rule.status == "proved" for rule in known.values())
    lines = [
        "# The ledger of Azure's rules",
        "",
        "Each rule of [azure-routing-rules.md](azure-routing-rules.md): where it is implemented, which tests prove it, and its status. Made by `make goldens` from the",
        "functions that name a rule and the tests that are marked with it; `make test` fails where this page is out of date, or a rule of behaviour has no test.",
        "",
        f"{len(known)} rules: {proved} proved, {sum(name in NOT_BEHAVIOUR for name in known)} not behaviour.",
    ]
    section = ""
    for rule in known.values():
        if rule.section != section:
            section = rule.section
            lines += ["", f"## {section}", "", "| rule | says | implemented in | proved by | status |", "|---|---|---|---|---|"]
        lines.append(f"| {rule.name} | {_brief(rule)} | {_some(rule.places)} | {_some(rule.tests)} | {rule.status} |")
    return "\n".join(lines) + "\n"


def _texts() -> Iterator[Rule]:
    section = ""
    for line in TEXTS.read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif match := re.match(r"- \*\*(R\d+)\*\* (?:\[([^]]*)\] ?)?(.*)", line):
            yield Rule(match[1], match[2] or "", match[3], section)


def _brief(rule: Rule) -> str:
    """The first sentence, or as much of it as a cell holds."""
    first = re.split(r"(?<=[a-z0-9)`*])\. ", rule.text, maxsplit=1)[0].replace("|", "\\|").rstrip(".")
    return first if len(first) <= 160 else first[:157].rsplit(" ", 1)[0] + "…"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:SHOWN]) + more


def _room(path: Path) -> tuple[int, str]:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return (ROOMS.index(room) if room in ROOMS else len(ROOMS), str(path))


def _named(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Functions and classes of a module with the rules that they name, each rule with the innermost one; a table at the top with the module."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    owners: dict[int, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = _qualified(node, owners.get(node.lineno, module), module)
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            owners.update(dict.fromkeys(range(first, (node.end_lineno or first) + 1), name))
    for number, line in enumerate(lines, 1):
        if names := [f"R{match}" for match in NUMBER.findall(line)]:
            yield owners.get(number, module), names


def _qualified(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, outer: str, module: str) -> str:
    inside_a_class = outer != module and outer.rpartition(".")[2][:1].isupper()
    return f"{outer if inside_a_class else module}.{node.name}"


def _marked(tree: ast.Module, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Tests of a module with the rules of their markers, of their class's and of the module's."""
    of_module: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            of_module += _numbers(node.value)
    where = str(path.relative_to(TESTS).with_suffix(""))

    def walk(body: list[ast.stmt], inherited: list[str], prefix: str) -> Iterator[tuple[str, list[str]]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, [*inherited, *_of(node)], f"{prefix}{node.name}::")
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                yield f"{where}::{prefix}{node.name}", [*dict.fromkeys([*_of(node), *inherited])]

    yield from walk(tree.body, of_module, "")


def _of(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [number for each in node.decorator_list for number in _numbers(each)]


def _numbers(node: ast.expr) -> list[str]:
    """The rules that a marker, a list of markers, or `pytest.param(..., marks=)` names."""
    found: list[str] = []
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "rules":
            found += [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return found
