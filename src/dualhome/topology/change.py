"""A `change` step: mappings merge as RFC 7396 says, null removes, the rest replaces; pairs are changed by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualhome.topology.reading import Locator, Path
from dualhome.topology.site import FLAGS, directions
from dualhome.topology.words import CONNECTIONS, LINKS, PAIRS, PEERINGS, Wrong, ends, items

Data = Mapping[str, Any]
Listed = list[tuple[Any, Path]]  # an item, and the path in the file that it stands for


def merge(base: Any, patch: Any) -> Any:
    """RFC 7396; a subnet's short form is read as its long one."""
    if not isinstance(patch, Mapping):
        return patch
    known = {"prefix": base} if isinstance(base, str) else base if isinstance(base, Mapping) else {}
    merged = {**known, **{key: merge(known.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def malformed(patch: Data) -> Iterator[Wrong]:
    """Keys of a patch's pairs that name no pair, and values that are no mapping."""
    for section in PAIRS:
        changed = patch.get(section)
        if changed is not None and not isinstance(changed, Mapping):
            yield Wrong((section,), f"{section!r} is changed pair by pair", "as 'a<->b: {...}'")
            continue
        for pair, value in (changed or {}).items():
            arrow = "a<->b, or a->b for one direction" if section == PEERINGS else "a<->b"
            if len(ends(pair)) != 2 or not all(ends(pair)) or ("<->" not in pair and section != PEERINGS):
                yield Wrong((section, pair), f"{pair!r} names no pair", f"wanted {arrow}", key=True)
            elif value is not None and not isinstance(value, Mapping):
                yield Wrong((section, pair), f"{pair!r} is no mapping", "what is changed of it, or nothing to remove it")


def changed(net: Data, lines: Locator, patch: Data, base: Path) -> tuple[dict[str, Any], Locator]:
    """The network after the patch, which is not `malformed` and stands at `base` in the file; and where its pairs stand."""
    merged: dict[str, Any] = merge(net, {key: value for key, value in patch.items() if key not in PAIRS})
    moves = dict(lines.moves)
    for section in PAIRS:
        if section not in patch:
            continue
        if patch[section] is None:
            merged.pop(section, None)
            moves.pop(section, None)
            continue
        listed: Listed = [(item, lines.origin((section, place))) for place, item in enumerate(items(net, section))]
        apply = _change_peering if section == PEERINGS else _change_pair
        for pair, value in patch[section].items():
            listed = apply(section, listed, pair, value, (*base, section, pair))
        merged[section] = [item for item, _ in listed]
        moves[section] = tuple(path for _, path in listed)
    return merged, Locator(lines.root, moves)


def _change_peering(_: str, listed: Listed, pair: str, value: Data | None, path: Path) -> Listed:
    """Each direction that the name says: its own flags stay but for those that are given."""
    a, b = ends(pair)
    for local, remote in ((a, b), (b, a)) if "<->" in pair else ((a, b),):
        found: Listed = []
        known: dict[str, Any] = {}
        place: int | None = None
        for item, origin in listed:
            both = [*directions(item, 0)]
            if not any((d.local, d.remote) == (local, remote) for d in both):
                found.append((item, origin))
                continue
            for d in both:
                if (d.local, d.remote) == (local, remote):
                    known, place = {**known, **d.flags}, len(found) if place is None else place
                else:
                    found.append(({"from": d.local, "to": d.remote, **d.flags}, origin))
        if value is not None:
            new = merge({"from": local, "to": remote, **{flag: known[flag] for flag in FLAGS if flag in known}}, value)
            found.insert(len(found) if place is None else place, (new, path))
        listed = found
    return listed


def _change_pair(section: str, listed: Listed, pair: str, value: Data | None, path: Path) -> Listed:
    """Every VPN connection or link of this name; an end without `#` means all its instances. None of it: a new one."""
    found: Listed = []
    hit = False
    for item, origin in listed:
        if not _named(pair, item):
            found.append((item, origin))
            continue
        hit = True
        if value is not None:
            long = {"between": [*item]} if isinstance(item, list) else item
            found.append((merge(long, value), path) if value else (item, origin))
    if value is not None and not hit:
        names = {"between": ends(pair)} if section == LINKS else dict(zip(PAIRS[CONNECTIONS], ends(pair), strict=True))
        found.append((merge(names, value), path))
    return found


def _named(pair: str, item: Any) -> bool:
    given, own = ends(pair), ends(item)

    def means(name: str, end: str) -> bool:
        return name in (end, end.partition("#")[0])

    return any(means(given[0], x) and means(given[1], y) for x, y in (own, own[::-1]))
