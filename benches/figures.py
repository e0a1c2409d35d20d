"""What the programs of this folder share: what machine it is, and tables as text."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, object]


def machine() -> dict[str, object]:
    """What figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def machine_line() -> str:
    """The same in words."""
    found = machine()
    return (
        f"{found['processors']} x {found['processor']}, {found['memory_gib']} GiB, Linux {found['kernel']}, "
        f"Python {found['python']}; load by now {found['load']}"
    )


class Rows:
    """Rows of figures: their text at once, or where JSON is asked for all of them at the end."""

    def __init__(self, as_json: bool) -> None:
        self._json, self._rows = as_json, list[dict[str, object]]()

    def say(self, text: str) -> None:
        """A line for people alone."""
        if not self._json:
            print(text, flush=True)

    def add(self, text: str, **row: object) -> None:
        """A row, and how it reads."""
        self._rows.append({key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()})
        self.say(text)

    def end(self) -> None:
        """No more come."""
        if self._json:
            print(json.dumps({"machine": machine(), "rows": self._rows}, indent=1))


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Columns under their heads, numbers to the right; what a row doesn't have is empty."""
    cells = [[column.replace("_", " ") for column in columns], *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    right = [any(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    lines = (
        "  ".join(
            text.rjust(width) if number else text.ljust(width) for text, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
