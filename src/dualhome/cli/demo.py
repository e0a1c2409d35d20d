"""`demo`: the article's ExpressRoute network, and every single failure of it."""

from __future__ import annotations

from pathlib import Path

from dualhome.cli.common import JsonOption

FILE = Path(__file__).with_name("demo.yaml")


def demo(json: JsonOption = False) -> None:
    """The article's network with two hubs and ExpressRoute: it converges, then each part fails in turn."""
    from dualhome.cli.simulate import How, simulate

    simulate(FILE, None, How.crash, every=True, json=json)
