"""Changes of a file's text that leave every other byte as it is: comments, order, quotes, short forms, line ends.

In: text and `Edit`s. Out: text. What stands behind an alias, a merge key or an anchor is not touched, since that would change more than was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dualhome.topology.edits import ABSENT, END, Edit, actual
from dualhome.topology.reading import Path, read

SHORT_FORMS: Mapping[str, str] = {"subnets": "prefix", "peers": "name", "gateways": "gateway", "originates": "prefix"}
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./<>#-]*|[0-9]+(\.[0-9]+){3}(/[0-9]+)?")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
RIGHT_ALIGNED = " \t\r\n"


class CannotEdit(Exception):  # noqa: N818  # says what is the case; whoever catches it does without the edit
    """The text is written so that the change would need more than a change of its place."""


def rewritten(text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits, one after the other.

    Raises:
        CannotEdit: one of them can't be made in this text.
    """
    for edit in edits:
        text = _one(text, edit)
    return text


def _one(text: str, edit: Edit) -> str:
    root, _ = read(text, "")
    path = actual(root.value, edit.path)
    page = _Page(text, YAML(typ="rt", pure=True).compose(text))
    node: Any = page.root
    for place, step in enumerate(path):
        page.touchable(node)
        inner = page.child(node, step)
        if inner is None:
            return text if edit.value is ABSENT else page.added(node, path, place, edit.value)
        if place == len(path) - 1:
            page.untied(inner)
            return page.removed(node, step) if edit.value is ABSENT else page.replaced(inner, edit.value)
        node = inner
    raise CannotEdit("the whole file")


