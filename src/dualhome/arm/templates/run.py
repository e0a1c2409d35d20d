"""Doing a deployment: its resources in the order of their dependencies, what can go on at once at once, each recorded as an operation."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dualhome.arm.errors import ArmError, not_found
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.templates.deployment import Deployment, duration, stamp, target_of
from dualhome.arm.templates.evaluate import Scope, evaluate, settled
from dualhome.arm.templates.expand import DEPLOYMENTS, Expansion, Resource
from dualhome.arm.templates.faults import Needed, TemplateFault, invalid_at
from dualhome.arm.templates.parameters import SECURE, WANTED, fits, token, type_of
from dualhome.arm.templates.reading import compact, member, place_of
from dualhome.arm.templates.target import Data, Target

if TYPE_CHECKING:
    from dualhome.arm.templates.deployments import Deployments

AT_ONCE: Final = 50
TRIES: Final = 600
WORDS: Final = {200: "OK", 201: "Created", 400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 412: "PreconditionFailed",
                429: "TooManyRequests", 500: "InternalServerError"}  # fmt: skip


class Lookups:
    """Answers to reference() and list…() while resources are made. What must be awaited is fetched by `fetched` and asked for again."""

    def __init__(self, target: Target, deployments: Deployments) -> None:
        self.target, self.deployments = target, deployments
        self._acted: dict[tuple[str, str, str, str], Any] = {}

    def reference(self, scope: Scope, name: str, version: str | None, full: bool) -> Any:
        """Properties of a resource, or all of it."""
        resource = self._resource(scope, name)
        id_ = resource.id if resource else self._id(name, "reference")
        return self._shown(id_, resource, version, full)

    def references(self, scope: Scope, name: str, full: bool) -> list[Any]:
        """As `reference`, of all in a loop."""
        return [self._shown(each.id, each, None, full) for each in (scope.names.loop(name) if scope.names else [])]

    def act(self, scope: Scope, name: str, action: str, version: str, body: Any) -> Any:
        """POST …/{action}."""
        resource = self._resource(scope, name)
        id_ = resource.id if resource else self._id(name, action)
        key = (id_, action, version or (resource.api_version if resource else ""), compact(body))
        if key not in self._acted:
            raise Needed(key)
        return self._acted[key]

    async def settle(self, make: Callable[[], Any]) -> Any:
        """What `make` gives, with all that it wants fetched first."""
        for _ in range(TRIES):
            try:
                return make()
            except Needed as needed:
                from json import loads

                id_, action, version, body = needed.key
                self._acted[needed.key] = await self.target.act(id_, action, loads(body), version)
        raise TemplateFault(f"more than {TRIES} list functions are wanted in one place")

    def _resource(self, scope: Scope, name: str) -> Resource | None:
        found = scope.names.anywhere(name) if scope.names else []
        if len({each.key for each in found}) > 1:
            raise TemplateFault(f"The resource name '{name}' is ambiguous: it means '{found[0].id}' and '{found[1].id}'")
        return found[0] if found else None

    def _id(self, name: str, function: str) -> str:
        if not name.startswith("/"):
            raise TemplateFault(
                f"Unable to evaluate template language function '{function}': the resource '{name}' is not defined in the template. "
                f"Please see https://aka.ms/arm-resource-functions/#{function.lower()} for usage details."
            )
        try:
            return ResourceId.parse(name).text
        except ArmError as error:
            raise TemplateFault(f"Unable to evaluate template language function '{function}': {error}") from error

    def _shown(self, id_: str, resource: Resource | None, version: str | None, full: bool) -> Any:
        shown = self.deployments.get(id_) if f"/providers/{DEPLOYMENTS}/" in id_.lower() else None
        shown = shown or self.target.get(id_)
        if shown is None:
            raise not_found(id_)
        if not full:
            return shown.get("properties", {})
        parsed = ResourceId.parse(id_)
        more = {
            "apiVersion": version or (resource.api_version if resource else ""),
            "resourceId": parsed.text if parsed.types == ("resourceGroups",) else parsed.interleaved,
            "scope": parsed.scope,
            "subscriptionId": parsed.subscription,
            "resourceGroupName": parsed.group,
            "isTemplateResource": resource is not None,
        }
        return {**{name: value for name, value in shown.items() if name != "etag"}, **more}


@dataclass(slots=True)
class Run:
    """One deployment that is being done. `kept` is called after each step; `cancelled` says whether it shall stop."""

    deployments: Deployments
    deployment: Deployment
    expansion: Expansion
    kept: Callable[[Deployment, str], None]
    cancelled: Callable[[], bool]
    done: dict[str, None] = field(default_factory=dict)  # ids of all that was put, of nested deployments too, in order
    _failures: list[ArmError] = field(default_factory=list)
    _outputs: Data = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """What it is done to."""
        return self.deployments.target

    async def go(self) -> None:
        """Do it. Raises ArmError DeploymentFailed, with what failed; what was made stays."""
        self.deployment.state = "Running"
        self.deployment.plan(self.expansion.resources)
        self.kept(self.deployment, "")
        await self._resources()
        if self._failures:
            raise self._failed()
        if self.cancelled():
            return
        await self._evaluate_outputs()
        if self.deployment.mode == "Complete" and not self.deployment.inner:
            await self._delete_others()

    async def _resources(self) -> None:
        left = {each.key: len(each.before) for each in self.expansion.resources}
        wanted = {each.key: each for each in self.expansion.resources}
        after: dict[str, list[Resource]] = {}
        for each in self.expansion.resources:
            left[each.key] = sum(key in wanted for key in each.before)
            for key in each.before:
                after.setdefault(key, []).append(each)
        ready = deque(each for each in self.expansion.resources if left[each.key] == 0)
        going: dict[asyncio.Task[bool], Resource] = {}
        try:
            while ready or going:
                while ready and len(going) < AT_ONCE and not self.cancelled():
                    resource = ready.popleft()
                    going[asyncio.create_task(self._one(resource))] = resource
                if not going:
                    break
                over, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                for task in [each for each in going if each in over]:
                    resource = going.pop(task)
                    if task.result():
                        for each in after.get(resource.key, ()):
                            left[each.key] -= 1
                            if left[each.key] == 0:
                                ready.append(each)
        finally:
            for task in going:
                task.cancel()

    async def _one(self, resource: Resource) -> bool:
        """Make one resource; whether that went well."""
        begun = self.deployments.now()
        number = operation_id(self.deployment.id, resource.id)
        self._operation(number, resource, "Running", begun, 202)
        existed = not resource.is_deployment and self.target.has(resource.id)
        try:
            if resource.is_deployment:
                await self._nested(resource)
            else:
                await self._put(resource)
        except (ArmError, TemplateFault) as error:
            failure = error if isinstance(error, ArmError) else unprocessable(resource, error)
            self._failures.append(failure)
            self._operation(number, resource, "Failed", begun, failure.status, failure)
            return False
        self._operation(number, resource, "Succeeded", begun, 200 if existed else 201)
        return True

    async def _put(self, resource: Resource) -> None:
        lookups = Lookups(self.target, self.deployments)
        body = await lookups.settle(lambda: settled(resource.body, lookups))
        self.done[resource.id] = None
        shown = await patiently(lambda: self.target.put(resource.id, body, resource.api_version))
        made = str(shown.get("id", resource.id)) if isinstance(shown, dict) else resource.id
        self.deployment.made.append(made)

    async def _nested(self, resource: Resource) -> None:
        lookups = Lookups(self.target, self.deployments)
        body = await lookups.settle(lambda: settled(resource.body, lookups))
        inner = await self.deployments.nested(self.deployment, resource, body, self.cancelled, self.done)
        self.deployment.made.extend(inner.made)

    def _operation(self, number: str, resource: Resource, state: str, begun: float, status: int, error: ArmError | None = None) -> None:
        now = self.deployments.now()
        properties: Data = {
            "provisioningOperation": "Create",
            "provisioningState": state,
            "timestamp": stamp(now),
            "duration": duration(now - begun),
            "trackingId": self.deployment.correlation,
            "statusCode": WORDS.get(status, str(status)),
            "targetResource": target_of(resource),
        }
        if error is not None:
            properties["statusMessage"] = {"status": "Failed", "error": error.inner()}
        self.deployment.operations[number] = {
            "id": f"{self.deployment.id}/operations/{number}",
            "operationId": number,
            "properties": properties,
        }
        if state != "Running":
            self.kept(self.deployment, number)

    def _failed(self) -> ArmError:
        return ArmError(
            409 if any(each.status == 409 for each in self._failures) else 400,
            "DeploymentFailed",
            "At least one resource deployment operation failed. Please list deployment operations for details. "
            "Please see https://aka.ms/arm-deployment-operations for usage details.",
            self.deployment.id,
            self._failures,
        )

    # --- outputs, and what Complete deletes -------------------------------------------------------------------------------

    async def _evaluate_outputs(self) -> None:
        failures, outputs = [], {}
        for name, definition in self.expansion.template.outputs.items():
            try:
                found = await self._output(name, definition)
            except (ArmError, TemplateFault) as error:
                line, column = place_of(definition)
                code = error.code if isinstance(error, ArmError) else "DeploymentOutputEvaluationFailed"
                failures.append(
                    ArmError(400, code, f"The template output '{name}' at line '{line}' and column '{column}' is not valid: {error}.", name)
                )
                continue
            if found is not None:
                outputs[name] = found
        if failures:
            names = ",".join(f"'{each.target}'" for each in failures)
            raise ArmError(
                400,
                "DeploymentOutputEvaluationFailed",
                f"Unable to evaluate template outputs: {names}. Please see error details and deployment operations. "
                "Please see https://aka.ms/arm-common-errors for usage details.",
                None,
                failures,
            )
        self.deployment.outputs = outputs

    async def _output(self, name: str, definition: Data) -> Data | None:
        """An output as it is shown, None where its condition doesn't hold."""
        template, scope = self.expansion.template, self.expansion.scope
        lookups = Lookups(self.target, self.deployments)
        scope = replace(scope, references=lookups)
        if (condition := member(definition, "condition")) is not None:
            holds = await lookups.settle(lambda: evaluate(condition, scope))
            if holds is not True and str(holds).lower() != "true":
                return None
        type_ = type_of(template, "output", name, definition)
        if (copy := member(definition, "copy")) is not None:
            looped = {"copy": [{"name": "value", "count": member(copy, "count"), "input": member(copy, "input")}]}
            value = (await lookups.settle(lambda: evaluate(looped, scope)))["value"]
        else:
            value = await lookups.settle(lambda: evaluate(member(definition, "value"), scope))
        if not fits(type_, value) and not (value is None and member(definition, "nullable") is True):
            raise TemplateFault(
                f"Template output JToken type is not valid. Expected '{WANTED[type_]}'. Actual '{token(value)}'. "
                "Please see https://aka.ms/arm-syntax-outputs for usage details"
            )
        return {"type": type_} if type_ in SECURE else {"type": type_, "value": value}

    async def _delete_others(self) -> None:
        """Complete mode: what is in the group and not in the template goes; what is in use waits for its users to go."""
        mine = {key_of(each) for each in self.done}
        left = [each for each in self.target.list_group(self.deployment.place.id) if key_of(each) not in mine]
        left = [each for each in left if f"/{DEPLOYMENTS}/" not in each.lower()][::-1]
        while left:
            stay, last = [], None
            for each in left:
                if not self.target.has(each):
                    continue
                try:
                    await patiently(partial(self.target.delete, each))
                    self.deployment.deleted.append(each)
                except ArmError as error:
                    stay.append(each)
                    last = error
            if last is not None and len(stay) == len(left):
                self._failures.append(last)
                raise self._failed()
            left = stay


async def patiently(what: Callable[[], Any]) -> Any:
    """Do it; what Azure says to try again is tried again."""
    for turn in range(TRIES):
        try:
            return await what()
        except ArmError as error:
            if error.code not in ("AnotherOperationInProgress", "RetryableError", "TooManyRequests") or turn == TRIES - 1:
                raise
        await asyncio.sleep(min(0.05 * (turn + 1), 1.0))
    raise AssertionError("the last turn gives or raises")


def unprocessable(resource: Resource, error: TemplateFault) -> ArmError:
    """400 InvalidTemplate of an expression that could only be evaluated while the deployment ran."""
    found = invalid_at("resource", resource.name, resource.raw, error)
    line, column = place_of(resource.raw)
    found.message = (
        f"Unable to process template language expressions for resource '{resource.id}' at line '{line}' and column '{column}'. '{error}'"
    )
    found.args = (found.message,)
    return found


def operation_id(deployment: str, resource: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(f"{deployment}\0{resource}".lower().encode()).hexdigest()[:16].upper()
