"""Topology files that tests go through: the examples, our own cases, and the shared cases where they are there."""

from __future__ import annotations

from tests.consoles import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*/topology.yaml"))
OURS = sorted((ROOT / "tests" / "cases").glob("*.yaml"))
SHARED = sorted((ROOT.parent / "shared" / "cases").glob("*.yaml"))
ALL = [*EXAMPLES, *OURS, *SHARED]