@dataclass(frozen=True)
class _Page:
    text: str
    root: Any

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def touchable(self, node: Any) -> None:
        if getattr(node, "anchor", None):
            raise CannotEdit("an anchor")

    def untied(self, node: Any) -> None:
        """Nothing in it is named elsewhere, and it can go."""
        self.touchable(node)
        if isinstance(node, MappingNode | SequenceNode):
            inner = [each for pair in node.value for each in pair] if isinstance(node, MappingNode) else node.value
            for each in inner:
                if each.start_mark.index >= node.start_mark.index:  # else an alias of what stands before
                    self.untied(each)

    def child(self, node: Any, step: str | int) -> Any:
        """The node under a key or index; None where there is none."""
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if key.value == step:
                    if value.start_mark.index < key.end_mark.index:
                        raise CannotEdit("an alias")
                    return value
            if any(key.value == "<<" for key, _ in node.value):
                raise CannotEdit("a merge key")
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            value = node.value[step]
            if not node.start_mark.index <= value.start_mark.index < node.end_mark.index:
                raise CannotEdit("an alias")
            return value
        return None

    # --- replacing ---

    def replaced(self, node: Any, value: object) -> str:
        begin, end = node.start_mark.index, self.end(node)
        quoted = isinstance(node, ScalarNode) and node.style in ("'", '"') and isinstance(value, str)
        new = f"{node.style}{value}{node.style}" if quoted else written(value)
        if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:  # a block becomes one line, after its key
            return self._before(begin) + " " + new + self.text[end:]
        if node.start_mark.index == node.end_mark.index:  # nothing stood there
            return self.text[:end] + " " + new + self.text[end:]
        return self.text[:begin] + new + self.text[end:]

    # --- adding ---

    def added(self, node: Any, path: Path, place: int, value: object) -> str:
        """A new key or item beneath what there is of the path."""
        for step in reversed(path[place + 1 :]):
            value = [value] if step == END else {step: value}
        step = path[place]
        if isinstance(node, ScalarNode):
            return self._lengthened(node, path, place, value)
        if isinstance(node, SequenceNode):
            if step != END:
                raise CannotEdit(f"no item {step}")
            return self._flow(node, written(value)) if node.flow_style else self._item(node, written(value))
        if node.flow_style or not node.value:
            return self._flow(node, f"{written(step)}: {written(value)}")
        return self._line(node, str(step), value, top=place == 0)

    def _lengthened(self, node: Any, path: Path, place: int, value: object) -> str:
        """A short form becomes a long one: `apps: 10.0.0.0/24`, `[nva1]`; and a key without value gets one."""
        begin, end = node.start_mark.index, node.end_mark.index
        if node.value in ("", "~", "null") and not node.style:
            entry = {path[place]: value} if path[place] != END else [value]
            return self.replaced(node, entry)
        section = next((step for step in reversed(path[:place]) if step in SHORT_FORMS), None)
        if section is None or path[place] == END:
            raise CannotEdit("a single value")
        if path[place] == SHORT_FORMS[str(section)]:
            return self.replaced(node, value)
        old = self.text[begin:end]
        return f"{self.text[:begin]}{{{SHORT_FORMS[str(section)]}: {old}, {written(path[place])}: {written(value)}}}{self.text[end:]}"

    def _flow(self, node: Any, entry: str) -> str:
        close = node.end_mark.index - 1
        last = self._last(node)
        if last is not None and last.start_mark.index < node.start_mark.index:
            raise CannotEdit("an alias")
        if last is None:
            return f"{self.text[: node.start_mark.index + 1]}{entry}{self.text[close:]}"
        end = self.end(last)
        rest = self.text[end:close]
        if rest.lstrip(RIGHT_ALIGNED).startswith(","):  # a comma after the last one is kept as the style of this list
            end += rest.index(",") + 1
            return f"{self.text[:end]} {entry}{self.text[end:]}"
        return f"{self.text[:end]}, {entry}{self.text[end:]}"

    def _line(self, node: Any, key: str, value: object, *, top: bool) -> str:
        indent = " " * node.value[0][0].start_mark.column
        if top and isinstance(value, Mapping):
            lines = [f"{key}:", *(f"  {written(name)}: {written(each)}" for name, each in value.items())]
        elif top and isinstance(value, list):
            lines = [f"{key}:", *(f"  - {written(each)}" for each in value)]
        else:
            lines = [f"{written(key)}: {written(value)}"]
        after = node
        if top and len(node.value) > 1 and node.value[-1][0].value == "scenario":  # a section stands before the scenario
            after = node.value[-2][1]
            lines = ["", *lines] if "\n\n" in self.text.replace("\r", "") else lines
        return self._after(after, [indent + line if line else "" for line in lines])

    def _item(self, node: Any, entry: str) -> str:
        first = node.value[0].start_mark.index
        dash = self.text.rindex("-", 0, first)
        indent = " " * (dash - self.text.rfind("\n", 0, dash) - 1)
        return self._after(
            node, [f"{indent}-{self.text[dash + 1 : first]}{entry}" if "\n" not in self.text[dash:first] else f"{indent}- {entry}"]
        )

    def _after(self, node: Any, lines: list[str]) -> str:
        """New lines after the last one of a block; what follows on that line, a comment, stays there."""
        line_end = self.text.find("\n", self.end(node))
        joined = self.newline.join(lines)
        if line_end < 0:
            return self.text + self.newline + joined + self.newline
        return self.text[: line_end + 1] + joined + self.newline + self.text[line_end + 1 :]

    # --- removing ---

    def removed(self, node: Any, step: str | int) -> str:
        places = [key.value for key, _ in node.value] if isinstance(node, MappingNode) else [*range(len(node.value))]
        place = places.index(step)
        spans = (
            [(key.start_mark.index, self.end(value)) for key, value in node.value]
            if isinstance(node, MappingNode)
            else [(value.start_mark.index, self.end(value)) for value in node.value]
        )
        if any(start < node.start_mark.index for start, _ in spans[max(place - 1, 0) : place + 2]):
            raise CannotEdit("an alias")
        begin, end = spans[place]
        if node.flow_style:
            if place + 1 < len(spans):
                return self.text[:begin] + self.text[spans[place + 1][0] :]
            return self.text[: spans[place - 1][1] if place else begin] + self.text[end:]
        if len(spans) == 1:
            empty = "{}" if isinstance(node, MappingNode) else "[]"
            start = begin if isinstance(node, MappingNode) else self.text.rindex("-", 0, begin)
            return self._before(start) + " " + empty + self.text[end:]
        start = self.text.rfind("\n", 0, begin) + 1
        if self.text[start:begin].strip(" -" if isinstance(node, SequenceNode) else " "):  # `- name: x`: the first key of an item
            following = spans[place + 1][0]
            return self.text[:begin] + self.text[following:]
        line_end = self.text.find("\n", end)
        return self.text[:start] + (self.text[line_end + 1 :] if line_end >= 0 else "")

    # --- where things begin and end ---

    def _before(self, begin: int) -> str:
        """The text up to the key or dash that a block stands under."""
        before = self.text[:begin].rstrip(RIGHT_ALIGNED)
        if before[-1:] not in (":", "-"):
            raise CannotEdit("a comment in the place of a value")
        return before

    def _last(self, node: Any) -> Any:
        if not node.value:
            return None
        return node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]

    def end(self, node: Node) -> int:
        """Where a value's own text ends; a block's marks reach to what comes after it."""
        if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
            last: Any = self._last(node)
            if last.start_mark.index < node.start_mark.index:
                raise CannotEdit("an alias")
            return self.end(last)
        place = int(node.end_mark.index)
        if node.start_mark.index == place:  # nothing: its mark is where the next thing begins
            place = len(self.text[:place].rstrip(RIGHT_ALIGNED))
            if self.text[place - 1] not in ":-":
                raise CannotEdit("a comment in the place of a value")
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            place = len(self.text[:place].rstrip(RIGHT_ALIGNED))
        return place


def written(value: object) -> str:
    """A value on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Mapping():
            return "{" + ", ".join(f"{written(key)}: {written(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(written, value)) + "]"
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
