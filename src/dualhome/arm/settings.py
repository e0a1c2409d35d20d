"""How a server behaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from dualhome.errors import RequestError

OPERATIONS: Final = ("immediate", "async", "location", "body")
FAULTS: Final = ("throttle", "unavailable", "busy", "slow", "routing-lag", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`operations`: how changes are answered: immediate (over when answered), async (Azure-AsyncOperation), location (Location alone, where Azure's clients
    take that), body (provisioningState alone). `operation_s`: how long one lasts then. `realistic_times`: as long as Azure itself takes.

    `faults`: what goes wrong on purpose: throttle N (each Nth request is answered 429), unavailable N (503), busy (409 while an operation on the parent
    runs), slow S (operations last S seconds), routing-lag S (a hub's routingState), tokens S (how long tokens live).
    """

    subscription: str
    tenant: str
    operations: str = "immediate"
    operation_s: float = 0.0
    realistic_times: bool = False
    page_size: int = 1000
    retry_after_s: int = 1
    faults: dict[str, float] = field(default_factory=dict)

    def shared(self) -> dict[str, Any]:
        """What kinds may look up."""
        found = asdict(self)
        found["operation_s"] = self.faults.get("slow", self.operation_s)
        found["routing_lag_s"] = self.faults.get("routing-lag", 0.0)
        return found


def fault(text: str) -> tuple[str, float]:
    """`throttle=10` as name and number.

    Raises:
        RequestError: there is no such fault, or no number.
    """
    name, _, number = text.partition("=")
    if name not in FAULTS:
        raise RequestError(f"no fault {name!r} (there are {', '.join(FAULTS)})")
    try:
        return name, float(number or 1)
    except ValueError as error:
        raise RequestError(f"fault {text!r}: a number is wanted, as in {name}=10") from error
