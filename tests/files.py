"""Topology files that tests go through: the examples, the guide's, our own cases, and the shared cases where they are there."""

from __future__ import annotations

from tests.consoles import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*/topology.yaml"))
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.yaml"))
OURS = sorted((ROOT / "tests" / "cases").glob("*.yaml"))
SHARED = sorted((ROOT.parent / "shared" / "cases").glob("*.yaml"))
ALL = [*EXAMPLES, *OURS, *SHARED]
