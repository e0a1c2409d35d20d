"""Judging an `expect` step: each kind of expectation gives an outcome for each of its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dualhome.errors import RequestError
from dualhome.model import Network
from dualhome.net import Prefix
from dualhome.report.data import effective_route, finding, route
from dualhome.scenario.matchers import NOT_A_FIELD, Item, Row, fits_item, mismatches, nearest
from dualhome.scenario.paths import arrows, complaints, ending

if TYPE_CHECKING:
    from dualhome.scenario.runner import Subject

UNSHOWN: Final = (
    "absent",
    "evidence",
    "confidence",
    "message",
    "remedy",
    "detail",
    "file",
    "line",
    "column",
    "speaker",
    "peer",
    "multipath",
    "lost_in",
    "on",
    "rule",
    "fixable",
    "edits",
)
Path = tuple[str | int, ...]  # where in the step the item stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one expected item came to; `problem` says in words what was expected and what was found."""

    what: str
    path: Path
    ok: bool
    expected: object
    found: object
    problem: str = ""
    confidence: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """An `expect` step: the network of the file, where the step stands, what it expects."""

    network: Network
    at: Path
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one table: of one session, of one speaker, of one NIC. Each that a key means must satisfy the key's items."""

    label: str
    rows: Sequence[Row]


def outcomes(subject: Subject, asked: Asked) -> Iterator[Outcome]:
    """One outcome for each expected item, in the order of the file."""
    for kind, value in asked.value.items():
        if kind in NOT_A_FIELD:
            continue
        for outcome in JUDGES[kind](subject, value):
            yield _with_source(outcome, asked.value)


def _with_source(outcome: Outcome, step: Mapping[str, object]) -> Outcome:
    """The item's own evidence and confidence go first, then those of the step."""
    item: Mapping[str, object] = outcome.expected if isinstance(outcome.expected, Mapping) else {}
    evidence, confidence = item.get("evidence", step.get("evidence")), item.get("confidence", step.get("confidence"))
    listed = tuple(map(str, evidence)) if isinstance(evidence, (list, tuple)) else (str(evidence),) if evidence else ()
    expected = {k: v for k, v in item.items() if k not in ("evidence", "confidence")} if item else outcome.expected
    path = outcome.path if outcome.path[0] == "expect" else ("expect", *outcome.path)
    return replace(outcome, expected=expected, path=path, evidence=listed, confidence=None if confidence is None else str(confidence))


# --- sessions ---------------------------------------------------------------------------------------------------------------------


def _sessions(subject: Subject, value: object) -> Iterator[Outcome]:
    for name, expected in _mapping(value).items():
        views = subject.sessions(name)
        wrong = [v for v in views if (v.state == "Established" if expected == "Down" else v.state != expected)]
        found = {f"{v.speaker}/{v.peer}": v.state for v in views}
        told = "; ".join(f"{v.speaker}/{v.peer} is {v.state}" + (f" ({v.last_error})" if v.last_error else "") for v in wrong)
        yield Outcome(
            what=f"session {name}",
            path=("sessions", name),
            ok=bool(views) and not wrong,
            expected=expected,
            found=found,
            problem=f"expected {expected}; found " + (told or "no such session"),
        )


# --- tables -----------------------------------------------------------------------------------------------------------------------


def _effective(subject: Subject, value: object) -> Iterator[Outcome]:
    for nic, items in _mapping(value).items():

        def groups(nic: str = nic) -> list[Group]:
            return [Group(nic, [effective_route(r) for r in subject.effective_routes(nic)])]

        yield from _table(subject, f"effective route of {nic}", ("effective_routes", nic), items, groups)


def _by_session(kind: str, words: str) -> Callable[[Subject, object], Iterator[Outcome]]:
    """A judge of learned, advertised or rejected routes."""

    def judge(subject: Subject, value: object) -> Iterator[Outcome]:
        ask = {"learned_routes": subject.learned, "advertised_routes": subject.advertised, "rejected_routes": subject.rejected}[kind]
        for session, items in _mapping(value).items():

            def groups(session: str = session) -> list[Group]:
                names = [f"{v.speaker}/{v.peer}" for v in subject.sessions(session)]
                return [Group(name, [route(r) for r in ask(name)]) for name in names]

            yield from _table(subject, f"{words} {session}", (kind, session), items, groups)

    return judge


