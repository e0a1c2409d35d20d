"""Each defect of an UPDATE, one by one, through a RIB with a watcher; and the page that lists them (docs/malformed-updates.md)."""

from __future__ import annotations

import struct

import pytest

from dualhome._core import Rib, WireError
from tests import malformed_page
from tests.bgp import defects as d
from tests.bgp.rib_help import ROUNDS, config, prefix, told
from tests.bgp.structure import NOTHING, STRUCTURE, TAKEN, Structure, body

DEFECTS = d.all_defects()
MANDATORY = ("ORIGIN", "AS_PATH", "NEXT_HOP")
MORE_OF = {"internal": {"asn": 65000, "ebgp": False}, "external": {}, "two-octet": {}}


def make(kind: str) -> Rib:
    """Peer 1 is of this kind, peer 2 an external watcher; both families are agreed on."""
    rib = Rib(asn=65000, router_id="1.1.1.1", rounds=ROUNDS)
    for number in (1, 2):
        rib.set_peer(number, config(number, **(MORE_OF[kind] if number == 1 else {})))
        two = kind == "two-octet" and number == 1
        rib.peer_up(number, four_octet_as=not two, families=[(1, 1), (2, 1)], max_message=4096, router_id=f"1.0.0.{number}")
    while rib.output(2):
        pass
    return rib


def message(octets: bytes) -> bytes:
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(octets), 2) + octets


def update(kind: str, name: str = "", raw: bytes = b"") -> bytes:
    """A good UPDATE, in which `raw` stands for the attribute `name`, or beside the others."""
    parts = {each: d.KNOWN[each].raw() for each in MANDATORY}
    if kind == "two-octet":
        parts["AS_PATH"] = d.attribute(0x40, 2, d.segment(2, 65101, size=2))
    if kind == "internal":
        parts["LOCAL_PREF"] = d.KNOWN["LOCAL_PREF"].raw()
    nlri = d.NLRI
    if name == "MP_REACH_NLRI":  # its routes alone, so that what becomes of them can be seen
        del parts["NEXT_HOP"]
        nlri = b"" if raw else d.NLRI
    if name == "MP_REACH_NLRI" and not raw:
        parts["NEXT_HOP"] = d.KNOWN["NEXT_HOP"].raw()
    if name:
        parts[name] = raw
    return message(body(b"".join(parts.values()), nlri))


def held(rib: Rib, text: str) -> bytes | None:
    """Attributes of what peer 1 announced and was let in, as octets."""
    rows, blocks = rib.blocks("received", 1, [prefix(text)])
    return blocks[rows[0][2]][0] if rows else None


def after(kind: str, data: bytes) -> tuple[Rib, WireError | None]:
    """A good route is there and told, then this message comes."""
    rib = make(kind)
    assert rib.receive(1, update(kind)) is None
    rib.process()
    assert len(told(rib, 2)) == 1
    error = rib.receive(1, data)
    rib.process()
    return rib, error


def check_reset(error: WireError | None, verdict: str, raw: bytes) -> None:
    assert error is not None
    assert f"session reset {error.code}/{error.subcode}" == verdict
    if error.subcode in (2, 9):  # the attribute is the data (RFC 4271 section 6.3)
        assert error.data == raw


def check_withdrawn(rib: Rib, error: WireError | None, text: str, name: str) -> None:
    assert error is None
    [row] = rib.rejected(1, prefix(text))
    assert row.reason == "invalid"
    assert row.detail is not None
    assert row.detail.startswith(f"{name}: ")
    assert held(rib, text) is None
    assert rib.candidates(prefix(text)) == []
    if text == d.PREFIX:
        assert told(rib, 2) == [f"-{d.PREFIX}"]


@pytest.mark.parametrize("name", d.KNOWN)
def test_a_right_attribute_is_taken(name: str) -> None:
    """What stands beside the defects is right: only they are to blame for what follows."""
    kind, known = d.peer_of(name), d.KNOWN[name]
    right = known.good if (kind, name) != ("two-octet", "AS_PATH") else d.segment(2, 65101, size=2)
    for extra in (0, 0x20, 0x0F):  # Partial, and bits that aren't looked at (RFC 4271 section 4.3)
        rib, error = after(kind, update(kind, name, d.attribute(known.flags | extra, known.kind, right)))
        assert error is None
        assert rib.rejected(1) == []
        assert held(rib, d.PREFIX6 if name == "MP_REACH_NLRI" else d.PREFIX) is not None


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.name)
def test_a_defect_has_its_verdict(defect: d.Defect) -> None:
    data = update(defect.peer, defect.attribute, defect.raw)
    rib, error = after(defect.peer, data)
    text = d.PREFIX6 if defect.attribute == "MP_REACH_NLRI" and defect.raw else d.PREFIX
    if defect.verdict == d.WITHDRAW:
        check_withdrawn(rib, error, text, defect.attribute)
    elif defect.verdict == d.DISCARD:
        assert error is None
        assert rib.rejected(1) == []
        plain, _ = after(defect.peer, update(defect.peer, defect.attribute, defect.same_as))
        assert held(rib, text) == held(plain, text) is not None
        assert told(rib, 2) == told(plain, 2)
    else:
        check_reset(error, defect.verdict, defect.raw)
        return
    assert rib.receive(1, update(defect.peer)) is None, "the session goes on"
    assert rib.rejected(1, prefix(d.PREFIX)) == []
    assert held(rib, d.PREFIX) is not None


@pytest.mark.parametrize("line", STRUCTURE, ids=lambda each: each.name)
def test_a_wrong_structure_has_its_verdict(line: Structure) -> None:
    rib, error = after("external", message(line.body))
    if line.verdict.startswith("session reset"):
        assert error is not None
        assert f"session reset {error.code}/{error.subcode}" == line.verdict
        return
    assert error is None
    reasons = [row.reason for row in rib.rejected(1, prefix(d.PREFIX))]
    assert reasons == (["invalid"] if line.verdict == d.WITHDRAW else [])
    if line.verdict == d.WITHDRAW:
        assert told(rib, 2) == [f"-{d.PREFIX}"]
    elif line.verdict == NOTHING:
        assert told(rib, 2) == []
        assert held(rib, d.PREFIX) == held(after("external", update("external"))[0], d.PREFIX)
    else:
        assert line.verdict == TAKEN
        assert held(rib, d.PREFIX) is not None


def test_every_cell_of_the_table_has_a_proof_that_agrees_with_it() -> None:
    rows = malformed_page.table()
    assert [(row.name, row.kind, row.flags) for row in rows] == [(name, known.kind, known.flags) for name, known in d.KNOWN.items()]
    for row in rows:
        for column, verdict in zip(malformed_page.COLUMNS, row.verdicts, strict=True):
            proofs = [each for each in DEFECTS if (each.attribute, each.defect) == (row.name, column)]
            assert bool(proofs) != ((row.name, column) in d.NOT_POSSIBLE), (row.name, column)
            assert {each.verdict.partition(" 3/")[0] for each in proofs} <= {verdict}, (row.name, column)
    external = {each.attribute for each in DEFECTS if each.defect == d.EXTERNAL}
    assert external == {row.name for row in rows if row.internal_only}


def test_names_of_proofs_are_unique() -> None:
    names = [name for name, *_ in malformed_page.messages()]
    assert len(set(names)) == len(names)


def test_the_page_is_what_the_table_says() -> None:
    assert malformed_page.page() == malformed_page.PAGE.read_text("utf-8"), "run: make goldens"
