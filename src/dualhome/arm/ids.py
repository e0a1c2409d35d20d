"""Resource ids: `/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/virtualHubs/rs/bgpConnections/nva1`, compared without case."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.arm.errors import bad_request

GROUPS = "Microsoft.Resources/resourceGroups"
SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"


@dataclass(frozen=True, slots=True)
class ResourceId:
    """An id, taken apart, in the case in which it was written.

    `scope` is what stands before the last `/providers/`: a group's id, a subscription's, "" for the tenant, or another resource's (extension resources).
    A resource group is of type `Microsoft.Resources/resourceGroups`, a subscription of `Microsoft.Resources/subscriptions`.
    """

    scope: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """An id of a resource, a group or a subscription.

        Raises:
            ArmError: it is none (400 InvalidResourceId... as Azure: LinkedInvalidPropertyId).
        """
        parts = [part for part in text.split("/") if part]
        lower = [part.lower() for part in parts]
        if "providers" in lower:
            at = len(lower) - 1 - lower[::-1].index("providers")
            rest = parts[at + 2 :]
            if at + 1 < len(parts) and rest and len(rest) % 2 == 0:
                scope = "/" + "/".join(parts[:at]) if at else ""
                return cls(scope, parts[at + 1], tuple(rest[::2]), tuple(rest[1::2]))
        elif len(parts) == 2 and lower[0] == "subscriptions":
            return cls("", "Microsoft.Resources", ("subscriptions",), (parts[1],))
        elif len(parts) == 4 and lower[0] == "subscriptions" and lower[2] == "resourcegroups":
            return cls(f"/subscriptions/{parts[1]}", "Microsoft.Resources", ("resourceGroups",), (parts[3],))
        raise bad_request(
            "LinkedInvalidPropertyId",
            f"Property id '{text}' is invalid. Expect fully qualified resource Id that starts with '/subscriptions/{{subscriptionId}}' or "
            "'/providers/{resourceProviderNamespace}/'.",
        )

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    @property
    def type(self) -> str:
        """`Microsoft.Network/virtualHubs/bgpConnections`."""
        return "/".join((self.namespace, *self.types))

    @property
    def interleaved(self) -> str:
        """`virtualHubs/rs/bgpConnections/nva1`."""
        return "/".join(part for pair in zip(self.types, self.names, strict=True) for part in pair)

    @property
    def text(self) -> str:
        """The whole id."""
        if self.type in (GROUPS, SUBSCRIPTIONS):
            return f"{self.scope}/{self.interleaved}"
        return f"{self.scope}/providers/{self.namespace}/{self.interleaved}"

    @property
    def key(self) -> str:
        """For comparison."""
        return self.text.lower()

    @property
    def parent(self) -> ResourceId | None:
        """Of a child resource the one above it; None of a top-level resource."""
        return ResourceId(self.scope, self.namespace, self.types[:-1], self.names[:-1]) if len(self.names) > 1 else None

    @property
    def above(self) -> str:
        """The id of the parent, of a child resource."""
        assert self.parent is not None, f"{self.text} is no child"
        return self.parent.text

    def child(self, type_: str, name: str) -> ResourceId:
        """`rs`.child("bgpConnections", "nva1")."""
        return ResourceId(self.scope, self.namespace, (*self.types, type_), (*self.names, name))

    @property
    def subscription(self) -> str | None:
        """The subscription's GUID."""
        parts = self.text.split("/")
        return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else None

    @property
    def group(self) -> str | None:
        """The resource group's name."""
        parts = self.text.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None


def key_of(id_: str) -> str:
    """An id for comparison: lower case, without doubled or trailing slashes."""
    return "/" + "/".join(part for part in id_.lower().split("/") if part)


def last(id_: str) -> str:
    """The last name of an id."""
    return id_.rstrip("/").rpartition("/")[2]
