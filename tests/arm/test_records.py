"""Records: a change is all or nothing, and outlives the process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome.arm.errors import ArmError
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.records import Record, Records, references
from dualhome.arm.store import MemoryStore, SqliteStore
from dualhome.errors import SystemRefused

GROUP = "/subscriptions/s/resourceGroups/rg"


def record(path: str, **properties: object) -> Record:
    id_ = f"{GROUP}/providers/Microsoft.Network/{path}" if path else GROUP
    return Record(id=id_, type=ResourceId.parse(id_).type, body={"properties": properties}, etag="1", number=0)


def test_a_change_that_fails_leaves_nothing() -> None:
    records = Records(MemoryStore())
    with records.change():
        records.put(record("virtualNetworks/a"))
    before = records.version

    def fail() -> None:
        with records.change():
            records.put(record("virtualNetworks/b"))
            records.put(replace(record("virtualNetworks/a"), etag="2"))
            records.delete(record("virtualNetworks/b").id)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert [each.name for each in records] == ["a"]
    assert records.get(record("virtualNetworks/a").id.upper()).etag == "1"  # type: ignore[union-attr]
    assert records.version == before


def test_what_refers_to_a_part_refers_to_the_whole() -> None:
    records = Records(MemoryStore())
    nic = record("networkInterfaces/n")
    with records.change():
        records.put(nic)
        records.put(record("loadBalancers/l", pool=[{"id": f"{nic.id}/ipConfigurations/one"}]))
    assert [each.name for each in records.referrers(nic.id)] == ["l"]
    with records.change():
        records.put(record("loadBalancers/l"))
    assert records.referrers(nic.id) == []


def test_children_groups_and_depth() -> None:
    records = Records(MemoryStore())
    with records.change():
        for path in (
            "",
            "virtualNetworks/v",
            "virtualNetworks/v/subnets/one",
            "virtualNetworks/v/subnets/two",
            "virtualNetworks/v/virtualNetworkPeerings/p",
        ):
            records.put(record(path))
    vnet = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"
    assert [each.name for each in records.children(vnet, "subnets")] == ["one", "two"]
    assert [each.name for each in records.children(GROUP)] == ["v"]
    assert len(records.beneath(GROUP)) == 4
    with records.change():
        records.delete(GROUP)
    assert len(records) == 0


def test_a_file_keeps_all_in_order(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "deep" / "state.db")
    records = Records(store)
    with records.change():
        for name in "zyx":
            records.put(record(f"virtualNetworks/{name}", text="\ud800 and ü"))
    store.close()
    again = Records(SqliteStore(tmp_path / "deep" / "state.db"))
    assert [each.name for each in again] == ["z", "y", "x"]
    assert [each.number for each in again] == [1, 2, 3]
    assert next(iter(again)).properties == {"text": "\ud800 and ü"}


def test_a_file_has_one_owner(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "state.db")
    first.write({("t", "k"): "v"})
    with pytest.raises(SystemRefused, match="another"):
        SqliteStore(tmp_path / "state.db")
    first.close()
    assert list(SqliteStore(tmp_path / "state.db").rows("t")) == [("k", "v")]


def test_references_are_ids_of_others_not_of_the_thing_itself() -> None:
    body = {
        "subnet": {"id": "/a/b"},
        "list": [{"id": "/C/d"}, {"id": "/own", "name": "x", "properties": {"publicIPAddress": {"id": "/e/f/"}}}],
        "networkInterfaces": [{"id": "/g/h", "properties": {"primary": True}}],
        "text": {"id": 3},
    }
    assert list(references(body)) == ["/a/b", "/c/d", "/e/f", "/g/h"]


@pytest.mark.parametrize(
    ("text", "type_", "parent"),
    [
        ("/subscriptions/s", "Microsoft.Resources/subscriptions", None),
        ("/subscriptions/s/resourceGroups/g", "Microsoft.Resources/resourceGroups", None),
        (f"{GROUP}/providers/Microsoft.Network/virtualHubs/h", "Microsoft.Network/virtualHubs", None),
        (f"{GROUP}/providers/Microsoft.Network/virtualHubs/h/bgpConnections/c", "Microsoft.Network/virtualHubs/bgpConnections", "h"),
        (f"{GROUP}/providers/N.A/a/b/providers/N.B/c/d", "N.B/c", None),
    ],
)
def test_ids(text: str, type_: str, parent: str | None) -> None:
    id_ = ResourceId.parse(text)
    assert (id_.type, id_.text, id_.parent.name if id_.parent else None) == (type_, text, parent)


@given(st.text(max_size=80))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        id_ = ResourceId.parse(text)
    except ArmError as error:
        refused = error.status
    else:
        refused = 400
        assert key_of(id_.text) == id_.key
    assert refused == 400
