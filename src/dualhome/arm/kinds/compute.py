"""Virtual machines: a node of the network each, with a power switch; disks and what else belongs to them is kept."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import replace
from typing import Any, Final

from dualhome.arm.errors import bad_request, conflict
from dualhome.arm.guests.cloud_init import first_boot
from dualhome.arm.guests.console import is_console, kept, typed
from dualhome.arm.ids import ResourceId
from dualhome.arm.kinds.base import Call, Context, Data, Kind, Times
from dualhome.arm.operations import stamp
from dualhome.arm.records import Record, new_etag

MACHINES: Final = "Microsoft.Compute/virtualMachines"
NICS: Final = "Microsoft.Network/networkInterfaces"
POWER: Final = {"running": "VM running", "stopped": "VM stopped", "deallocated": "VM deallocated"}
IMAGE: Final = ("publisher", "offer", "sku", "version", "id")
LARGEST_DATA: Final = 64 * 1024


class VirtualMachine(Kind):
    """A virtual machine."""

    type = MACHINES
    handle = True
    has_etag = False
    top = frozenset(("resources",))
    read_only = frozenset(("vmId", "instanceView", "timeCreated"))
    times = Times(create=40, update=20, delete=40)
    actions = {
        "start": "start",
        "poweroff": "power_off",
        "deallocate": "deallocate",
        "restart": "restart",
        "redeploy": "restart",
        "reapply": "reapply",
        "generalize": "reapply",
        "runcommand": "run_command",
        "retrievebootdiagnosticsdata": "no_diagnostics",
    }
    views = {"instanceview": "instance_view", "vmsizes": "sizes"}

    def accept(self, call: Call) -> None:
        """NICs that are free; what it is to run at first is kept, and never shown."""
        given = call.properties
        if not (given.get("hardwareProfile") or {}).get("vmSize"):
            raise bad_request(
                "InvalidParameter", "Required parameter 'hardwareProfile.vmSize' is missing (null).", "hardwareProfile.vmSize"
            )
        listed = (given.get("networkProfile") or {}).get("networkInterfaces")
        if not isinstance(listed, list) or not listed:
            raise bad_request("InvalidParameter", "Required parameter 'networkProfile' is missing (null).", "networkProfile")
        self._nics(call, listed)
        self._stays(call)
        call.private.setdefault("power", "running")
        call.private.setdefault("vmId", str(uuid.uuid4()))
        self._secrets(call)
        self._disks(call)

    def _nics(self, call: Call, listed: list[Any]) -> None:
        if len(listed) > 1 and sum(bool((each.get("properties") or {}).get("primary")) for each in listed) != 1:
            raise bad_request(
                "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary",
                f"Virtual machine {call.id.name} must have one network interface set as the primary.",
            )
        networks: set[str] = set()
        taken: set[str] = set()
        for each in listed:
            nic = call.context.referred(each, call.text, NICS)
            each["id"] = nic.id
            users = [other for other in call.context.records.referrers(nic.id) if other.type == MACHINES and other.key != call.id.key]
            if users or nic.key in taken:
                raise bad_request(
                    "NicInUse", f"Network Interface {nic.id} is used by existing resource {users[0].id if users else call.text}."
                )
            taken.add(nic.key)
            networks |= {
                part["properties"]["subnet"]["id"].lower().rpartition("/subnets/")[0] for part in nic.properties["ipConfigurations"]
            }
        if len(networks) > 1:
            raise bad_request(
                "SubnetsNotInSameVnet", f"All network interfaces of virtual machine {call.id.name} must be in one virtual network."
            )

    def _stays(self, call: Call) -> None:
        """Names of the machine and its user, and its image, are settled when it is made."""
        if call.old is None:
            return
        for path in (("osProfile", "computerName"), ("osProfile", "adminUsername"), ("storageProfile", "imageReference")):
            before = (call.old.properties.get(path[0]) or {}).get(path[1])
            given = (call.properties.get(path[0]) or {}).get(path[1], before)
            if _settled(given) != _settled(before):
                name = ".".join(path)
                raise conflict("PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", name)

    def _secrets(self, call: Call) -> None:
        profile = call.properties.get("osProfile")
        if isinstance(profile, dict):
            for name in ("adminPassword", "secrets"):
                if profile.pop(name, None) is not None:
                    call.private[name] = True
            data = profile.pop("customData", None)
            if data is not None:
                if call.old is not None and data != call.old.private.get("customData"):
                    raise conflict(
                        "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed.", "osProfile.customData"
                    )
                call.private["customData"] = _base64(data, "osProfile.customData")
            profile.setdefault("computerName", call.id.name)
            profile.setdefault("allowExtensionOperations", True)
        user = call.properties.pop("userData", None)
        if user is not None:
            call.private["userData"] = _base64(user, "userData")

    def _disks(self, call: Call) -> None:
        storage = call.properties.setdefault("storageProfile", {})
        disk = storage.setdefault("osDisk", {"createOption": "FromImage"})
        name = (
            disk.get("name")
            or (call.old.properties["storageProfile"]["osDisk"].get("name") if call.old else None)
            or f"{call.id.name}_OsDisk_1_{uuid.uuid4().hex}"
        )
        disk["name"] = name
        disk.setdefault("osType", "Windows" if _is_windows(call.properties) else "Linux")
        disk.setdefault("diskSizeGB", 30)
        disk.setdefault("deleteOption", "Detach")
        managed = disk.setdefault("managedDisk", {})
        managed.setdefault("storageAccountType", "Premium_LRS")
        managed["id"] = f"{call.id.scope}/providers/Microsoft.Compute/disks/{name}"
        storage.setdefault("dataDisks", [])
        if image := storage.get("imageReference"):
            image.setdefault("exactVersion", image.get("version", "latest"))

    def accepted(self, call: Call, record: Record) -> None:
        """Its disk is a resource too."""
        disk = record.properties["storageProfile"]["osDisk"]
        if call.context.get(disk["managedDisk"]["id"]) is None:
            id_ = ResourceId.parse(disk["managedDisk"]["id"])
            body = {
                "location": record.body["location"],
                "sku": {"name": disk["managedDisk"]["storageAccountType"]},
                "properties": {
                    "osType": disk["osType"],
                    "diskSizeGB": disk["diskSizeGB"],
                    "creationData": {"createOption": "FromImage"},
                    "diskState": "Attached",
                },
            }
            now = call.context.now()
            made = Record(
                id=id_.text,
                type="Microsoft.Compute/disks",
                body={**body, "managedBy": record.id},
                etag=new_etag(),
                number=0,
                made=now,
                changed=now,
            )
            call.context.records.put(made)

    def leaves(self, context: Context, record: Record) -> None:
        """NICs, addresses and disks go with it where their deleteOption says so."""
        self._leave_disk(context, record.properties["storageProfile"]["osDisk"])
        for each in record.properties["networkProfile"]["networkInterfaces"]:
            nic = context.get(each["id"])
            if nic is None or nic.key in context.going or str((each.get("properties") or {}).get("deleteOption", "")).lower() != "delete":
                continue
            context.records.delete(nic.id)
            for part in nic.properties["ipConfigurations"]:
                public = part["properties"].get("publicIPAddress") or {}
                if (
                    str((public.get("properties") or {}).get("deleteOption", "")).lower() == "delete"
                    and context.get(public["id"]) is not None
                ):
                    context.records.delete(public["id"])

    def _leave_disk(self, context: Context, disk: Data) -> None:
        """Deleted too, or nobody's."""
        kept = context.get(disk["managedDisk"]["id"])
        if kept is None or kept.key in context.going:
            return
        if str(disk.get("deleteOption", "")).lower() == "delete":
            context.records.delete(kept.id)
            return
        body = {name: value for name, value in kept.body.items() if name != "managedBy"}
        context.records.put(replace(kept, body={**body, "properties": {**kept.properties, "diskState": "Unattached"}}))

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """vmId."""
        properties["vmId"] = record.private["vmId"]
        from dualhome.arm.operations import stamp

        properties["timeCreated"] = stamp(record.made)

    def expand(self, context: Context, record: Record, shown: Data, what: str) -> None:
        """$expand=instanceView, or userData."""
        if what.lower() == "instanceview":
            shown["properties"]["instanceView"] = _instance_view(context, record)
        elif what.lower() == "userdata" and "userData" in record.private:
            shown["properties"]["userData"] = record.private["userData"]

    async def instance_view(self, context: Context, record: Record, query: Data) -> Any:
        """Provisioning and power."""
        return _instance_view(context, record)

    async def sizes(self, context: Context, record: Record, query: Data) -> Any:
        """Its own, and a few."""
        from dualhome.arm.kinds.images import sizes

        return sizes()

    # --- power ----------------------------------------------------------------------------------------------------------

    async def start(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """It is up again."""
        return await self._switch(context, record, "running")

    async def power_off(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """Its processes end, and so do its sessions."""
        return await self._switch(context, record, "stopped")

    async def deallocate(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """As `power_off`; the word is another."""
        return await self._switch(context, record, "deallocated")

    async def restart(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """Off, and on again. az wants the operation's result as its body."""
        begun = context.now()
        await self._switch(context, record, "stopped")
        await self._switch(context, record, "running")
        return {"name": str(uuid.uuid4()), "status": "Succeeded", "startTime": stamp(begun), "endTime": stamp(context.now())}

    async def reapply(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """Nothing to apply."""
        return None

    async def no_diagnostics(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """There is no screen, and no console log."""
        raise conflict(
            "BootDiagnosticsDisabled", f"Virtual machine {record.name} has no boot diagnostics: it is a namespace without a console."
        )

    async def _switch(self, context: Context, record: Record, power: str) -> None:
        context.keep_private(record, power=power)
        guests = context.settings.get("guests")
        if guests is not None:
            await (guests.start(record.key) if power == "running" else guests.stop(record.key))
        await context.network.follow()

    # --- inside ---------------------------------------------------------------------------------------------------------

    async def run_command(self, context: Context, record: Record, query: Data, body: Any) -> Any:
        """runCommand with RunShellScript: in the machine, as root."""
        wanted = body if isinstance(body, dict) else {}
        if str(wanted.get("commandId", "")).lower() != "runshellscript":
            raise bad_request("InvalidParameter", f"commandId {wanted.get('commandId')} is not known: RunShellScript is.", "commandId")
        script = "\n".join(str(line) for line in wanted.get("script") or [])
        out, err, _ = await run_in(context, record, script, named_values(wanted.get("parameters")))
        message = f"Enable succeeded: \n[stdout]\n{out}\n[stderr]\n{err}"  # whatever the script ended with
        status = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "message": message}
        return {"value": [status]}

    async def follow(self, context: Context, record: Record) -> None:
        """Its first boot runs what it was given."""
        guests = context.settings.get("guests")
        if is_console(image_of(record)):
            if not record.private.get("booted"):
                startup = first_boot(base64.b64decode(record.private.get("customData") or "")).text
                context.keep_private(record, booted=True, **kept(startup))
                context.network.changed()
        elif guests is not None and record.private.get("customData") and not record.private.get("booted"):
            context.keep_private(record, booted=True)
            await guests.boot(record.key, base64.b64decode(record.private["customData"]), image_of(record))
            await guests.learn(context, record.id)

    async def gone(self, context: Context, record: Record) -> None:
        """Its file system goes with it."""
        guests = context.settings.get("guests")
        if guests is not None:
            await guests.delete(record.key)


async def run_in(context: Context, machine: Record, script: str, parameters: dict[str, str], timeout: float = 3600) -> tuple[str, str, int]:
    """Run a script in a machine, as root, and learn which router that makes of it: what it wrote, what it complained of, and its exit code.

    Raises:
        ArmError: 409 OperationNotAllowed, the machine is off, or this server runs none.
    """
    if power_of(machine) != "running":
        raise conflict("OperationNotAllowed", "The operation requires the VM to be running (or set to run).")
    if is_console(image_of(machine)):
        return await type_in(context, machine, script), "", 0
    guests = guests_for(context, machine)
    await context.network.follow()
    found: tuple[str, str, int] = await guests.run(machine.key, script, parameters, timeout=timeout)
    await guests.learn(context, machine.id)
    return found


def guests_for(context: Context, machine: Record) -> Any:
    """The insides of machines, for something that is to be run in one.

    Raises:
        ArmError: 409 OperationNotAllowed, this server runs none.
    """
    guests = context.settings.get("guests")
    if guests is None:
        why = context.settings.get("no_guests") or "this server runs no machines"
        raise conflict("OperationNotAllowed", f"Nothing can be run in {machine.name}: {why}.")
    return guests


def power_of(machine: Record) -> str:
    """running, stopped or deallocated."""
    return str(machine.private.get("power", "running"))


async def type_in(context: Context, machine: Record, lines: str) -> str:
    """What the console of a router's image says to these lines; what they configure is the router from then on."""

    async def ask() -> Any:
        def question(run: Any, world: Any) -> Any:
            name = world.nodes.get(machine.key)
            speaks = run is not None and name is not None and bool(run.speakers(name))
            return (run.sessions(name), run.table(name)) if speaks else ((), ())

        return await context.network.ask(question)

    before = str(machine.private.get("startup") or "")
    after, said = await typed(before, lines, ask)
    if after != before:
        context.keep_private(machine, **kept(after))
        context.network.changed()
    return said


def named_values(listed: Any) -> dict[str, str]:
    """`[{"name": …, "value": …}]` of a script's parameters."""
    return {str(each.get("name")): str(each.get("value", "")) for each in listed or [] if isinstance(each, dict)}


def _settled(value: Any) -> Any:
    """What of a property is compared: of an image, which one it is."""
    return [str(value.get(word, "")).lower() for word in IMAGE] if isinstance(value, dict) else value


def image_of(record: Record) -> Data:
    """Publisher, offer, sku, version."""
    found: Data = (record.properties.get("storageProfile") or {}).get("imageReference") or {}
    return found


def _base64(text: Any, what: str) -> str:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("InvalidParameter", f"{what} is not properly base64-encoded.", what) from error
    if len(raw) > LARGEST_DATA:
        raise bad_request("InvalidParameter", f"{what} is longer than {LARGEST_DATA // 1024} KB.", what)
    return str(text)


def _is_windows(properties: Data) -> bool:
    image = (properties.get("storageProfile") or {}).get("imageReference") or {}
    said = (properties.get("osProfile") or {}).get("windowsConfiguration") is not None
    return said or str(image.get("publisher", "")).lower().startswith("microsoftwindows")


def _instance_view(context: Context, record: Record) -> Data:
    power = power_of(record)
    state = record.provisioning_state(context.now()).lower()
    return {
        "computerName": (record.properties.get("osProfile") or {}).get("computerName", record.name),
        "osName": "dualhome",
        "vmAgent": {
            "vmAgentVersion": "2.0",
            "statuses": [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready", "time": stamp(record.changed)}],
        },
        "disks": [],
        "statuses": [
            {
                "code": f"ProvisioningState/{state}",
                "level": "Info",
                "displayStatus": f"Provisioning {state}",
                "time": stamp(record.changed),
            },
            {"code": f"PowerState/{power}", "level": "Info", "displayStatus": POWER[power]},
        ],
    }


KINDS = (VirtualMachine(),)
