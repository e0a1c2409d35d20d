"""From text to plain data that remembers where it stood: YAML 1.2's core schema, in one pass over the parser's events.

Aliases share what they name, so what a small file can blow itself up to is counted while it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from dualhome.errors import Fault, TopologyError

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 64

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_PLAIN = re.compile(r"[\n\x20\x22-\x7e]*").fullmatch  # no "!"
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Node:
    """A value and where it begins; `children` by key or in order, `keys` where each key stands."""

    value: Any
    line: int
    column: int
    text: str | None = None
    children: dict[Any, Node] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)
    weight: int = 1
    depth: int = 1
    pending: tuple[str, int, int, bool] | None = None


@dataclass(frozen=True, slots=True)
class Locator:
    """Where the values of a file stand; after a `change`, where each pair of `peerings`, `vpn_connections`, `links` came from."""

    root: Node | None = None
    moves: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def origin(self, path: Path) -> Path:
        """The path in the file of what is now at `path`."""
        if len(path) > 1 and path[0] in self.moves and isinstance(path[1], int) and path[1] < len(self.moves[str(path[0])]):
            return (*self.moves[str(path[0])][path[1]], *path[2:])
        return path

    def of(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at `path` or of its nearest ancestor; (0, 0) where nothing was read.

        A mapping or list under a key is where the key is; with `key`, so is any value.
        """
        if self.root is None:
            return 0, 0
        node, where = self.root, (self.root.line, self.root.column)
        for place, step in enumerate(steps := self.origin(path)):
            child = node.children.get(step)
            if child is None:
                break
            wants_key = step in node.keys and (
                bool(child.children) or isinstance(child.value, (dict, list)) or (key and place == len(steps) - 1)
            )
            where = node.keys[str(step)] if wants_key else (child.line, child.column)
            node = child
        return where


class _StopError(Exception):
    """What stops reading."""

    def __init__(self, line: int, column: int, message: str, hint: str = "") -> None:
        self.line, self.column, self.message, self.hint = line, column, message, hint
        super().__init__(message)


