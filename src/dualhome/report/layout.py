"""Places for a scene: columns from left to right, boxes one under the other, lines from side to side. Sizes are pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dualhome.report.scene import Area, Box, Card, Line, Scene

MARGIN: Final = 36
HEAD: Final = 56  # above the boxes: the title
FOOT: Final = 56  # beneath them: the legend
COLUMN_GAP: Final = 112
BOX_GAP: Final = 34
PAD: Final = 14
BOX_HEAD: Final = 46
AREA_HEAD: Final = 24
AREA_GAP: Final = 26
INNER_GAP: Final = 56  # between the two columns of a box
CARD_GAP: Final = 12
BADGE: Final = 38
LINE_HEIGHT: Final = 15
NAME_WIDTH: Final = 7.9  # of one letter of a name, about
TEXT_WIDTH: Final = 6.2
BOXES_IN_COLUMN: Final = 8
BULGE: Final = 46  # of a line that leaves and comes back on the right


@dataclass(frozen=True, slots=True)
class Rect:
    """A place."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Of its height."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line with its ends; `bend` is how far the handles of its curve reach out, to the right or left."""

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]
    handles: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Everything with its place."""

    title: str
    width: float
    height: float
    boxes: tuple[tuple[Box, Rect], ...]
    areas: tuple[tuple[Area, Rect], ...]
    cards: tuple[tuple[Card, Rect], ...]
    curves: tuple[Curve, ...]
    kinds: tuple[str, ...]  # of lines that there are


def place(scene: Scene) -> Placed:
    """Lay it out: tidy columns, each ordered so that lines cross little, centred on the highest."""
    columns = _ordered([part for column in scene.columns for part in _parts(column)], scene.lines)
    heights = [sum(_box_size(b)[1] for b in c) + BOX_GAP * (len(c) - 1) for c in columns]
    tallest = max(heights, default=0)
    boxes: list[tuple[Box, Rect]] = []
    middles: dict[str, float] = {}
    x = float(MARGIN)
    for column, height in zip(columns, heights, strict=True):
        width = max(_box_size(b)[0] for b in column)
        top = HEAD + MARGIN / 2
        wanted = [_wanted(box, scene.lines, middles) for box in column]
        if all(b.framed for b in column) or None in wanted:
            tops = _stacked(column, top + (tallest - height) / 2)
        else:
            tops = _near(column, [w for w in wanted if w is not None], top, top + tallest)
        for box, y in zip(column, tops, strict=True):
            rect = Rect(x, y, width if box.framed else _box_size(box)[0], _box_size(box)[1])
            boxes.append((box, rect))
            middles |= {card.name: spot.middle for area, where in _areas(box, rect) for card, spot in _cards(area, where)}
        x += width + COLUMN_GAP
    areas = [pair for box, rect in boxes for pair in _areas(box, rect)]
    cards = [pair for area, rect in areas for pair in _cards(area, rect)]
    at = {box.name: rect for box, rect in boxes} | {card.name: rect for card, rect in cards}
    curves = _curves([ln for ln in scene.lines if ln.a in at and ln.b in at], at)
    kinds = tuple(dict.fromkeys(line.kind for line in scene.lines))
    reach = max([x - COLUMN_GAP, *(max(px, qx) - BULGE / 4 for c in curves for (px, _), (qx, _) in [c.handles])])
    width = max(reach + MARGIN, 760)
    height = HEAD + MARGIN / 2 + tallest + FOOT + MARGIN / 2
    framed = tuple(pair for pair in boxes if pair[0].framed)
    named = tuple(pair for pair in areas if pair[0].name)
    return Placed(
        title=scene.title, width=width, height=height, boxes=framed, areas=named, cards=tuple(cards), curves=tuple(curves), kinds=kinds
    )


def _stacked(column: Sequence[Box], top: float) -> list[float]:
    """One under the other."""
    tops = [top]
    for box in column[:-1]:
        tops.append(tops[-1] + _box_size(box)[1] + BOX_GAP)
    return tops


def _wanted(box: Box, lines: Sequence[Line], middles: Mapping[str, float]) -> float | None:
    """The height at which a lone node's lines would be straight; None where it has none to the left."""
    near = [middles[e] for ln in lines for e in _others(ln, box.name, {}) if e in middles]
    return sum(near) / len(near) if near else None


