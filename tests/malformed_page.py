"""docs/malformed-updates.md: what becomes of each defect of an UPDATE, from the core's own table. `make goldens` writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.bgp import defects
from tests.bgp.structure import STRUCTURE
from tests.consoles import ROOT

PAGE = ROOT / "docs" / "malformed-updates.md"
VERDICTS = ROOT / "crates" / "core" / "src" / "wire" / "verdict.rs"
LETTERS = {"D": defects.DISCARD, "W": defects.WITHDRAW, "R": "session reset"}
COLUMNS = (defects.FLAGS, defects.LENGTH, defects.VALUE, defects.REPEATED, defects.MISSING)
WRONG = (defects.FLAGS, defects.LENGTH, defects.VALUE)
FLAGS = {"WELL_KNOWN": 0x40, "NON_TRANSITIVE": 0x80, "BOTH": 0xC0}

HEAD = """\
# Malformed UPDATEs

What the engine makes of an UPDATE that isn't as it should be (RFC 7606 and what came after it). The first table is the core's own,
`crates/core/src/wire/verdict.rs`; `make goldens` writes this page from it.

- **attribute discard**: the attribute is left out, the routes live. Where nothing is missing that has to be there, nothing happens.
- **treat-as-withdraw**: the message's routes are as if withdrawn; `route-server rejected` shows them as `invalid`, with the attribute and its defect.
- **session reset**: a NOTIFICATION with this code and subcode ends the session.

Of several defects the gravest counts. A dash is a defect that can't be: every value of the right length is a right one.
LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from an external peer are discarded, however they look, as are AS4_PATH and AS4_AGGREGATOR from a speaker
of four-octet AS numbers. AIGP isn't enabled, so that it is always left out.
"""

PROOFS = """
## Each cell and its proof

Every line is a message that `tests/bgp/test_malformed_updates.py` sends to a RIB with a watcher beside it, under this name; what is right stands in `tests/bgp/defects.py`
and `tests/bgp/structure.py` with its source, apart from the table above, and both must agree. `tests/live/adversary` does the like through sockets.

| message | verdict | source |
|---|---|---|
"""

ASKED = """
## What a peer's configuration asks for

These routes are well-formed, and refused where the [route server's file](route-server.md) says so; `tests/bgp/test_asked_for.py` proves each.

| key | refused | reason shown | source |
|---|---|---|---|
| `as_sets: reject` | AS_SET in AS_PATH or AS4_PATH | `invalid` | RFC 9774 section 3 |
| `first_as: true` | the path of an external peer doesn't begin with its AS number | `first-as` | RFC 4271 section 6.3 |
| `martians: reject` | prefixes that are nobody's | `martian` | RFC 6890 |
| `mode: ideal` | the server's own address toward the peer as next hop | `own-next-hop` | RFC 4271 sections 5.1.3, 6.3 |
| `requires_policy: true` | all from an external peer without an import policy | `no-import-policy` | RFC 8212 |
| `role` | ONLY_TO_CUSTOMER where it must not be | `route-leak` | RFC 9234 section 5 |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the core's table; a verdict for each of COLUMNS."""

    name: str
    kind: int
    flags: int
    verdicts: tuple[str, ...]
    internal_only: bool


def table() -> tuple[Row, ...]:
    """The core's table, read from its source."""
    source = VERDICTS.read_text("utf-8")
    kinds = {name: int(kind) for name, kind in re.findall(r"pub const (\w+): u8 = (\d+);", source)}
    lines = re.findall(r'^    row\(kind::(\w+), "([^"]+)", (\w+),\s*\[([^\]]+)\], (true|false)\),$', source, re.MULTILINE)
    rows = tuple(
        Row(
            name=name,
            kind=kinds[kind],
            flags=FLAGS[flags],
            verdicts=tuple(LETTERS[letter.strip()] for letter in letters.split(",")),
            internal_only=internal == "true",
        )
        for kind, name, flags, letters, internal in lines
    )
    [size] = re.findall(r"pub const TABLE: \[Row; (\d+)\]", source)
    assert len(rows) == int(size), "a line of the table is not written as the others are"
    return rows


def messages() -> list[tuple[str, str, str]]:
    """Name, verdict and source of each message that is sent."""
    single = [(each.name, each.verdict, each.source) for each in defects.all_defects()]
    return single + [(each.name, each.verdict, each.source) for each in STRUCTURE]


def page() -> str:
    """The page as it should be now."""
    titles = ["attribute", "type", "its flags", *(f"wrong {column}" if column in WRONG else column for column in COLUMNS)]
    lines = [HEAD, f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in table():
        cells = [
            "–"
            if (row.name, column) in defects.NOT_POSSIBLE
            else "may be"
            if column == defects.MISSING and verdict == defects.DISCARD
            else verdict
            for column, verdict in zip(COLUMNS, row.verdicts, strict=True)
        ]
        lines.append(f"| {row.name} | {row.kind} | {row.flags:#04x} | {' | '.join(cells)} |")
    proofs = [f"| {name} | {verdict} | {source} |" for name, verdict, source in messages()]
    return "\n".join(lines) + "\n" + PROOFS + "\n".join(proofs) + "\n" + ASKED
