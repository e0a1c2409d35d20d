"""Tables for a terminal, with rich. Each takes rows and gives something to print; widths follow the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from dualhome.model import base_name

if TYPE_CHECKING:
    from dualhome.check import Finding
    from dualhome.engine.views import RouteView, SessionView
    from dualhome.forwarding.effective import EffectiveRoute
    from dualhome.plan import Plan

GOOD, BAD, DIM, WARN = "green", "red", "bright_black", "yellow"
SEVERITY = {"error": BAD, "warning": WARN, "info": "cyan"}


def light(*columns: str, title: str | None = None, fold: Sequence[str] = ()) -> Table:
    """A light table: only a line under its head; columns in `fold` may break their text, the others keep theirs."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in fold, ratio=None)
    return table


def sessions(rows: Sequence[SessionView]) -> Table:
    """Both sides of each session in one row."""
    table = light("speaker", "peer", "state", "hold time", "learned", "why", fold=("why",))
    for row in rows:
        up = row.state == "Established"
        hold = f"{row.hold_time_s:g} s" if up and row.hold_time_s else ""
        learned = str(row.routes_learned) if up else ""
        table.add_row(row.speaker, row.peer, Text(str(row.state), GOOD if up else BAD), hold, learned, "" if up else (row.last_error or ""))
    return table


def session_pairs(rows: Sequence[SessionView]) -> Table:
    """One row for the sessions between two objects: how many there are, how many are up, what each side has learned."""
    pairs: dict[tuple[str, str], list[SessionView]] = {}
    for row in rows:
        first, second = base_name(row.speaker), base_name(row.peer)
        pairs.setdefault((second, first) if (second, first) in pairs else (first, second), []).append(row)
    table = light("sessions", "", "up", "hold time", "routes learned", fold=("routes learned",))
    for (first, second), sides in pairs.items():
        up = [side for side in sides if side.state == "Established"]
        learned = [
            f"{name} {', '.join(map(str, sorted({s.routes_learned for s in up if base_name(s.speaker) == name})))}"
            for name in dict.fromkeys((first, second))
        ]
        hold = f"{up[0].hold_time_s:g} s" if up else ""
        table.add_row(
            first,
            second,
            Text(f"{len(up) // 2} of {len(sides) // 2}", GOOD if len(up) == len(sides) else BAD),
            hold,
            ", ".join(learned) if up else "",
        )
    return table


def effective_routes(rows: Sequence[EffectiveRoute], title: str | None = None) -> Table:
    """A NIC's effective routes, with where each comes from."""
    table = light("prefix", "source", "state", "next hop type", "next hops", "from", title=title, fold=("from",))
    for row in rows:
        style = "" if row.state == "Active" else DIM
        origin = " ".join(part for part in (row.via, f"({row.rule})" if row.rule else "") if part)
        hops = ", ".join(map(str, row.next_hops)) or (row.note if row.next_hop_type == "None" else "")
        table.add_row(str(row.prefix), row.source, row.state, row.next_hop_type, hops, origin, style=style)
    return table


def routes(rows: Sequence[RouteView], title: str | None = None) -> Table:
    """What a speaker learned from a peer, or tells it; columns that would be empty are left out."""
    several = len({(r.speaker, r.peer) for r in rows}) > 1
    marked = any(r.communities for r in rows)
    table = light(
        *(["session"] if several else []),
        "prefix",
        "next hop",
        "as path",
        *(["communities"] if marked else []),
        "origin",
        title=title,
        fold=("as path", "communities"),
    )
    for r in rows:
        table.add_row(
            *([f"{r.speaker}/{r.peer}"] if several else []),
            str(r.prefix),
            str(r.next_hop),
            r.as_path,
            *([" ".join(r.communities)] if marked else []),
            r.origin,
        )
    return table


def rejected(rows: Sequence[RouteView], title: str | None = None) -> Table:
    """What was received and refused, with the rule that refused it."""
    table = light("session", "prefix", "as path", "reason", "detail", title=title, fold=("as path", "detail"))
    for r in rows:
        table.add_row(f"{r.speaker}/{r.peer}" if r.peer else r.speaker, str(r.prefix), r.as_path, Text(r.reason or "", BAD), r.detail or "")
    return table


