"""All deployments: begun, validated, rehearsed, looked at, cancelled, and gone on with after a crash. Begin at `Deployments.begin`."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

from dualhome.arm.errors import ArmError, bad_request, no_subscription, not_found
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.store import MemoryStore, Store
from dualhome.arm.templates import whatif
from dualhome.arm.templates.around import Frame
from dualhome.arm.templates.deployment import Deployment, new_seed, stamp
from dualhome.arm.templates.evaluate import Scope, waits
from dualhome.arm.templates.expand import Expansion, Resource, expand, scope_of
from dualhome.arm.templates.faults import TemplateFault, invalid, invalid_at
from dualhome.arm.templates.links import Links
from dualhome.arm.templates.parameters import shown, values_of
from dualhome.arm.templates.reading import member
from dualhome.arm.templates.run import Run
from dualhome.arm.templates.target import Data, Target
from dualhome.arm.templates.template import template_of

LOG: Final = logging.getLogger("dualhome.arm")
NAME: Final = re.compile(r"^[\w\-.()]{1,64}$")
TABLE: Final = "deployment"
OPERATIONS: Final = "deploymentoperation"
DEEPEST: Final = 8  # Differs: Azure allows 5 levels of nested deployments
EVERY_S: Final = 0.5  # how often the operations of one that runs are written down


@dataclass(frozen=True, slots=True)
class Callers:
    """Who deploys: `present()` names whoever asks now, `become(name)` makes what follows theirs (a deployment that goes on after a restart)."""

    present: Callable[[], str] = str
    become: Callable[[str], None] = lambda name: None


@dataclass(slots=True)
class _Going:
    """One that is being done."""

    task: asyncio.Task[None] | None = None
    cancel: bool = False
    unwritten: set[str] | None = None
    written: float = 0.0


class Deployments:
    """All, in a store of their own. `target`: the resources; `now`: seconds of `time.time`; `links`: where linked templates may lie."""

    def __init__(
        self,
        target: Target,
        store: Store,
        now: Callable[[], float] = time.time,
        links: Links | None = None,
        callers: Callers | None = None,
    ) -> None:
        self.callers = callers or Callers()
        self.target, self.store, self.now, self.links = target, store, now, links or Links()
        self._all: dict[str, Deployment] = {}
        self._going: dict[str, _Going] = {}
        for key, text in store.rows(TABLE):
            self._all[key] = Deployment(**json.loads(text))
        for key, text in store.rows(OPERATIONS):
            above, _, number = key.rpartition("\n")
            if above in self._all:
                self._all[above].operations[number] = json.loads(text)

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, id_: str) -> Data | None:
        """A deployment as GET shows it."""
        found = self._all.get(key_of(id_))
        return found.shown(self.now()) if found else None

    def require(self, id_: str) -> Deployment:
        """ArmError 404 DeploymentNotFound where there is none."""
        found = self._all.get(key_of(id_))
        if found is None:
            raise ArmError(404, "DeploymentNotFound", f"Deployment '{ResourceId.parse(id_).name}' could not be found.")
        return found

    def all(self, scope: str) -> list[Data]:
        """Those into a group or a subscription itself, the newest first."""
        above = key_of(scope) + "/providers/"
        found = [each for key, each in self._all.items() if key.startswith(above)]
        return [each.shown(self.now()) for each in sorted(found, key=lambda each: -each.begun)]

    def everything(self) -> list[str]:
        """Ids of all, wherever they go."""
        return [each.id for each in self._all.values()]

    def operations(self, id_: str) -> list[Data]:
        """What it has done, resource by resource."""
        return list(self.require(id_).operations.values())

    def template(self, id_: str) -> Data:
        """What exportTemplate of a deployment answers."""
        return {"template": member(self.require(id_).request, "template")}

    # --- doing --------------------------------------------------------------------------------------------------------

    async def begin(self, id_: str, body: Any) -> Deployment:
        """Begin one; it goes on by itself (`finished` waits for it).

        Raises:
            ArmError: the request or the template is wrong; then nothing was begun.
        """
        deployment = await self._new(id_, body)
        old = self._all.get(key_of(id_))
        if old is not None and not old.is_over:
            raise ArmError(
                409,
                "DeploymentActive",
                f"Unable to edit or replace deployment '{old.name}': previous deployment from '{stamp(old.begun)}' is still active. "
                "Please see https://aka.ms/arm-deploy for usage details.",
            )
        if old is not None and old.location.lower() != deployment.location.lower():
            raise ArmError(
                409,
                "InvalidDeploymentLocation",
                f"Invalid deployment location '{deployment.location}'. The deployment '{old.name}' already exists in location '{old.location}'.",
            )
        expansion = self.prepare(deployment)
        deployment.caller = self.callers.present()
        self._enter(deployment)
        self._start(deployment, expansion)
        return deployment

    def _start(self, deployment: Deployment, expansion: Expansion | None) -> None:
        going = _Going()
        self._going[key_of(deployment.id)] = going
        going.task = asyncio.get_running_loop().create_task(self._do(deployment, expansion, going))

    async def finished(self, id_: str) -> Deployment:
        """Wait until it is over, however it ends."""
        going = self._going.get(key_of(id_))
        if going is not None and going.task is not None:
            await asyncio.shield(going.task)
        return self.require(id_)

    async def resume(self) -> list[str]:
        """Go on with all that a process that died left unfinished; their ids. What was made already is made again, which changes nothing."""
        unfinished = [each for each in self._all.values() if not each.is_over and key_of(each.id) not in self._going]
        for each in unfinished:
            each.made, each.deleted = [], []
            if each.inner:
                self._end(each, ArmError(409, "OperationPreempted", "The deployment around it is done again."))
            else:
                self._start(each, None)
        return [each.id for each in unfinished if not each.inner]

    async def _do(self, deployment: Deployment, expansion: Expansion | None, going: _Going) -> None:
        done: dict[str, None] = {}
        self.callers.become(deployment.caller)
        try:
            await self._run(deployment, expansion or self.prepare(deployment), lambda: going.cancel, done)
        except ArmError as error:
            LOG.info("deployment %s failed: %s", deployment.id, error)
        finally:
            self._going.pop(key_of(deployment.id), None)

    async def _run(self, deployment: Deployment, expansion: Expansion, cancelled: Callable[[], bool], done: dict[str, None]) -> None:
        """Do it, and keep how it ended."""
        run = Run(self, deployment, expansion, self._keep, cancelled, done)
        try:
            await run.go()
        except ArmError as error:
            self._end(deployment, error)
            raise
        except asyncio.CancelledError:
            raise  # the server ends: it goes on when there is one again
        except Exception as error:
            LOG.exception("deployment %s", deployment.id)
            fault = ArmError(500, "InternalServerError", "A fault of dualhome's: see its log.")
            self._end(deployment, fault)
            raise fault from error
        self._end(deployment, None, "Canceled" if cancelled() else "Succeeded")

    async def nested(
        self, above: Deployment, resource: Resource, body: Data, cancelled: Callable[[], bool], done: dict[str, None]
    ) -> Deployment:
        """Do a deployment that is a resource of another one, to its end. Raises ArmError where it fails."""
        deployment, expansion = await self._inner(above, resource, body)
        self._enter(deployment)
        await self._run(deployment, expansion, cancelled, done)
        return deployment

    async def _inner(self, above: Deployment, resource: Resource, body: Data) -> tuple[Deployment, Expansion]:
        properties = dict(member(body, "properties") or {})
        template = member(member(resource.raw, "properties"), "template")
        uri = above.uri
        if template is None:
            template, uri = await asyncio.to_thread(self.links.load, member(properties, "templateLink"), above.uri)
        if (link := member(properties, "parametersLink")) is not None:
            properties["parameters"], _ = await asyncio.to_thread(self.links.load, link, above.uri)
        if str(member(properties, "mode", "incremental")).lower() == "complete":
            raise invalid(f"The nested deployment '{resource.name}' must be of mode 'Incremental'")
        request = {**{name: value for name, value in properties.items() if name.lower() != "templatelink"}, "template": template}
        deployment = Deployment(
            id=resource.id,
            request=request,
            begun=self.now(),
            seed=new_seed(),
            correlation=above.correlation,
            location=str(member(body, "location") or "") if resource.place is not None and not resource.place.group else "",
            tags=member(body, "tags") or {},
            uri=uri,
            inner=True,
        )
        self._check_group(deployment)
        inline = member(member(resource.raw, "properties"), "template") is not None
        scope = resource.scope if inline and not is_inner(properties) else None
        return deployment, self.prepare(deployment, scope)

    # --- from a request to what is to be done ---------------------------------------------------------------------------

    async def _new(self, id_: str, body: Any) -> Deployment:
        """A deployment of a request, its links followed. Raises ArmError."""
        parsed = ResourceId.parse(id_)
        properties = member(body, "properties")
        if not isinstance(properties, dict):
            raise bad_request(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'Required property 'properties' not found in JSON. Path '', line 1, position 2.'.",
            )
        if not NAME.match(parsed.name):
            raise bad_request(
                "InvalidDeploymentName",
                f"The deployment name '{parsed.name}' is invalid. It has 1 to 64 letters, digits, '-', '_', '.' and parentheses.",
            )
        _check_mode(properties, parsed)
        location = member(body, "location") or ""
        if parsed.group is None and not location:
            raise bad_request("LocationRequired", "The 'location' property must be specified for the subscription deployment.")
        request, uri = await self._linked(dict(properties))
        seed = new_seed()
        deployment = Deployment(
            id=parsed.text, request=request, begun=self.now(), seed=seed, correlation=new_seed(), location=str(location),
            tags=member(body, "tags") or {}, uri=uri,
        )  # fmt: skip
        self._check_group(deployment)
        return deployment

    async def _linked(self, properties: Data) -> tuple[Data, str]:
        uri = ""
        if (link := member(properties, "templateLink")) is not None and member(properties, "template") is None:
            template, uri = await asyncio.to_thread(self.links.load, link)
            properties = {**{name: each for name, each in properties.items() if name.lower() != "templatelink"}, "template": template}
        if (link := member(properties, "parametersLink")) is not None:
            found, _ = await asyncio.to_thread(self.links.load, link, uri)
            properties = {**{name: each for name, each in properties.items() if name.lower() != "parameterslink"}, "parameters": found}
        if member(properties, "template") is None:
            raise bad_request("InvalidRequestContent", "The request content was invalid: a 'template' or a 'templateLink' is required.")
        return properties, uri

    def _check_group(self, deployment: Deployment) -> None:
        place = deployment.place
        known = str(self.target.subscription().get("subscriptionId", ""))
        if place.subscription.lower() != known.lower():
            raise no_subscription(place.subscription)
        if place.group and not self.target.has(place.id):
            raise not_found(place.id)

    def prepare(self, deployment: Deployment, outer: Scope | None = None, depth: int = 0) -> Expansion:
        """Its resources, and all that can be told to be wrong before anything is done. `outer`: of a nested template that is evaluated within another.

        Raises:
            ArmError: 400 InvalidTemplate.
        """
        if depth > DEEPEST:
            raise invalid(f"Deployments are nested more than {DEEPEST} levels deep")
        try:
            template = template_of(member(deployment.request, "template"))
            if outer is None:
                frame = Frame(
                    self.target,
                    deployment.place,
                    deployment.name,
                    deployment.request,
                    deployment.begun,
                    deployment.seed,
                    deployment.location,
                )
                base = Scope(frame)
                values = values_of(template, member(deployment.request, "parameters"), base)
                deployment.parameters = shown(template, values)
                scope = scope_of(template, values, base)
            else:
                scope = outer
            expansion = expand(template, scope, deployment.place)
            for resource in expansion.resources:
                if resource.is_deployment:
                    self._foresee(deployment, resource, depth)
        except TemplateFault as fault:
            raise invalid(str(fault)) from fault
        except RecursionError as error:
            raise invalid("The template is nested too deep") from error
        return expansion

    def _foresee(self, above: Deployment, resource: Resource, depth: int) -> None:
        """Look for faults in a nested template, where all that it needs is known already."""
        properties = member(resource.body, "properties") or {}
        template = member(member(resource.raw, "properties"), "template")
        if template is None and member(properties, "templateLink") is None:
            raise invalid_at(
                "resource", resource.name, resource.raw, "it has neither a 'template' nor a 'templateLink'", "arm-syntax-resources"
            )
        if not isinstance(template, dict) or waits(properties) or member(properties, "parametersLink") is not None:
            return
        inner = Deployment(
            id=resource.id, request={**properties, "template": template}, begun=above.begun, seed=above.seed, correlation=above.correlation
        )
        if inner.place.group and not self.target.has(inner.place.id):
            return
        self.prepare(inner, None if is_inner(properties) else resource.scope, depth + 1)

    # --- before doing ---------------------------------------------------------------------------------------------------

    async def validate(self, id_: str, body: Any) -> Data:
        """POST …/validate: the whole deployment, done where it leaves no trace.

        Raises:
            ArmError: 400 InvalidTemplate, or InvalidTemplateDeployment with what would fail.
        """
        deployment, run = await self._rehearsed(id_, body)
        found = deployment.shown(self.now())
        del found["properties"]["timestamp"]
        found["properties"].pop("outputResources", None)
        found["properties"].pop("outputs", None)
        found["properties"]["validatedResources"] = [{"id": each} for each in run.done]
        return found

    async def _rehearsed(self, id_: str, body: Any) -> tuple[Deployment, _Rehearsal]:
        deployment = await self._new(id_, body)
        other = Deployments(self.target.rehearsal(), MemoryStore(), self.now, self.links)
        other._all.update({key: each for key, each in self._all.items() if each.is_over})
        expansion = other.prepare(deployment)
        done: dict[str, None] = {}
        try:
            await other._run(deployment, expansion, lambda: False, done)
        except ArmError as error:
            raise ArmError(
                400,
                "InvalidTemplateDeployment",
                f"The template deployment '{deployment.name}' is not valid according to the validation procedure. The tracking id is "
                f"'{deployment.correlation}'. See inner errors for details.",
                None,
                error.details or (error,),
            ) from error
        return deployment, _Rehearsal(other.target, done)

    async def what_if(self, id_: str, body: Any) -> Data:
        """POST …/whatIf: what would change, property by property.

        Raises:
            ArmError: as `validate`.
        """
        deployment, rehearsal = await self._rehearsed(id_, body)
        settings = member(member(body, "properties"), "whatIfSettings")
        ids_only = str(member(settings, "resultFormat", "")).lower() == "resourceidonly"
        changes = whatif.changes(self.target, rehearsal.target, deployment, list(rehearsal.done), ids_only=ids_only)
        return {"status": "Succeeded", "properties": {"correlationId": deployment.correlation, "changes": changes}}

    # --- ending -------------------------------------------------------------------------------------------------------

    def cancel(self, id_: str) -> None:
        """POST …/cancel: nothing more is begun. Raises ArmError where it is over already."""
        deployment = self.require(id_)
        going = self._going.get(key_of(id_))
        if deployment.is_over or going is None:
            raise ArmError(
                409, "DeploymentCannotBeCanceled", f"The deployment '{deployment.name}' is not running: it is {deployment.state}."
            )
        going.cancel = True

    def delete(self, id_: str) -> bool:
        """Forget it (what it made stays); whether there was one. Raises ArmError while it runs."""
        key = key_of(id_)
        found = self._all.get(key)
        if found is None:
            return False
        if key in self._going:
            raise ArmError(409, "DeploymentActive", f"The deployment '{found.name}' is running: cancel it first, or wait until it is over.")
        del self._all[key]
        self.store.write({}, [(TABLE, key), *((OPERATIONS, f"{key}\n{number}") for number in found.operations)])
        return True

    def forget_before(self, scope: str, when: float) -> None:
        """A resource group is deleted (or was made anew at `when`), and with it what was deployed into it before."""
        above = key_of(scope) + "/providers/"
        for key in [key for key, each in self._all.items() if key.startswith(above) and each.begun < when]:
            if (going := self._going.pop(key, None)) is not None:
                going.cancel = True
            self.delete(key)

    def _end(self, deployment: Deployment, error: ArmError | None, state: str = "Failed") -> None:
        deployment.state, deployment.ended = state, self.now()
        deployment.error = error.inner() if error is not None else None
        self._keep(deployment, "")

    # --- keeping ------------------------------------------------------------------------------------------------------

    def _enter(self, deployment: Deployment) -> None:
        old = self._all.get(key_of(deployment.id))
        key = key_of(deployment.id)
        self._all[key] = deployment
        gone = [(OPERATIONS, f"{key}\n{number}") for number in (old.operations if old else ())]
        self.store.write({(TABLE, key): _row(deployment)}, gone)

    def _keep(self, deployment: Deployment, operation: str) -> None:
        """Write down how far it is: an operation soon, a change of its state at once."""
        key = key_of(deployment.id)
        if self._all.get(key) is not deployment:
            return  # a rehearsal, or its group is gone
        going = self._going.setdefault(key, _Going()) if not deployment.is_over else self._going.get(key, _Going())
        waiting = going.unwritten = going.unwritten or set()
        if operation:
            waiting.add(operation)
        now = self.now()
        if operation and now - going.written < EVERY_S:
            return
        going.written = now
        names = deployment.operations if deployment.is_over else waiting
        puts = {(OPERATIONS, f"{key}\n{number}"): json.dumps(deployment.operations[number]) for number in names}
        if not operation:
            puts[(TABLE, key)] = _row(deployment)
        self.store.write(puts)
        going.unwritten = set()
        if deployment.is_over and going.task is None:
            self._going.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Rehearsal:
    """Where a deployment was rehearsed, and the ids of what it put."""

    target: Target
    done: dict[str, None]


def _row(deployment: Deployment) -> str:
    found = {
        each.name: getattr(deployment, each.name) for each in fields(deployment) if each.name != "operations"
    }  # no copy: templates are large
    return json.dumps(found)


def _check_mode(properties: Data, parsed: ResourceId) -> None:
    mode = str(member(properties, "mode", "")).lower()
    if mode not in ("incremental", "complete"):
        raise bad_request(
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: 'Required property 'mode' not found in JSON, or neither 'Incremental' nor "
            "'Complete'. Path 'properties'.'.",
        )
    if mode == "complete" and parsed.group is None:
        raise bad_request("InvalidDeploymentMode", "The deployment mode 'Complete' is not supported for deployments into a subscription.")
    if member(properties, "onErrorDeployment") is not None:
        raise bad_request("OnErrorDeploymentNotSupported", "'onErrorDeployment' is not supported: deploy the earlier template again.")


def is_inner(properties: Data) -> bool:
    """Whether a nested template's expressions are evaluated in its own scope."""
    return str(member(member(properties, "expressionEvaluationOptions"), "scope", "")).lower() == "inner"
