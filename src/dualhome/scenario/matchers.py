"""When a row that was found is one that was expected. Fields left out are free; a name as a value fits any of its instances and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from dualhome.model import Network
from dualhome.net import Address, Prefix

Row = Mapping[str, object]  # what was found, as plain data
Item = Mapping[str, object]  # what the file expects, as plain data
Test = Callable[[object, object, Network], bool]

NOT_A_FIELD: Final = ("absent", "evidence", "confidence")


def fits_item(row: Row, item: Item, network: Network) -> bool:
    """Whether a row has every field that the item gives."""
    return not mismatches(row, item, network)


def mismatches(row: Row, item: Item, network: Network) -> list[str]:
    """Fields of the item that the row doesn't have, in the item's order."""
    return [
        field
        for field, expected in item.items()
        if field not in NOT_A_FIELD and not TESTS.get(field, _equal)(row.get(field), expected, network)
    ]


def nearest(rows: Sequence[Row], item: Item, network: Network) -> Row | None:
    """The row that comes closest to the item: of the same prefix (or code) where there is one, then with the fewest mismatches."""
    key = next((k for k in ("prefix", "code") if k in item), None)
    same = [row for row in rows if key is None or TESTS.get(key, _equal)(row.get(key), item[key], network)]
    return min(same, key=lambda row: len(mismatches(row, item, network)), default=None)


def is_named(full: str, name: str) -> bool:
    """Whether a node's full name (`spoke-rs#0`) is what a name of the file means: itself, or any instance of it."""
    return full == name or full.partition("#")[0] == name


def fits_address(found: object, expected: object, network: Network) -> bool:
    """Whether an address or a node that was found is the expected address or name."""
    if found is None:
        return False
    if str(found) == str(expected) or is_named(str(found), str(expected)):
        return True
    address = _address(found)
    if address is None:
        return False
    return address == _address(expected) or address in network.addresses_of(str(expected))


def fits_set(found: Iterable[object], expected: Iterable[object], one: Callable[[object, object], bool]) -> bool:
    """Both ways: each expected one is there, and nothing is there that wasn't expected."""
    have, want = list(found), list(expected)
    return all(any(one(h, w) for h in have) for w in want) and all(any(one(h, w) for w in want) for h in have)


def as_path_text(value: object) -> str:
    """An AS path as it is written: ASNs with spaces between; a number is a path of one."""
    return " ".join(str(value).split()) if value is not None else ""


def _prefix(found: object, expected: object, _: Network) -> bool:
    return found is not None and Prefix.parse(str(found)) == Prefix.parse(str(expected))


def _as_path(found: object, expected: object, _: Network) -> bool:
    return as_path_text(found) == as_path_text(expected)


def _communities(found: object, expected: object, _: Network) -> bool:
    return fits_set(_items(found), _items(expected), lambda a, b: str(a) == str(b))


def _next_hops(found: object, expected: object, network: Network) -> bool:
    return fits_set(_items(found), _items(expected), lambda a, b: fits_address(a, b, network))


def _number(found: object, expected: object, _: Network) -> bool:
    """A MED that isn't there counts as 0 (RFC 4271 section 9.1.2.2 c)."""
    return (found or 0) == expected


def _equal(found: object, expected: object, _: Network) -> bool:
    return found == expected


def _node(found: object, expected: object, _: Network) -> bool:
    return found is not None and is_named(str(found), str(expected))


def _items(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _address(value: object) -> Address | None:
    if isinstance(value, Address):
        return value
    try:
        return Address.parse(str(value))
    except ValueError:
        return None


TESTS: Final[Mapping[str, Test]] = {
    "prefix": _prefix,
    "next_hop": fits_address,
    "next_hops": _next_hops,
    "as_path": _as_path,
    "communities": _communities,
    "learned_from": fits_address,
    "med": _number,
    "at": _node,
}
