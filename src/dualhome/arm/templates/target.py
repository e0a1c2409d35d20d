"""What deployments do things to: resources, as a server or a test keeps them."""

from __future__ import annotations

from typing import Any, Protocol

Data = dict[str, Any]


class Target(Protocol):
    """Resources of one subscription, by id in any case."""

    def get(self, id_: str) -> Data | None:
        """A resource or group as GET shows it, None where there is none."""
        ...

    def has(self, id_: str) -> bool:
        """Whether there is one."""
        ...

    async def put(self, id_: str, body: Data, api_version: str) -> Data:
        """Make or replace a resource or group, and wait until it is done; what GET shows then. Raises ArmError."""
        ...

    async def delete(self, id_: str) -> None:
        """Delete it, and wait until it is gone. Raises ArmError."""
        ...

    async def act(self, id_: str, action: str, body: Any, api_version: str) -> Any:
        """POST …/{action}. Raises ArmError."""
        ...

    def subscription(self) -> Data:
        """`{id, subscriptionId, tenantId, displayName}`."""
        ...

    def tenant(self) -> Data:
        """`{id, tenantId, displayName, countryCode}`."""
        ...

    def providers(self, namespace: str) -> Data:
        """A resource provider with its types. Raises ArmError."""
        ...

    def list_group(self, id_: str) -> list[str]:
        """Ids of the top-level resources of a resource group."""
        ...

    def rehearsal(self) -> Target:
        """One of its own, with all as it is now: what is done to it happens nowhere else."""
        ...
