"""What Azure refuses to create: a fault of the file that has a code of the catalogue is a finding too."""

from __future__ import annotations

from dualhome.check.entries import ENTRIES
from dualhome.check.finding import Finding
from dualhome.errors import Fault
from dualhome.topology.edits import ABSENT, Edit

FLAG = "use_remote_gateways"


def refusal(fault: Fault) -> Finding | None:
    """The finding that a fault is: L-002, L-006, L-007, L-008, L-016, L-017 (R79, R30, R31, R32, R7, R5, R6). None where it has no code."""
    if not fault.code:
        return None
    return Finding(
        code=fault.code,
        severity=ENTRIES[fault.code].severity,
        on=fault.on,
        message=f"Azure refuses it: {_said(fault)}",
        remedy=fault.hint,
        rule=fault.rule,
        file=fault.file,
        line=fault.line,
        column=fault.column,
        edits=tuple(_edits(fault)),
    )


def _said(fault: Fault) -> str:
    """The fault's message without the object that it begins with, where the finding names that one already."""
    who, _, rest = fault.message.partition(": ")
    return rest if rest and f"'{fault.on}'" in who else fault.message


def _edits(fault: Fault) -> list[Edit]:
    """Two of them have one remedy: the flag goes beside an own gateway (R31), the table goes off RouteServerSubnet (R7)."""
    if fault.code == "L-007":
        return [Edit(path=("peerings", fault.on, FLAG), value=False)]
    if fault.code == "L-016":
        network, _, subnet = fault.on.partition("/")
        return [Edit(path=("virtual_networks", network, "subnets", subnet, "route_table"), value=ABSENT)]
    return []
