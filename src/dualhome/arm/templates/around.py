"""What stands around a deployment, as its functions see it: subscription(), resourceGroup(), deployment(), the time, its GUIDs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from dualhome.arm.templates.expand import Place
from dualhome.arm.templates.faults import not_here
from dualhome.arm.templates.reading import member
from dualhome.arm.templates.target import Data, Target


@dataclass(slots=True)
class Frame:
    """Of one deployment. `seed` and `begun` are kept with it, so that doing it again after a crash gives the same GUIDs and times."""

    target: Target
    place: Place
    name: str
    properties: Data  # mode, template, parameters, templateLink: as given
    begun: float
    seed: str
    location: str = ""
    _guids: int = 0
    _group: Data | None = None

    def subscription(self) -> Data:
        """The subscription that it goes to."""
        found = self.target.subscription()
        return {name: found[name] for name in ("id", "subscriptionId", "tenantId", "displayName") if name in found}

    def resource_group(self) -> Data:
        """The group that it goes to."""
        if not self.place.group:
            raise not_here("resourceGroup", "The deployment isn't into a resource group.")
        if self._group is None:
            found = self.target.get(self.place.id)
            if found is None:
                raise not_here("resourceGroup", f"There is no resource group '{self.place.group}'.")
            self._group = {
                name: found.get(name) for name in ("id", "name", "type", "location", "managedBy", "tags", "properties") if name in found
            }
        return self._group

    def tenant(self) -> Data:
        """The tenant."""
        return self.target.tenant()

    def deployment(self) -> Data:
        """Itself."""
        kept = {name: self.properties[name] for name in ("template", "templateLink", "parameters", "mode") if name in self.properties}
        found: Data = {"name": self.name, "properties": {**kept, "provisioningState": "Accepted"}}
        return {**found, "location": self.location} if self.location else found

    def providers(self, namespace: str, type_: str | None) -> Data:
        """A resource provider, or one of its types."""
        found = self.target.providers(namespace)
        if type_ is None:
            return found
        types = member(found, "resourceTypes") or []
        one = next((each for each in types if str(member(each, "resourceType", "")).lower() == type_.lower()), None)
        if one is None:
            raise not_here("providers", f"'{namespace}' has no type '{type_}'.")
        return {name: one.get(name, []) for name in ("resourceType", "locations", "apiVersions")}

    def now(self) -> float:
        """When it began."""
        return self.begun

    def new_guid(self) -> str:
        """The next one."""
        self._guids += 1
        return str(uuid.uuid5(uuid.UUID(self.seed), str(self._guids)))
