"""Locks: what they keep from being deleted, or from being changed at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.arm.azure import GROUP, Azure, azure

TABLE = f"{GROUP}/providers/Microsoft.Network/routeTables/one"
TABLE_BODY = {"location": "westeurope", "properties": {}}


@pytest.fixture
def az() -> Iterator[Azure]:
    with azure() as found:
        assert found.ask("PUT", TABLE, TABLE_BODY).status_code == 201
        yield found


def lock(az: Azure, scope: str, level: str) -> str:
    path = f"{scope}/providers/Microsoft.Authorization/locks/mine"
    assert az.ask("PUT", path, {"properties": {"level": level}}).status_code == 201
    return path


@pytest.mark.parametrize("scope", [GROUP, TABLE])
def test_what_cannot_be_deleted(az: Azure, scope: str) -> None:
    """A lock holds what stands in its scope, and what its scope stands in."""
    path = lock(az, scope, "cannotdelete")
    for each in (GROUP, TABLE):
        assert az.refused("DELETE", each) == (409, "ScopeLocked")
    assert az.ask("PUT", TABLE, TABLE_BODY).status_code == 200
    assert az.ask("DELETE", path).status_code == 200
    assert az.ask("DELETE", TABLE).status_code == 200


def test_what_can_only_be_read(az: Azure) -> None:
    lock(az, TABLE, "ReadOnly")
    assert az.refused("PUT", TABLE, TABLE_BODY) == (409, "ScopeLocked")
    assert az.refused("PATCH", TABLE, {"tags": {"a": "b"}}) == (409, "ScopeLocked")
    assert az.refused("PUT", f"{TABLE}/routes/r", {"properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "None"}}) == (
        409,
        "ScopeLocked",
    )
    assert az.ask("GET", TABLE).status_code == 200
    assert az.ask("PUT", f"{GROUP}/providers/Microsoft.Network/routeTables/two", TABLE_BODY).status_code == 201


def test_levels(az: Azure) -> None:
    path = f"{GROUP}/providers/Microsoft.Authorization/locks/mine"
    assert az.refused("PUT", path, {"properties": {"level": "Sometimes"}}) == (400, "InvalidLockLevel")


def test_a_group_that_is_not_there_cannot_be_deleted(az: Azure) -> None:
    assert az.refused("DELETE", GROUP + "-none") == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize("operations", ["async", "location"])
def test_a_lock_goes_at_once(operations: str) -> None:
    """Its clients poll nothing."""
    with azure(operations=operations) as az:
        path = lock(az, GROUP, "CanNotDelete")
        assert az.ask("DELETE", path).status_code == 200
        az.ask("PUT", TABLE, TABLE_BODY)
        assert az.ask("DELETE", TABLE).status_code == 202
