"""The expression language: `[concat(parameters('name'), '-x')]` as a tree.

    expression := primary ( '.' name | '[' expression ']' | '.?' name | '[?' expression ']' )*
    primary    := 'text' | number | name '(' arguments ')' | name '.' name '(' arguments ')'

Begin at `expression_of`. Source: Template syntax and expressions (Azure's documentation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dualhome.arm.templates.faults import TemplateFault

LONGEST: Final = 24576  # characters of an expression: Azure's limit
DEEPEST: Final = 60  # Calls within calls
TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_$][\w$]*)|(?P<mark>\.\?|\[\?|[().,\[\]]))"
)
LISTS: Final = re.compile(r"^list[a-z]\w*$|^list$", re.IGNORECASE)
LOOKUPS: Final = frozenset(("reference", "references"))


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a number."""

    value: str | int | float


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `name` in lower case, `written` as it stands there."""

    name: str
    written: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """A member or an item of a value; `safe`: null where there is none."""

    of: Node
    index: Node
    safe: bool


Node = Literal | Call | Access


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole expression. `lookups`: its calls of reference and list functions, which wait until the deployment runs."""

    text: str
    node: Node
    lookups: tuple[Call, ...]


@lru_cache(maxsize=8192)
def expression_of(text: str) -> Expression | None:
    """The expression in a template's string, None where it is a plain text.

    Raises:
        TemplateFault: it looks like one, and is none.
    """
    if not (text.startswith("[") and text.endswith("]") and not text.startswith("[[")):
        return None
    if len(text) > LONGEST:
        raise TemplateFault(f"The language expression length limit exceeded: limit: '{LONGEST}' and actual: '{len(text)}'")
    parser = _Parser(text[1:-1])
    node = parser.whole()
    return Expression(text, node, tuple(parser.lookups))


def plain(text: str) -> str:
    """A text that is no expression: `[[` stands for `[`."""
    return text[1:] if text.startswith("[[") else text


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0
        self.lookups: list[Call] = []

    def _tokens(self) -> list[tuple[str, str, int]]:
        found, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            match = TOKEN.match(self.text, at)
            if match is None:
                place = at + len(self.text[at:]) - len(self.text[at:].lstrip())
                raise TemplateFault(
                    f"The language expression '{self.text}' is not valid: the string character '{self.text[place]}' at position '{place}' is not expected"
                )
            kind = match.lastgroup or ""
            found.append((kind, match[kind], match.start(kind)))
            at = match.end()
        return found

    def whole(self) -> Node:
        node = self._expression(0)
        if self.at < len(self.tokens):
            raise self._unexpected("EndOfData")
        return node

    def _expression(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise TemplateFault(f"The language expression '{self.text[:80]}…' is nested more than {DEEPEST} levels deep")
        node = self._primary(depth)
        while self._mark() in (".", ".?", "[", "[?"):
            mark = self._take("mark")
            if mark in (".", ".?"):
                node = Access(node, Literal(self._take("name")), mark == ".?")
            else:
                index = self._expression(depth + 1)
                self._expect("]")
                node = Access(node, index, mark == "[?")
        return node

    def _primary(self, depth: int) -> Node:
        kind, value, _ = self._next()
        self.at += 1
        if kind == "text":
            return Literal(value[1:-1].replace("''", "'"))
        if kind == "number":
            return Literal(float(value) if "." in value else int(value[:400]))
        if kind == "name":
            written = value
            if self._mark() == "." and self._mark(2) == "(":  # a user's function: contoso.uniqueName(…)
                self.at += 1
                written = f"{value}.{self._take('name')}"
            return self._call(written, depth)
        self.at -= 1
        raise self._unexpected("Identifier")

    def _call(self, written: str, depth: int) -> Call:
        self._expect("(")
        arguments: list[Node] = []
        if self._mark() != ")":
            arguments.append(self._expression(depth + 1))
            while self._mark() == ",":
                self.at += 1
                arguments.append(self._expression(depth + 1))
        self._expect(")")
        call = Call(written.lower(), written, tuple(arguments))
        if call.name in LOOKUPS or LISTS.match(written):
            self.lookups.append(call)
        return call

    def _next(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "", len(self.text))

    def _mark(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at][1] if at < len(self.tokens) and self.tokens[at][0] == "mark" else ""

    def _take(self, kind: str) -> str:
        found, value, _ = self._next()
        if found != kind:
            raise self._unexpected("Identifier")
        self.at += 1
        return value

    def _expect(self, mark: str) -> None:
        if self._mark() != mark:
            raise self._unexpected({"(": "LeftParenthesis", ")": "RightParenthesis", "]": "RightSquareBracket"}[mark])
        self.at += 1

    def _unexpected(self, wanted: str) -> TemplateFault:
        kind, value, place = self._next()
        got = f"'{value}' at position '{place}'" if kind else "'EndOfData'"
        return TemplateFault(f"Unable to parse language expression '{self.text}': expected token '{wanted}' and actual {got}")
