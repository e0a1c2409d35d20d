"""The user's file becomes a `Network`: read, held against the format and Azure's refusals, defaults filled in, addresses assigned.

In: YAML text. Out: `Topology`, or a `TopologyError` with every fault, its line and what would be right. Begin at `parse`.
Azure's design mistakes that deploy all the same are no faults here; `check` finds them.
"""

from __future__ import annotations

from dualhome.topology.build import build
from dualhome.topology.change import changed as change_data
from dualhome.topology.reading import MAX_BYTES, Locator
from dualhome.topology.topology import Step, Topology, examine, from_data, load, parse

__all__ = ["MAX_BYTES", "Locator", "Step", "Topology", "build", "change_data", "examine", "from_data", "load", "parse"]
