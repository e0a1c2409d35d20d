"""`simulate --quiet`: one line a failure."""

from __future__ import annotations

from tests.consoles import ROOT, run

EXPRESSROUTE = ROOT / "examples/2-expressroute"


def test_a_quiet_simulation_prints_one_line_a_failure_and_nothing_else() -> None:
    told = run("dualhome simulate topology.yaml -q --each --fail hub1-nva:silent --fail spoke-rs#0", EXPRESSROUTE).splitlines()
    assert [line.split()[0] for line in told if "─" not in line] == ["failure", "hub1-nva", "spoke-rs#0"]
    assert told[2].split()[1:] == ["(silent)", "180", "s", "180", "s", "nobody"]


def test_the_longest_outage_is_of_those_who_recover() -> None:
    """With both its instances lost the spoke keeps its routes, while on-premises has lost the spoke: cut off is no outage that ended."""
    told = run("dualhome simulate topology.yaml -q --fail spoke-rs", EXPRESSROUTE).splitlines()[-1]
    assert told.split("  ")[0] == "spoke-rs"
    assert told.split()[3:] == ["none", "dc-host", "⇒", "spoke-vm"]