def read_file(path: FilePath) -> str:
    """A file's text. TopologyError where it can't be read, is too large or not UTF-8; no more of it is read than may be there."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        fault = Fault(file=str(path), line=0, column=0, message=f"cannot be read: {(error.strerror or 'no such file').lower()}")
        raise TopologyError([fault]) from error
    return decode(raw, str(path))


def decode(raw: bytes, file: str) -> str:
    """A file's text. TopologyError where it is too large or not UTF-8."""
    if len(raw) > MAX_BYTES:
        raise _too_large(file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"not UTF-8 text: byte 0x{raw[error.start]:02x}"
        raise TopologyError([Fault(file=file, line=line, column=column, message=message, hint="save the file as UTF-8")]) from error


def read(text: str, file: str) -> tuple[Node, list[Fault]]:
    """The file's one mapping, and its duplicate keys. TopologyError, one fault, where it is no YAML, too large, or no mapping."""
    if len(text) > MAX_BYTES:
        raise _too_large(file)
    try:
        builder = _quickly_built(text, file)
        if builder is None:
            builder = _Builder(file)
            for event in _events(text):
                builder.take(event)
        root = builder.root
        if root is None or root.value is None:
            raise _StopError(0, 0, "the file is empty", "a topology begins with 'version: 1'")
        if not isinstance(root.value, dict):
            what = "a list" if isinstance(root.value, list) else "a single value"
            raise _StopError(root.line, root.column, f"the file is {what}, not a mapping", "a topology begins with 'version: 1'")
    except _StopError as wrong:
        fault = Fault(file=file, line=wrong.line, column=wrong.column, message=wrong.message, hint=wrong.hint)
        raise TopologyError([fault]) from wrong
    return root, builder.faults


def _too_large(file: str) -> TopologyError:
    message = f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB, which no topology is"
    return TopologyError([Fault(file=file, line=0, column=0, message=message)])


def _events(text: str) -> Iterator[Event]:
    """The parser's events; whatever it stumbles over is the file's fault."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except _StopError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        hint = ""
        if mark and "'\\t'" in problem:
            problem, hint = "a tab where a value should begin", "YAML is indented with spaces"
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise _StopError(line, column, f"not YAML: {problem}", hint) from error
    except YAMLError as error:
        place = getattr(error, "position", None)
        at = (text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)) if isinstance(place, int) else (0, 0)
        character = getattr(error, "character", "")
        what = (
            f"the character {character!r}"
            if isinstance(character, str) and character
            else f"the character U+{character:04X}"
            if character
            else "no text"
        )
        raise _StopError(at[0], at[1], f"not YAML: {what} has no place in it") from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        # ruamel lets these through for bad escapes and directives: "\UFFFFFFFF", "%YAML x".
        raise _StopError(0, 0, "not YAML: an escape or a directive that means nothing") from error


def _quickly_built(text: str, file: str) -> _Builder | None:
    """What the quick parser sees; None where it sees nothing right: what is wrong with a text is for the other one to say."""
    builder = _Builder(file)
    events = _quick_events(text)
    try:
        for event in events or ():
            builder.take(event)
    except _StopError:
        return None
    return builder if events else None


def _quick_events(text: str) -> list[Event] | None:
    """The events of a plain text by libyaml, in a twentieth of the time; None where it might see it otherwise than YAML 1.2 does (tabs, tags, what isn't ASCII,
    aliases of nothing, where an empty value stands) or stumbles over it: the other parser has the last word, and the words.
    """
    if not _PLAIN(text):
        return None
    events: list[Event] = []
    anchors: set[str | None] = set()
    depth = 0
    try:
        for event in YAML(typ="safe", pure=False).parse(text):
            if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                depth -= 1
            elif (isinstance(event, ScalarEvent) and not event.value) or (isinstance(event, AliasEvent) and event.anchor not in anchors):
                return None
            anchors.add(getattr(event, "anchor", None))
            if depth > MAX_DEPTH or len(events) > 4 * MAX_VALUES:
                return None
            events.append(event)
    except YAMLError:
        return None
    return events


class _Builder:
    """Nodes out of events; a stack of open collections, the innermost last."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self.open: list[Node] = []
        self.anchors: dict[str, Node] = {}
        self.documents = 0
        self.values = 0

    def take(self, event: Event) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        match event:
            case ScalarEvent():
                self._add(self._anchored(event, Node(_resolve(event, line, column), line, column, text=event.value)), line, column)
            case AliasEvent():
                self._add(self._alias(str(event.anchor), line, column), line, column)
            case MappingStartEvent() | SequenceStartEvent():
                _known_tag(event, line, column, "map" if isinstance(event, MappingStartEvent) else "seq")
                value: Any = {} if isinstance(event, MappingStartEvent) else []
                self.open.append(self._anchored(event, Node(value, line, column)))
                if len(self.open) > MAX_DEPTH:
                    raise _StopError(line, column, f"values nest deeper than {MAX_DEPTH}, which no topology does")
            case MappingEndEvent() | SequenceEndEvent():
                node = self.open.pop()
                _merge(node)
                self._add(node, node.line, node.column)
            case DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _StopError(line, column, "a second document begins", "one file, one topology: remove '---'")
            case _:
                pass

    def _anchored(self, event: Any, node: Node) -> Node:
        if event.anchor is not None:
            self.anchors[str(event.anchor)] = node
        return node

    def _alias(self, anchor: str, line: int, column: int) -> Node:
        node = self.anchors.get(anchor)
        if node is None:
            raise _StopError(line, column, f"'*{anchor}' refers to nothing", f"'&{anchor}' must stand before it")
        if any(node is each for each in self.open):
            raise _StopError(line, column, f"'*{anchor}' stands inside '&{anchor}': the file includes itself")
        return node

    def _add(self, node: Node, line: int, column: int) -> None:
        self.values += 1
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.weight += node.weight
        parent.depth = max(parent.depth, node.depth + 1)
        if max(parent.weight, self.values) > MAX_VALUES:
            raise _StopError(
                line, column, f"the file holds more than {MAX_VALUES:,} values once its aliases are followed, which no topology does"
            )
        if parent.depth + len(self.open) > MAX_DEPTH:
            raise _StopError(line, column, f"values nest deeper than {MAX_DEPTH}, which no topology does")
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = node
            parent.value.append(node.value)
        elif parent.pending is None:
            if node.text is None:
                raise _StopError(line, column, "a key that is a mapping or a list", "a key is a word")
            parent.pending = node.text, line, column, node.text == "<<"
        else:
            self._entry(parent, node)

    def _entry(self, parent: Node, node: Node) -> None:
        assert parent.pending is not None
        key, line, column, merges = parent.pending
        parent.pending = None
        if merges:
            parts = list(node.children.values()) if isinstance(node.value, list) else [node]
            if not all(isinstance(part.value, dict) for part in parts):
                raise _StopError(line, column, "'<<' takes a mapping, or a list of mappings", "as '<<: *anchor'")
            parent.merges += parts
        elif key in parent.value:
            first = parent.keys[key][0]
            message = f"the key {key!r} stands here a second time"
            self.faults.append(Fault(file=self.file, line=line, column=column, message=message, hint=f"first in line {first}"))
        else:
            parent.children[key], parent.keys[key], parent.value[key] = node, (line, column), node.value


def _merge(node: Node) -> None:
    """What `<<` adds: keys that the mapping doesn't have; of several sources the first one's."""
    for source in node.merges:
        for key, child in source.children.items():
            if key not in node.value:
                node.children[key], node.keys[key], node.value[key] = child, source.keys[key], child.value


def _known_tag(event: Any, line: int, column: int, natural: str) -> None:
    if event.tag not in (None, "!", _TAG + natural):
        raise _StopError(line, column, f"the tag {_shown(event.tag)} has no meaning in a topology")


def _shown(tag: str) -> str:
    return repr(tag.replace(_TAG, "!!"))[:60]


def _resolve(event: ScalarEvent, line: int, column: int) -> Any:
    """A scalar's value by YAML 1.2's core schema; infinities, and numbers beyond 18 digits, stay text, for nothing here may be one."""
    text: str = event.value
    tag = event.tag
    plain = event.style in (None, "") and tag is None
    if tag in ("!", _TAG + "str") or (tag is None and not plain):
        return text
    value = _plain(text)
    if tag is None:
        return value
    wanted = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}.get(tag.removeprefix(_TAG))
    if wanted is None or not isinstance(value, wanted):  # type: ignore[arg-type]
        raise _StopError(line, column, f"the tag {_shown(tag)} does not fit {text[:40]!r}")
    return value


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INTEGER.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if len(text) < 40 and _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
