"""What a finding is, and what a check is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dualhome.check.entries import ENTRIES
from dualhome.check.facts import Facts
from dualhome.forwarding.effective import EffectiveRoute, Routes, routes_of
from dualhome.model import Network, Nic
from dualhome.plan import Plan
from dualhome.topology import Step
from dualhome.topology.edits import Edit

Path = tuple[str | int, ...]
Locate = Callable[[Path], tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that will go wrong: `on` is the object's name as the file writes it, `message` says what will happen, `remedy` what helps.

    `edits` are the remedy as changes of the file, where it asks for nothing beyond it; () where somebody has to decide.
    """

    code: str
    severity: str  # error | warning | info
    on: str
    message: str
    remedy: str
    rule: str
    file: str = ""
    line: int = 0
    column: int = 0
    edits: tuple[Edit, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a check yields: a finding without code and severity; `where` is the object's path in the file."""

    on: str
    message: str
    remedy: str
    rule: str
    where: Path
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What checks look at. `facts` is there where the network has been simulated; `scenario` where it is asked what the file as a whole does."""

    network: Network
    plan: Plan
    facts: Facts | None = None
    scenario: tuple[Step, ...] = ()

    def routes(self, nic: str) -> Routes:
        """Effective routes of a NIC or gateway, and which takes an address; none without a simulation."""
        return routes_of(self.facts.engine, nic) if self.facts else Routes(())

    def rows(self, nic: str) -> tuple[EffectiveRoute, ...]:
        """The same, as rows."""
        return self.routes(nic).rows

    def subnets_with_machines(self) -> Iterator[Nic]:
        """One NIC for each subnet (all, where route servers program by partition)."""
        partition = any(rs.programming.by == "partition" for rs in self.network.route_servers.values())
        seen: set[str] = set()
        for nic in self.network.nics():
            if partition or nic.subnet not in seen:
                seen.add(nic.subnet)
                yield nic


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One entry of the catalogue."""

    code: str
    run: Callable[[Design], Iterator[Draft]]

    @property
    def severity(self) -> str:
        """error, warning or info, as its entry says."""
        return ENTRIES[self.code].severity
