"""What Azure answers where a request can't be done: a status, a code and a message in one envelope."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dualhome.errors import DualhomeError


class ArmError(DualhomeError):
    """A refusal in Azure's words. `status`: of HTTP; `code`: as Azure's clients compare it; `target`: the property or resource it is about."""

    def __init__(self, status: int, code: str, message: str, target: str | None = None, details: Iterable[ArmError] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.target = status, code, message, target
        self.details = tuple(details)
        self.headers: dict[str, str] = {}

    def inner(self) -> dict[str, Any]:
        """What stands under `error` of the envelope."""
        details = [
            {
                "code": each.code,
                "message": each.message,
                **({"target": each.target} if each.target else {}),
                **({"details": each.inner()["details"]} if each.details else {}),
            }
            for each in self.details
        ]
        return {"code": self.code, "message": self.message, "target": self.target, "details": details}

    def envelope(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.inner()}


def bad_request(code: str, message: str, target: str | None = None) -> ArmError:
    """400: what was sent breaks a rule of Azure's."""
    return ArmError(400, code, message, target)


def conflict(code: str, message: str, target: str | None = None) -> ArmError:
    """409: it can't be done now."""
    return ArmError(409, code, message, target)


def not_found(id_: str) -> ArmError:
    """404 of a resource."""
    from dualhome.arm.ids import ResourceId

    parsed = ResourceId.parse(id_)
    if parsed.type.lower() == "microsoft.resources/resourcegroups":
        return ArmError(404, "ResourceGroupNotFound", f"Resource group '{parsed.name}' could not be found.")
    what = f"{parsed.type}/{'/'.join(parsed.names)}" if len(parsed.names) == 1 else f"{parsed.namespace}/{parsed.interleaved}"
    group = f" under resource group '{parsed.group}'" if parsed.group else ""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{what}'{group} was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def no_subscription(id_: str) -> ArmError:
    """404 of a subscription; there is one, and this is another."""
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{id_}' could not be found.")


def no_method(method: str, what: str) -> ArmError:
    """405: what a path names isn't asked that way. `what`: its type."""
    return ArmError(405, "MethodNotAllowed", f"The HTTP method '{method}' is not supported at '{what}'.")


def missing_reference(id_: str, by: str) -> ArmError:
    """400: a reference to what isn't there."""
    return ArmError(
        400,
        "InvalidResourceReference",
        f"Resource {id_} referenced by resource {by} was not found. Please make sure that the referenced resource exists, and that both "
        "resources are in the same region.",
    )
