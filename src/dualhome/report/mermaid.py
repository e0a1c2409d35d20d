"""A scene as a Mermaid flowchart, which GitHub and others draw."""

from __future__ import annotations

from typing import Final

from dualhome.report.scene import Area, Box, Card, Scene

ARROWS: Final = {
    "peering": "===",
    "transit": "===|gateway transit|",
    "initiated": "-.-x",
    "bgp": "-.-|BGP|",
    "tunnel": "-.-|tunnel|",
    "circuit": "---|ExpressRoute|",
    "vpn": "---|VPN|",
    "link": "---",
    "way": "---",
}


def mermaid(scene: Scene) -> str:
    """The text, without a fence."""
    ids = {name: f"n{number}" for number, name in enumerate(_names(scene))}
    lines = ["flowchart LR"]
    for column in scene.columns:
        for box in column:
            lines += _box(box, ids)
    for line in scene.lines:
        lines.append(f"  {ids[line.a]} {ARROWS[line.kind]} {ids[line.b]}")
    return "\n".join(lines) + "\n"


def _names(scene: Scene) -> list[str]:
    """Boxes and cards; a lone node's box is its card."""
    names: dict[str, None] = {}
    for box in (box for column in scene.columns for box in column):
        names[box.name] = None
        names.update((card.name, None) for areas in box.columns for area in areas for card in area.cards)
    return list(names)


def _box(box: Box, ids: dict[str, str]) -> list[str]:
    areas = [area for areas in box.columns for area in areas]
    if not box.framed:
        return [f"  {_card(card, ids)}" for area in areas for card in area.cards]
    inner = [line for number, area in enumerate(areas) for line in _area(area, f"{ids[box.name]}_{number}", ids)]
    return [f"  subgraph {ids[box.name]}[{_quoted(box.name, box.note)}]", *(inner or [f"    {ids[box.name]}_empty[ ]"]), "  end"]


def _area(area: Area, name: str, ids: dict[str, str]) -> list[str]:
    return [f"    subgraph {name}[{_quoted(area.name, area.note)}]", *(f"      {_card(card, ids)}" for card in area.cards), "    end"]


def _card(card: Card, ids: dict[str, str]) -> str:
    return f"{ids[card.name]}[{_quoted(f'{card.badge} {card.name}', *card.lines)}]"


def _quoted(*lines: str) -> str:
    """Lines of a label; what Mermaid would take as its own is written as an entity."""
    safe = ("".join(c if c.isalnum() or c in " .,/:·…-_" else f"#{ord(c)};" for c in line) for line in lines if line)
    return '"' + "<br/>".join(safe) + '"'
