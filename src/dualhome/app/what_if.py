"""What would be if: changes as one writes them after `--if`, done to a second simulation, and what they make of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dualhome.errors import Fault, NotSettled, RequestError, TopologyError
from dualhome.explain import Story
from dualhome.explain.compare import Difference, WhatIf, best_by_prefix, differences, rows_by_prefix, states, ways
from dualhome.topology.reading import read

if TYPE_CHECKING:
    from dualhome.app.run import Run

Asked = tuple["Run", Story]  # a network, and its answer
Change = str | Mapping[str, object]
SETTING = re.compile(r"([A-Za-z_][^\s={}\[\]:]*)\s*=(.*)", re.DOTALL)
VERBS = ("fail", "restore", "announce", "withdraw")
FORMS = "write section.name.key=value, a mapping {section: {name: {key: value}}}, or: fail X, restore X, announce NODE PREFIX, withdraw NODE PREFIX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One change, understood: `verb` is change, fail, restore, announce or withdraw."""

    text: str
    verb: str
    arguments: tuple[Any, ...]

    def do(self, run: Run) -> None:
        """Do it to a run.

        Raises:
            TopologyError: what comes out is no valid network; the faults name this change in place of a file.
            RequestError: it names what isn't there.
        """
        try:
            getattr(run, self.verb)(*self.arguments)
        except TopologyError as error:
            raise TopologyError([replace(fault, file=f"--if {self.text!r}", line=0, column=0) for fault in error.faults]) from error
        except RequestError as error:
            raise TopologyError([_fault(self.text, str(error))]) from error


def understood(changes: Sequence[Change]) -> list[Deed]:
    """Changes as one writes them, each understood.

    Raises:
        TopologyError: what can't be understood, or is no YAML.
    """
    return [deed for change in changes for deed in _understood(change)]


def _understood(change: Change) -> Iterator[Deed]:
    if not isinstance(change, str):
        yield from _of_mapping(str(dict(change)), change)
        return
    text = change.strip()
    verb, _, rest = text.partition(" ")
    if verb in VERBS and not rest.startswith(":"):
        yield _of_words(text, verb, rest.split())
    elif (setting := SETTING.fullmatch(text)) is not None:
        keys = setting[1].split(".")
        value = _yaml(text, f"value: {setting[2].strip()}")["value"]
        patch: object = value
        for key in reversed(keys):
            patch = {key: patch}
        assert isinstance(patch, Mapping), "it has a key"
        yield Deed(text=text, verb="change", arguments=(patch,))
    else:
        yield from _of_mapping(text, _yaml(text, text))


def _of_words(text: str, verb: str, words: Sequence[str]) -> Deed:
    if verb in ("fail", "restore"):
        if len(words) != 1:
            raise TopologyError([_fault(text, f"{verb} names one thing", f"{verb} X; several changes are several --if")])
        return Deed(text=text, verb=verb, arguments=(words[0],))
    if len(words) < 2:
        raise TopologyError([_fault(text, f"{verb} names a router and its prefixes", f"{verb} NODE PREFIX")])
    return Deed(text=text, verb=verb, arguments=(words[0], words[1:]))


def _of_mapping(text: str, value: object) -> Iterator[Deed]:
    """A patch, or a scenario's step."""
    if not isinstance(value, Mapping) or not value:
        raise TopologyError([_fault(text, "is no change", FORMS)])
    for verb in (*VERBS, "change"):
        if set(value) == {verb}:
            inner = value[verb]
            if verb in ("announce", "withdraw"):
                if not isinstance(inner, Mapping) or not {"node", "prefixes"} <= set(inner):
                    raise TopologyError(
                        [_fault(text, f"{verb} names a router and its prefixes", f"{{{verb}: {{node: N, prefixes: [P]}}}}")]
                    )
                yield Deed(text=text, verb=verb, arguments=(str(inner["node"]), [str(p) for p in inner["prefixes"]]))
            elif verb == "change" and isinstance(inner, Mapping):
                yield Deed(text=text, verb="change", arguments=(inner,))
            elif inner:
                yield Deed(text=text, verb=verb, arguments=(inner,))
            else:
                raise TopologyError([_fault(text, f"{verb} names nothing", FORMS)])
            return
    yield Deed(text=text, verb="change", arguments=(value,))


def _yaml(text: str, yaml: str) -> Any:
    try:
        root, doubled = read(yaml, f"--if {text!r}")
    except TopologyError as error:
        told = [_fault(text, fault.message.replace("the file is", "it is"), FORMS) for fault in error.faults]
        raise TopologyError(told) from error
    if doubled:
        raise TopologyError([_fault(text, fault.message, fault.hint) for fault in doubled])
    if glued := next(_glued(root.value), ""):
        key, _, value = glued.partition(":")
        raise TopologyError([_fault(text, f"{glued!r} is one word to YAML", f"'{key}: {value}', with a space")])
    return root.value


def _glued(value: object) -> Iterator[str]:
    """Keys without a value that hold a colon: `{spoke-rs:2}`, where `{spoke-rs: 2}` was meant."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if inner is None and re.search(r":[^:]+$", key):
            yield key
        yield from _glued(inner)


def _fault(text: str, message: str, hint: str = "") -> Fault:
    return Fault(file=f"--if {text!r}", line=0, column=0, message=message, hint=hint)


# --- comparing ----------------------------------------------------------------------------------------------------------


def compared(before: Asked, after: Asked, changes: Sequence[Change], node: str, to: str | None) -> WhatIf:
    """Both answers, and what differs: the node's rows, the paths to the other, sessions."""
    found: list[Difference] = []
    for what, look in (("route", _rows), ("path", _ways)):
        found += differences(what, look(before[0], node, to), look(after[0], node, to))
    found += differences("session", states(before[0].sessions()), states(after[0].sessions()))
    told = tuple(change if isinstance(change, str) else str(dict(change)) for change in changes)
    return WhatIf(changes=told, before=before[1], after=after[1], differences=tuple(found))


def _rows(run: Run, node: str, to: str | None) -> dict[str, str]:
    """The node's effective routes, or its Loc-RIB; none of a session."""
    if to is None:
        return {}
    with suppress(RequestError):
        return rows_by_prefix(run.effective_routes(node))
    with suppress(RequestError):
        return best_by_prefix(run.table(node))
    return {}


def _ways(run: Run, node: str, to: str | None) -> dict[str, str]:
    """Paths, where what is asked about is somewhere that packets can be sent to."""
    if to is None or "/" in to:
        return {}
    with suppress(RequestError):
        return ways(run.paths(node, to))
    return {}


def settled(run: Run) -> None:
    """Let it settle, as far as it does."""
    with suppress(NotSettled):
        run.settle()
