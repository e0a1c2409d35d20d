"""The dual-homed network of Azure Route Server, simulated.

    import dualhome
    net = dualhome.load("network.yaml")
    run = net.simulate()
    run.fail("hub1-nva")
    run.settle()
    run.effective_routes("spoke-vm")

In: a topology file. Out: sessions, routes, paths, outages, findings, and why. Begin at `load`; the floors beneath are listed in ARCHITECTURE.md.
Names are loaded when they are first used, so that the command line starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dualhome.app import Net, Run, load, parse
    from dualhome.errors import DualhomeError, Fault, RequestError, TopologyError
    from dualhome.net import Address, Prefix

__version__ = "0.1.0"
__all__ = [
    "Address",
    "DualhomeError",
    "Fault",
    "Net",
    "Prefix",
    "RequestError",
    "Run",
    "TopologyError",
    "__version__",
    "load",
    "parse",
]

_HOME = {
    **dict.fromkeys(("Net", "Run", "load", "parse"), "dualhome.app"),
    **dict.fromkeys(("DualhomeError", "Fault", "RequestError", "TopologyError"), "dualhome.errors"),
    **dict.fromkeys(("Address", "Prefix"), "dualhome.net"),
}


def __getattr__(name: str) -> object:
    """A public name, from the module that it lives in."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'dualhome' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