def _near(column: Sequence[Box], wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """As near to where each wants to be as the others let it, in the column's order."""
    sizes = [_box_size(box)[1] for box in column]
    tops: list[float] = []
    for size, middle in zip(sizes, wanted, strict=True):
        tops.append(max(middle - size / 2, tops[-1] + sizes[len(tops) - 1] + BOX_GAP if tops else top))
    limit = bottom
    for i in range(len(tops) - 1, -1, -1):
        tops[i] = max(min(tops[i], limit - sizes[i]), top if i == 0 else tops[i] - bottom)
        limit = tops[i] - BOX_GAP
    drift = sum(t + size / 2 - w for t, size, w in zip(tops, sizes, wanted, strict=True)) / len(tops)
    shift = max(-max(drift, 0.0), top - tops[0]) if drift > 0 else min(-drift, bottom - tops[-1] - sizes[-1])
    return [t + shift for t in tops]


def _parts(column: Sequence[Box]) -> list[list[Box]]:
    """A column that would be too long, as several."""
    count = -(-len(column) // BOXES_IN_COLUMN)
    size = -(-len(column) // count) if count else 1
    return [list(column[i : i + size]) for i in range(0, len(column), size)]


def _ordered(columns: list[list[Box]], lines: Sequence[Line]) -> list[list[Box]]:
    """Each column by the mean place of what its boxes are joined to on their left; the first stays as the file has it."""
    owner = {name: box.name for column in columns for box in column for name in _inside(box)}
    rank = {box.name: (i + 0.5) / len(column) for column in columns[:1] for i, box in enumerate(column)}
    for number, column in enumerate(columns):
        if number:
            means = {}
            for i, box in enumerate(column):
                near = [rank[e] for ln in lines for e in _others(ln, box.name, owner) if e in rank]
                means[box.name] = sum(near) / len(near) if near else (i + 0.5) / len(column)
            column.sort(key=lambda box, means=means: means[box.name])  # type: ignore[misc]
            rank |= {box.name: (i + 0.5) / len(column) for i, box in enumerate(column)}
    return columns


def _inside(box: Box) -> list[str]:
    return [box.name, *(card.name for areas in box.columns for area in areas for card in area.cards)]


def _others(line: Line, box: str, owner: Mapping[str, str]) -> list[str]:
    a, b = owner.get(line.a, line.a), owner.get(line.b, line.b)
    return [b] if a == box else [a] if b == box else []


# --- sizes ---


def _card_size(card: Card) -> tuple[float, float]:
    text = max([len(card.name) * NAME_WIDTH, *(len(each) * TEXT_WIDTH for each in card.lines)])
    return BADGE + 12 + text + 12, 26 + LINE_HEIGHT * len(card.lines)


def _area_size(area: Area) -> tuple[float, float]:
    sizes = [_card_size(card) for card in area.cards]
    head = (len(area.name) * TEXT_WIDTH + len(area.note) * TEXT_WIDTH * 0.95 + 34) if area.name else 0
    height = sum(h for _, h in sizes) + CARD_GAP * (len(sizes) - 1)
    if not area.name:
        return max(w for w, _ in sizes), height
    return max([head, *(w + 2 * PAD for w, _ in sizes)]), AREA_HEAD + height + PAD


def _box_size(box: Box) -> tuple[float, float]:
    if not box.framed:
        return _area_size(box.columns[0][0])
    widths = [max((_area_size(a)[0] for a in column), default=0) for column in box.columns]
    heights = [sum(_area_size(a)[1] for a in column) + AREA_GAP * max(len(column) - 1, 0) for column in box.columns]
    width = sum(widths) + INNER_GAP * (len(widths) - 1) + 2 * PAD
    head = max(len(box.name) * 8.6, len(box.note) * TEXT_WIDTH) + 2 * PAD + 8
    return max(width, head, 170), BOX_HEAD + max(heights) + PAD


def _areas(box: Box, rect: Rect) -> list[tuple[Area, Rect]]:
    if not box.framed:
        return [(box.columns[0][0], rect)]
    widths = [max((_area_size(a)[0] for a in column), default=0) for column in box.columns]
    spare = (rect.width - 2 * PAD - INNER_GAP * (len(widths) - 1) - sum(widths)) / max(len(widths), 1)
    found: list[tuple[Area, Rect]] = []
    x = rect.x + PAD
    for column, width in zip(box.columns, widths, strict=True):
        y = rect.y + BOX_HEAD
        for area in column:
            height = _area_size(area)[1]
            found.append((area, Rect(x, y, width + spare, height)))
            y += height + AREA_GAP
        x += width + spare + INNER_GAP
    return found


def _cards(area: Area, rect: Rect) -> list[tuple[Card, Rect]]:
    found: list[tuple[Card, Rect]] = []
    y = rect.y + (AREA_HEAD if area.name else 0)
    pad = PAD if area.name else 0
    for card in area.cards:
        height = _card_size(card)[1]
        found.append((card, Rect(rect.x + pad, y, rect.width - 2 * pad, height)))
        y += height + CARD_GAP
    return found


# --- lines ---


@dataclass(frozen=True, slots=True)
class _End:
    """Where a line meets a rectangle: on which side, and toward what height or breadth its other end lies."""

    line: int
    name: str
    side: str  # left | right | top | bottom
    toward: float


def _curves(lines: Sequence[Line], at: Mapping[str, Rect]) -> list[Curve]:
    """Each line from side to side; lines that meet one side are spread over it, in the order of their far ends."""
    sides = [_sides(at[line.a], at[line.b], at.values()) for line in lines]
    ends: list[_End] = []
    for number, (line, (side_a, side_b)) in enumerate(zip(lines, sides, strict=True)):
        a, b = at[line.a], at[line.b]
        ends.append(_End(number, line.a, side_a, b.middle if side_a in ("left", "right") else b.x))
        ends.append(_End(number, line.b, side_b, a.middle if side_b in ("left", "right") else a.x))
    meeting: dict[tuple[str, str], list[_End]] = {}
    for end in ends:
        meeting.setdefault((end.name, end.side), []).append(end)
    points: dict[tuple[int, str], tuple[float, float]] = {}
    for (name, side), group in meeting.items():
        boxed = lines[group[0].line].kind in ("peering", "transit", "initiated")
        for place_, end in enumerate(sorted(group, key=lambda e: (e.toward, e.line))):
            line = lines[end.line]
            other = at[line.b if line.a == name else line.a]
            points[end.line, name] = _point(at[name], other, side, (place_ + 1) / (len(group) + 1), boxed)
    return [_curve(line, number, points, *sides[number]) for number, line in enumerate(lines)]


def _sides(a: Rect, b: Rect, all_: Iterable[Rect]) -> tuple[str, str]:
    """Right to left where there is room between; straight down where nothing stands in between; else out on the right and back."""
    if a.right + 20 < b.x:
        return "right", "left"
    if b.right + 20 < a.x:
        return "left", "right"
    upper, lower = (a, b) if a.y < b.y else (b, a)
    middle = (max(a.x, b.x) + min(a.right, b.right)) / 2
    if not any(r.x < middle < r.right and r.y > upper.bottom and r.bottom < lower.y for r in all_):
        return ("bottom", "top") if a.y < b.y else ("top", "bottom")
    return "right", "right"


def _point(rect: Rect, other: Rect, side: str, share: float, boxed: bool) -> tuple[float, float]:
    """Where a side is met: peerings at the head of their box, downward lines where the two stand over one another."""
    if side in ("left", "right"):
        y = rect.y + 8 + share * (BOX_HEAD - 16) if boxed else rect.y + rect.height * share
        return (rect.x if side == "left" else rect.right), y
    left, right = max(rect.x, other.x), min(rect.right, other.right)
    return left + (right - left) * (0.42 + 0.4 * share), (rect.y if side == "top" else rect.bottom)


def _curve(line: Line, number: int, points: Mapping[tuple[int, str], tuple[float, float]], side_a: str, side_b: str) -> Curve:
    start, end = points[number, line.a], points[number, line.b]
    reach = max(40.0, min(abs(end[0] - start[0]) * 0.5, 160)) if side_a != side_b else BULGE + 6.0 * (number % 5)
    curve = Curve(kind=line.kind, start=start, end=end, handles=(start, end))
    if {side_a, side_b} == {"top", "bottom"}:
        return replace(
            curve, handles=(_handle(start, side_a, (abs(end[1] - start[1])) / 2), _handle(end, side_b, abs(end[1] - start[1]) / 2))
        )
    return replace(curve, handles=(_handle(start, side_a, reach), _handle(end, side_b, reach)))


def _handle(point: tuple[float, float], side: str, reach: float) -> tuple[float, float]:
    dx, dy = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}[side]
    return point[0] + dx * reach, point[1] + dy * reach