def _bgp_table(subject: Subject, value: object) -> Iterator[Outcome]:
    for node, items in _mapping(value).items():

        def groups(node: str = node) -> list[Group]:
            return [Group(name, [route(r) for r in subject.table(name)]) for name in subject.speakers(node)]

        yield from _table(subject, f"BGP table of {node}", ("bgp_table", node), items, groups)


def _findings(subject: Subject, value: object) -> Iterator[Outcome]:
    def groups() -> list[Group]:
        return [Group("check", [finding(f) | {"at": f.on} for f in subject.check()])]

    yield from _table(subject, "finding", ("findings",), value, groups)


def _table(subject: Subject, what: str, path: Path, items: object, groups: Callable[[], list[Group]]) -> Iterator[Outcome]:
    """Judge the items of one table; under `exactly` nothing else may be there."""
    exactly = isinstance(items, Mapping)
    listed: Sequence[Item] = items["exactly"] if isinstance(items, Mapping) else items  # type: ignore[assignment]
    at: Path = (*path, "exactly") if exactly else path
    try:
        found = groups()
    except RequestError as error:
        listed_or_whole = list(enumerate(listed)) or [(0, {})]
        for index, item in listed_or_whole:
            yield Outcome(what=f"{what} {_key(item)}".rstrip(), path=(*at, index), ok=False, expected=item, found=None, problem=str(error))
        return
    for index, item in enumerate(listed):
        judge = _absent if item.get("absent") else _present
        yield judge(subject.network, f"{what} {_key(item)}", (*at, index), item, found)
    if exactly:
        yield _nothing_else(subject.network, what, at, listed, found)


def _present(network: Network, what: str, path: Path, item: Item, groups: Sequence[Group]) -> Outcome:
    lacking = [group for group in groups if not any(fits_item(row, item, network) for row in group.rows)]
    ok = bool(groups) and not lacking
    shown = next((row for group in groups for row in group.rows if fits_item(row, item, network)), None) if ok else None
    problem = "there is no such session or speaker"
    if lacking:
        shown = nearest(lacking[0].rows, item, network)
        of = f" at {lacking[0].label}" if len(groups) > 1 else ""
        if shown is None:
            problem = (
                f"expected {_shown(item)}; found no such {'finding' if 'code' in item else 'route'}{of}, {_overview(lacking[0].rows, item)}"
            )
        else:
            problem = f"expected {_shown(item)}; found {_shown(shown, [*mismatches(shown, item, network)])}{of}"
    return Outcome(what=what, path=path, ok=ok, expected=item, found=shown, problem="" if ok else problem)


def _absent(network: Network, what: str, path: Path, item: Item, groups: Sequence[Group]) -> Outcome:
    there = [(group, row) for group in groups for row in group.rows if fits_item(row, item, network)]
    problem = f"expected none; found {_shown(there[0][1])}" + (f" at {there[0][0].label}" if len(groups) > 1 else "") if there else ""
    return Outcome(what=what, path=path, ok=not there, expected=item, found=there[0][1] if there else None, problem=problem)


def _nothing_else(network: Network, what: str, path: Path, items: Sequence[Item], groups: Sequence[Group]) -> Outcome:
    over = [(g, row) for g in groups for row in g.rows if not any(fits_item(row, i, network) for i in items if not i.get("absent"))]
    told = "; ".join(f"{_shown(row)}" + (f" at {g.label}" if len(groups) > 1 else "") for g, row in over[:3])
    more = f" and {len(over) - 3} more" if len(over) > 3 else ""
    expected = "nothing else" if items else "nothing"
    problem = f"expected {expected}; found {told}{more}" if over else ""
    return Outcome(what=f"{what}: {expected}", path=path, ok=not over, expected=expected, found=[row for _, row in over], problem=problem)


# --- paths and outages ------------------------------------------------------------------------------------------------------------