def bgp_table(rows: Sequence[RouteView], title: str | None = None) -> Table:
    """A Loc-RIB with what lost: `*>` the best, `*=` as good, else the round in which it lost."""
    several = len({r.speaker for r in rows}) > 1
    table = light(
        *(["speaker"] if several else []),
        "",
        "prefix",
        "next hop",
        "as path",
        "learned from",
        "origin",
        "lost in",
        title=title,
        fold=("as path",),
    )
    for r in rows:
        mark = "*>" if r.best else "*=" if r.multipath else "*"
        lost = "" if r.best or r.multipath else (r.lost_in or "")
        style = "" if r.best or r.multipath else DIM
        table.add_row(
            *([r.speaker] if several else []), mark, str(r.prefix), str(r.next_hop), r.as_path, r.learned_from, r.origin, lost, style=style
        )
    return table


def findings(rows: Sequence[Finding]) -> Table:
    """Findings, each with what helps."""
    table = light("code", "severity", "on", "finding and remedy", fold=("finding and remedy", "on"))
    for row in rows:
        text = Text(row.message)
        if row.remedy:
            text.append(f"\n→ {row.remedy}", style="italic")
        where = f"\n{row.file}:{row.line}" if row.line else ""
        text.append(f"{where}  {row.rule}" if row.rule or where else "", style=DIM)
        table.add_row(row.code, Text(str(row.severity), SEVERITY.get(str(row.severity), "")), row.on, text)
    return table


def outages(rows: Sequence[tuple[str, str, float]]) -> Table:
    """From, to, seconds of the worst flow."""
    table = light("from", "to", "outage")
    for source, destination, gap_s in rows:
        table.add_row(source, destination, outage(gap_s))
    return table


def outage(gap_s: float) -> Text:
    """How long in words, in a colour that says how bad."""
    return Text("none" if gap_s == 0 else duration(gap_s), GOOD if gap_s < 1 else WARN if gap_s < 10 else BAD)


def duration(seconds: float) -> str:
    """`3 ms`, `1.25 s`, `180.5 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"


def plan_speakers(plan: Plan) -> Table:
    """Every speaker: what it is, who it is, how many sessions and prefixes of its own it has."""
    table = light("speaker", "kind", "ASN", "router ID", "sessions", "originates", title="Speakers", fold=("originates",))
    for name, speaker in plan.speakers.items():
        config = speaker.config
        origins = [str(p) for p in config.origins]
        shown = ", ".join(origins[:4]) + (f" and {len(origins) - 4} more" if len(origins) > 4 else "")
        table.add_row(name, speaker.kind.value, str(config.asn), config.router_id, str(len(config.peers)), shown)
    return table


def plan_sessions(plan: Plan) -> Table:
    """Every session: between whom, over what, and whether it is internal."""
    table = light("session", "and", "kind", "carried by", "hold time", "BFD", title="Sessions")
    for session in plan.sessions:
        a, b = plan.speakers.get(session.a), plan.speakers.get(session.b)
        ends = [(own, other) for own, other in ((a, session.b), (b, session.a)) if own and other in own.config.peers]
        holds = [own.config.peers[other].session.hold_time_s for own, other in ends]
        asns = {asn for own, other in ends for asn in (own.config.asn, own.config.peers[other].session.remote_asn)}
        bfd = f"{session.bfd.interval_ms} ms × {session.bfd.multiplier}" if session.bfd else ""
        standby = "" if all(own.config.peers[other].enabled for own, other in ends) else " (standby)"
        kind = ("iBGP" if len(asns) == 1 else "eBGP") + standby
        table.add_row(session.a, session.b, kind, session.carrier.value, f"{min(holds):g} s" if holds else "", bfd)
    return table


def named(rows: Mapping[str, object], title: str | None = None) -> Table:
    """Two columns: a name and what it is."""
    table = light("", "", title=title, fold=("",))
    table.show_header = False
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table
