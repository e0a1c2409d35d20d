"""`demo`: the article's ExpressRoute network converges, then its parts fail in turn and come back."""

from __future__ import annotations

from pathlib import Path

from dualhome.cli.common import JsonOption, note

FILE = Path(__file__).with_name("demo.yaml")
FAILURES = ["hub1-nva", "hub1-nva:silent", "circuit1", "hub1:silent", "hub1", "spoke-rs#0"]


def demo(json: JsonOption = False) -> None:
    """The article's network with two hubs and ExpressRoute: it converges; then an NVA dies and hangs, a circuit fails behind a healthy NVA, a whole hub
    is lost, an instance of the route server dies, and each comes back.
    """
    from dualhome.cli.simulate import How, simulate

    if not json:
        note(
            'The second network of the article "About dual-homed network with Azure Route Server" (examples/2-expressroute), on virtual time.'
        )
    simulate(FILE, FAILURES, How.crash, each=True, every=False, json=json)