def _paths(subject: Subject, value: object) -> Iterator[Outcome]:
    for index, item in enumerate(_list(value)):
        source, destination = str(item["from"]), str(item["to"])
        what = f"path {source} → {destination}"
        try:
            ways = subject.verdict(source, destination)
        except RequestError as error:
            yield Outcome(what=what, path=("path", index), ok=False, expected=item, found=None, problem=str(error))
            continue
        wrong = complaints(ways, item, subject.network)
        found = [f"{arrows(path)}: {ending(path)}" for path, _ in ways]
        wanted = _shown({k: v for k, v in item.items() if k not in ("from", "to")}) or "a path"
        yield Outcome(
            what=what,
            path=("path", index),
            ok=not wrong,
            expected=item,
            found=found,
            problem=f"expected {wanted}; " + "; ".join(wrong[:4]) if wrong else "",
        )


def _outages(subject: Subject, value: object) -> Iterator[Outcome]:
    for index, item in enumerate(_list(value)):
        source, destination = str(item["from"]), str(item["to"])
        what, path = f"outage {source} → {destination}", ("outage", index)
        try:
            gap_s = subject.outage(source, destination)
        except RequestError as error:
            yield Outcome(what=what, path=path, ok=False, expected=item, found=None, problem=str(error))
            continue
        at_most, at_least = item.get("at_most_s"), item.get("at_least_s")
        ok = (at_most is None or gap_s <= _float(at_most)) and (at_least is None or gap_s >= _float(at_least))
        bounds = " and ".join(f"{word} {_float(v):g} s" for word, v in (("at least", at_least), ("at most", at_most)) if v is not None)
        yield Outcome(
            what=what,
            path=path,
            ok=ok,
            expected=item,
            found={"outage_s": round(gap_s, 6)},
            problem="" if ok else f"expected {bounds}; found {gap_s:.3f} s",
        )


# --- words ------------------------------------------------------------------------------------------------------------------------


def _key(item: Item) -> str:
    if "code" in item:
        return str(item["code"]) + (f" at {item['at']}" if "at" in item else "")
    return str(item.get("prefix", ""))


def _shown(row: Mapping[str, object], wrong: Sequence[str] = ()) -> str:
    """Fields and values in a line; of a row that was found, the prefix and what is wrong about it."""
    fields = [k for k in row if k not in UNSHOWN and row[k] is not None]
    if wrong:
        fields = [k for k in ("prefix", "code") if k in row] + [k for k in wrong if k not in ("prefix", "code")]
    return ", ".join(_field(k, row.get(k)) for k in fields)


def _field(name: str, value: object) -> str:
    if name in ("prefix", "code"):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"{name} [{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return f"{name} {str(value).lower()}"
    return f"{name} {'none' if value is None else repr(value) if value == '' else value}"


def _overview(rows: Sequence[Row], item: Item) -> str:
    """What is there instead: the longest route that covers the prefix, else how many there are."""
    if "code" in item:
        codes = list(dict.fromkeys(str(row["code"]) for row in rows))
        return "only " + ", ".join(codes) if codes else "nor any other"
    if not rows:
        return "the table is empty"
    wanted = Prefix.parse(str(item["prefix"]))
    covering = [(Prefix.parse(str(row["prefix"])), row) for row in rows if Prefix.parse(str(row["prefix"])).covers(wanted)]
    if covering:
        return f"the longest that covers it is {_shown(max(covering, key=lambda each: each[0].length)[1])}"
    shown = [str(row["prefix"]) for row in rows]
    return f"only {', '.join(dict.fromkeys(shown[:6]))}" + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def _list(value: object) -> Sequence[Item]:
    assert isinstance(value, (list, tuple))
    return value


def _float(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


JUDGES: Final[Mapping[str, Callable[[Subject, object], Iterator[Outcome]]]] = {
    "sessions": _sessions,
    "effective_routes": _effective,
    "learned_routes": _by_session("learned_routes", "learned by"),
    "advertised_routes": _by_session("advertised_routes", "advertised by"),
    "rejected_routes": _by_session("rejected_routes", "rejected by"),
    "bgp_table": _bgp_table,
    "path": _paths,
    "findings": _findings,
    "outage": _outages,
}
