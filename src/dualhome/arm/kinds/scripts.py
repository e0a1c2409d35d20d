"""Scripts that come as resources of a virtual machine: the custom script extension, and managed run-commands."""

from __future__ import annotations

import asyncio
import base64
import binascii
import posixpath
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from dualhome.arm.downloads import Downloads
from dualhome.arm.errors import ArmError, bad_request, conflict
from dualhome.arm.guests.cloud_init import FileOf
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.kinds.compute import MACHINES, named_values, run_in
from dualhome.arm.operations import stamp
from dualhome.arm.records import Record

CUSTOM_SCRIPTS: Final = ("customscript", "customscriptforlinux")
MOST_S: Final = 5400.0
BESIDE: Final = "/var/lib/waagent/custom-script/download/0"  # where Azure's extension puts what it downloads


class Extension(Kind):
    """A custom script runs in the machine; other extensions are kept."""

    type = f"{MACHINES}/extensions"
    has_etag = False
    read_only = frozenset(("instanceView",))
    times = Times(create=30, update=30, delete=20)

    def accept(self, call: Call) -> None:
        """Its type, and of a custom script what to run; what is protected is not shown."""
        given = call.properties
        if not given.get("publisher") or not given.get("type"):
            raise bad_request("InvalidParameter", f"Extension {call.id.name} needs publisher, type and typeHandlerVersion.")
        protected = given.pop("protectedSettings", None)
        settings = {**(given.get("settings") or {}), **(protected or {})}
        call.private["settings"] = settings
        if str(given["type"]).lower() in CUSTOM_SCRIPTS and bool(settings.get("commandToExecute")) == bool(settings.get("script")):
            raise bad_request("InvalidParameter", f"Extension {call.id.name} needs commandToExecute or script, one of them.", "settings")

    def expand(self, context: Context, record: Record, shown: Data, what: str) -> None:
        """instanceView: what the script said."""
        if what.lower() == "instanceview":
            code, message = record.private.get("code", 0), record.private.get("message", "")
            word = "failed" if code else "succeeded"
            status = {
                "code": f"ProvisioningState/{word}{f'/{code}' if code else ''}",
                "level": "Error" if code else "Info",
                "displayStatus": f"Provisioning {word}",
                "message": message,
            }
            shown["properties"]["instanceView"] = {
                "name": record.name,
                "type": f"{record.properties['publisher']}.{record.properties['type']}",
                "typeHandlerVersion": str(record.properties.get("typeHandlerVersion", "")),
                "statuses": [status],
            }

    async def follow(self, context: Context, record: Record) -> None:
        """Run the script, once for each change.

        Raises:
            ArmError: 409 VMExtensionProvisioningError, it failed; the extension is there, and Failed.
        """
        settings = record.private.get("settings") or {}
        if str(record.properties.get("type", "")).lower() not in CUSTOM_SCRIPTS or record.private.get("ran") == settings:
            return
        try:
            code, message = await self._run(context, record, settings)
        except ArmError as error:
            code, message = -1, error.message
        _keep(context, record, code, message, ran=None if code else settings)
        if code:
            raise _failed(record, message)

    async def _run(self, context: Context, record: Record, settings: Data) -> tuple[int, str]:
        script = _decoded(settings["script"]) if settings.get("script") else str(settings["commandToExecute"])
        script = await _beside(context, settings.get("fileUris") or [], script)
        out, err, code = await run_in(context, context.require(record.parsed.above), script, {})
        how = "Enable succeeded: " if not code else f"Enable failed: failed to execute command: command terminated with exit status={code}"
        return code, f"{how}\n[stdout]\n{out}\n[stderr]\n{err}"


