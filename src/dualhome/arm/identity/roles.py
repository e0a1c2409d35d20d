"""Roles and who has them where: Azure's role-based access control, as far as roles are lists of actions."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from dualhome.arm.errors import ArmError

NETWORK: Final = (
    "Microsoft.Network/*",
    "Microsoft.Resources/*/read",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
)


@dataclass(frozen=True, slots=True)
class Role:
    """A role definition. `guid` is Azure's own, so that scripts may name it."""

    name: str
    guid: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    description: str = ""

    def allows(self, action: str) -> bool:
        """Whether it lets somebody do this."""
        return _any(self.actions, action) and not _any(self.not_actions, action)

    def show(self, subscription: str) -> dict[str, Any]:
        """As GET answers it."""
        return {
            "id": f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{self.guid}",
            "name": self.guid,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.description,
                "assignableScopes": ["/"],
                "permissions": [
                    {"actions": list(self.actions), "notActions": list(self.not_actions), "dataActions": [], "notDataActions": []}
                ],
            },
        }


RUN: Final = "Microsoft.Compute/virtualMachines/runCommand/action"
SCRIPTS: Final = ("Microsoft.Compute/virtualMachines/extensions/write", "Microsoft.Compute/virtualMachines/runCommands/write")
GRANTING: Final = ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
ROLES: Final = (
    Role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ("*",), (), "Everything, roles and run-command too."),
    Role(
        "Contributor",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        ("*",),
        (*GRANTING, RUN, *SCRIPTS),
        "Everything but roles, and but running programs in machines.",
    ),
    Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ("*/read",), (), "Look at everything."),
    Role("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7", NETWORK, (), "Networks, no machines."),
    Role(
        "Virtual Machine Contributor",
        "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
        (
            "Microsoft.Compute/*",
            "Microsoft.Network/networkInterfaces/*",
            "Microsoft.Network/*/read",
            "Microsoft.Resources/*/read",
            "Microsoft.Resources/deployments/*",
        ),
        (RUN, *SCRIPTS),
        "Machines, without running programs in them.",
    ),
    Role(
        "Run Command Operator",
        "1c7b6f3e-5d0a-4f0e-9a3a-6d75616c686d",
        (RUN, *SCRIPTS, "Microsoft.Compute/virtualMachines/read"),
        (),
        "Run programs in machines.",
    ),
)
READING: Final = frozenset(  # POST actions that change nothing: Azure has them as actions, and lets readers of routes have some
    f"microsoft.network/{word}/action"
    for word in (
        "virtualhubs/bgpconnections/learnedroutes",
        "virtualhubs/bgpconnections/advertisedroutes",
        "virtualhubs/effectiveroutes",
        "virtualhubs/inboundroutes",
        "virtualhubs/outboundroutes",
    )
)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("^" + ".*".join(map(re.escape, text.split("*"))) + "$", re.IGNORECASE)


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(_pattern(each).match(action) for each in patterns)


def role(text: str) -> Role:
    """By name, GUID or id. Raises ArmError 400 RoleDefinitionDoesNotExist."""
    wanted = text.rstrip("/").rpartition("/")[2].lower()
    found = next((each for each in ROLES if wanted in (each.name.lower(), each.guid)), None)
    if found is None:
        raise ArmError(400, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{text}' does not exist.")
    return found


@dataclass(frozen=True, slots=True)
class Assignment:
    """A principal has a role at a scope, and beneath it."""

    id: str
    principal: str
    role: str  # GUID
    scope: str

    def covers(self, scope: str) -> bool:
        """Whether a scope is the assignment's, or beneath it."""
        mine = self.scope.rstrip("/").lower()
        return not mine or scope.lower() == mine or scope.lower().startswith(mine + "/")

    def show(self, subscription: str) -> dict[str, Any]:
        """As GET answers it."""
        return {
            "id": self.id,
            "name": self.id.rpartition("/")[2],
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": role(self.role).show(subscription)["id"],
                "principalId": self.principal,
                "principalType": "ServicePrincipal",
                "scope": self.scope or "/",
            },
        }


def new_name() -> str:
    """Of an assignment."""
    return str(uuid.uuid4())
