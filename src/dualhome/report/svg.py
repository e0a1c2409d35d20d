"""A placed scene as SVG: one file, no scripts, no fonts of its own, legible on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from dualhome.report.layout import BADGE, LINE_HEIGHT, MARGIN, TEXT_WIDTH, Curve, Placed, Rect
from dualhome.report.scene import Area, Box, Card

COLORS: Final = {  # kind of card: its colour by day and by night
    "rs": ("#0f6cbd", "#4aa3ef"),
    "gateway": ("#7a4fc0", "#b08cf0"),
    "nva": ("#c2410c", "#fb923c"),
    "vm": ("#15803d", "#4ade80"),
    "lb": ("#0e7490", "#22d3ee"),
    "circuit": ("#7a4fc0", "#b08cf0"),
    "router": ("#475569", "#94a3b8"),
    "host": ("#475569", "#94a3b8"),
    "internet": ("#475569", "#94a3b8"),
    "more": ("#64748b", "#94a3b8"),
}
LINES: Final = {  # kind of line: colour by day and by night, width, dashes, words of the legend
    "peering": ("#64748b", "#94a3b8", 2.6, "", "peering"),
    "transit": ("#334155", "#cbd5e1", 4.2, "", "peering with gateway transit"),
    "initiated": ("#dc2626", "#f87171", 2.2, "2 5", "peering of one direction only"),
    "bgp": ("#0f6cbd", "#4aa3ef", 1.7, "6 4", "BGP"),
    "tunnel": ("#c2410c", "#fb923c", 2.0, "2 4", "tunnel with BGP"),
    "circuit": ("#7a4fc0", "#b08cf0", 2.4, "", "ExpressRoute"),
    "vpn": ("#15803d", "#4ade80", 2.2, "10 4 2 4", "VPN"),
    "link": ("#475569", "#94a3b8", 2.2, "", "link"),
    "way": ("#94a3b8", "#64748b", 1.6, "1 4", "leads to"),
}


def svg(placed: Placed) -> str:
    """The whole document."""
    width, height = _n(placed.width), _n(placed.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(placed.title)}</title>",
        f"<style>{_style()}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="14"/>',
        f'<text class="title" x="{MARGIN}" y="44">{escape(placed.title)}</text>',
        *(_box(box, rect) for box, rect in placed.boxes),
        *(_area(area, rect) for area, rect in placed.areas),
        *(_line(curve) for curve in placed.curves),
        *(_labels(area, rect) for area, rect in placed.areas),
        *(_card(card, rect) for card, rect in placed.cards),
        *_legend(placed),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _style() -> str:
    """Classes by day, and what is another colour by night."""
    fonts = "font-family:'Segoe UI','Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif"
    day = [
        f"text{{{fonts};font-size:11px;fill:#475569}}",
        ".page{fill:#f8fafc}.title{font-size:20px;font-weight:600;fill:#0f172a}",
        ".box{fill:#eaf2fb;stroke:#9cc3e8;stroke-width:1.4}.head{font-size:14px;font-weight:600;fill:#0f172a}",
        ".area{fill:#ffffff;fill-opacity:.75;stroke:#c5d3e2;stroke-dasharray:4 3}.label{font-size:10.5px;fill:#64748b}",
        ".rim{paint-order:stroke;stroke:#fbfdff;stroke-width:4;stroke-linejoin:round}",
        ".card{fill:#ffffff;stroke-width:1.3}.name{font-size:12.5px;font-weight:600;fill:#0f172a}",
        ".badge{font-size:10.5px;font-weight:700;fill:#ffffff;text-anchor:middle}.line{fill:none;stroke-linecap:round}",
    ]
    night = [
        "text{fill:#cbd5e1}.page{fill:#0d1420}.title,.head,.name{fill:#f1f5f9}.box{fill:#142338;stroke:#2f5580}",
        ".area{fill:#0d1420;fill-opacity:.55;stroke:#33475f}.label{fill:#94a3b8}.rim{stroke:#0f1929}.card{fill:#182436}.badge{fill:#0b1220}",
    ]
    for kind, (light, dark) in COLORS.items():
        day.append(f".k-{kind}{{stroke:{light}}}.b-{kind}{{fill:{light}}}")
        night.append(f".k-{kind}{{stroke:{dark}}}.b-{kind}{{fill:{dark}}}")
    for kind, (light, dark, width, dashes, _) in LINES.items():
        dashed = f";stroke-dasharray:{dashes}" if dashes else ""
        day.append(f".l-{kind}{{stroke:{light};stroke-width:{width}{dashed}}}")
        night.append(f".l-{kind}{{stroke:{dark}}}")
    return "".join(day) + "@media (prefers-color-scheme:dark){" + "".join(night) + "}"


def _box(box: Box, rect: Rect) -> str:
    note = f'<text class="label" x="{_n(rect.x + 16)}" y="{_n(rect.y + 38)}">{escape(box.note)}</text>'
    return f'<rect class="box" {_rect(rect)} rx="12"/><text class="head" x="{_n(rect.x + 16)}" y="{_n(rect.y + 22)}">{escape(box.name)}</text>{note}'


def _area(_area: Area, rect: Rect) -> str:
    return f'<rect class="area" {_rect(rect)} rx="8"/>'


def _labels(area: Area, rect: Rect) -> str:
    """Above the lines, with a rim that keeps them legible."""
    y = _n(rect.y + 16)
    note = f'<text class="label rim" x="{_n(rect.right - 10)}" y="{y}" text-anchor="end">{escape(area.note)}</text>'
    return f'<text class="label rim" x="{_n(rect.x + 10)}" y="{y}">{escape(area.name)}</text>{note}'


def _card(card: Card, rect: Rect) -> str:
    left = Rect(rect.x, rect.y, BADGE, rect.height)
    shape = f"M{_n(left.x + 7)} {_n(left.y)}H{_n(left.right)}V{_n(left.bottom)}H{_n(left.x + 7)}a7 7 0 0 1 -7 -7V{_n(left.y + 7)}a7 7 0 0 1 7 -7z"
    x = _n(left.right + 12)
    lines = "".join(
        f'<text x="{x}" y="{_n(rect.y + 19 + LINE_HEIGHT * (i + 1))}">{escape(line)}</text>' for i, line in enumerate(card.lines)
    )
    return (
        f'<rect class="card k-{card.kind}" {_rect(rect)} rx="7"/><path class="b-{card.kind}" d="{shape}"/>'
        f'<text class="badge" x="{_n(left.x + BADGE / 2)}" y="{_n(left.middle + 4)}">{escape(card.badge)}</text>'
        f'<text class="name" x="{x}" y="{_n(rect.y + 19)}">{escape(card.name)}</text>{lines}'
    )


def _line(curve: Curve) -> str:
    (ax, ay), (bx, by) = curve.start, curve.end
    (px, py), (qx, qy) = curve.handles
    return f'<path class="line l-{curve.kind}" d="M{_n(ax)} {_n(ay)}C{_n(px)} {_n(py)} {_n(qx)} {_n(qy)} {_n(bx)} {_n(by)}"/>'


def _legend(placed: Placed) -> Iterator[str]:
    x, y = float(MARGIN), placed.height - 26
    for kind in LINES:
        if kind in placed.kinds:
            words = LINES[kind][4]
            yield f'<path class="line l-{kind}" d="M{_n(x)} {_n(y - 4)}h34"/><text x="{_n(x + 42)}" y="{_n(y)}">{escape(words)}</text>'
            x += 42 + len(words) * TEXT_WIDTH + 24


def _rect(rect: Rect) -> str:
    return f'x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}"'


def _n(value: float) -> str:
    """A number in as few letters as it needs."""
    return f"{value:.1f}".removesuffix(".0")