class RunCommand(Kind):
    """A managed run-command (az vm run-command create): a script, kept with what came of it."""

    type = f"{MACHINES}/runCommands"
    has_etag = False
    read_only = frozenset(("instanceView",))
    times = Times(create=30, update=30, delete=10)

    def accept(self, call: Call) -> None:
        """A script in the request itself; protected parameters are not shown."""
        given = call.properties
        source = given.get("source") or {}
        if given.get("runAsUser"):
            raise bad_request("InvalidParameter", f"runAsUser of {call.id.name}: scripts run as root here.", "runAsUser")
        if not any(isinstance(source.get(word), str) and source[word] for word in ("script", "scriptUri")):
            raise bad_request(
                "InvalidParameter", f"Required parameter 'source.script' of {call.id.name} is missing (null).", "source.script"
            )
        call.private["protected"] = given.pop("protectedParameters", None) or []
        call.private.pop("view", None)

    def expand(self, context: Context, record: Record, shown: Data, what: str) -> None:
        """instanceView: what the script said."""
        if what.lower() == "instanceview":
            shown["properties"]["instanceView"] = record.private.get("view") or {"executionState": "Pending", "exitCode": 0}

    async def follow(self, context: Context, record: Record) -> None:
        """Run the script.

        Raises:
            ArmError: 409 VMRunCommandProvisioningError, it failed and treatFailureAsDeploymentFailure says that this matters; or it can't be run.
        """
        if record.private.get("view"):
            return
        given = record.properties
        parameters = {**named_values(given.get("parameters")), **named_values(record.private.get("protected"))}
        begun, limit = context.now(), min(float(given.get("timeoutInSeconds") or MOST_S), MOST_S)
        machine = context.require(record.parsed.above)
        source = given["source"]
        script = source.get("script") or (await _fetched(context, source["scriptUri"])).decode(errors="replace")
        out, err, code = await run_in(context, machine, script, parameters, limit)
        view: Data = {
            "executionState": "Failed" if code else "Succeeded",
            "executionMessage": f"RunCommand script execution {'failed' if code else 'completed'}",
            "exitCode": code,
            "output": out,
            "error": err,
            "startTime": stamp(begun),
            "endTime": stamp(context.now()),
            "statuses": [],
        }
        matters = bool(code) and bool(given.get("treatFailureAsDeploymentFailure"))
        _keep(context, record, code if matters else 0, err, view=view)
        if matters:
            raise conflict("VMRunCommandProvisioningError", f"The script of {record.name} ended with exit code {code}: {err}")


async def _fetched(context: Context, url: object) -> bytes:
    """What a script names by URL. ArmError 409 where it can't be had."""
    try:
        downloads: Downloads = context.settings.get("downloads") or Downloads()
        found = await asyncio.to_thread(downloads.fetch, str(url))
    except (OSError, ValueError) as error:
        raise conflict("OperationNotAllowed", f"failed to download files: {url}: {error}") from error
    return found


async def _beside(context: Context, urls: list[object], script: str) -> str:
    """The script in the extension's directory, the files of these URLs beside it."""
    written = [FileOf(posixpath.basename(urlsplit(str(url)).path), await _fetched(context, url), 0o500).script() for url in urls]
    return f"mkdir -p {BESIDE}\ncd {BESIDE} || exit 1\n{''.join(written)}{script}\n" if written else script


def _keep(context: Context, record: Record, code: int, message: str, **private: Any) -> None:
    """What came of a script, durably: a failure is the resource's."""
    with context.records.change():
        current = context.require(record.id)
        failure = {"code": "VMExtensionProvisioningError", "message": message} if code else None
        kept = {**current.private, "code": code, "message": message, **private}
        context.records.put(replace(current, failure=failure, private=kept))


def _failed(record: Record, message: str) -> ArmError:
    who = f"(publisher '{record.properties['publisher']}' and type '{record.properties['type']}')"
    return conflict(
        "VMExtensionProvisioningError",
        f"VM has reported a failure when processing extension '{record.name}' {who}. Error message: '{message}'.",
    )


def _decoded(script: Any) -> str:
    try:
        return base64.b64decode(str(script), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise bad_request("InvalidParameter", "settings.script is not properly base64-encoded.", "settings.script") from error


KINDS = (Extension(), RunCommand())
