"""`env`, `az`, `principal`: how Azure's clients find the server that runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dualhome.cli.common import JsonOption, note, show, show_json

if TYPE_CHECKING:
    from dualhome.arm.client import Client

CLOUD: Final = "dualhome"
SHELLS: Final = ("bash", "fish", "powershell", "json")
MISSING_AZ: Final = (
    "az is not installed: python3 -m venv ~/az && ~/az/bin/pip install azure-cli, then put ~/az/bin on PATH, or its path into $DUALHOME_AZ"
)
ShellOption = Annotated[str, typer.Option("--shell", metavar="WORD", help="bash, fish, powershell or json.")]
principal = typer.Typer(help="Service principals of the server that runs: who may do what.", no_args_is_help=True)


def env(shell: ShellOption = "bash") -> None:
    """Print what to set so that stock az, the SDKs, Terraform, Pulumi and PowerShell find the server that runs, and ssh and scp its machines."""
    from dualhome.arm.client import variables
    from dualhome.arm.place import home
    from dualhome.arm.ssh.place import directory, path_of_others
    from dualhome.errors import RequestError

    if shell not in SHELLS:
        raise RequestError(f"no shell {shell!r} (there are {', '.join(SHELLS)})")
    found = variables() | {"DUALHOME_HOME": str(home())}
    ours, program = str(directory(home())), _find_az()
    found["PATH"] = os.pathsep.join([ours, path_of_others()])
    if program is not None:
        found["DUALHOME_AZ"] = program
    if shell == "json":
        show_json(found)
        return
    forms = {"bash": "export {}={}", "fish": "set -gx {} {}", "powershell": "$Env:{} = {}"}
    for name, value in found.items():
        quoted = "'" + value.replace("'", "''") + "'" if shell == "powershell" else shlex.quote(value)
        if shell == "fish" and name == "PATH":
            quoted = " ".join(map(shlex.quote, value.split(os.pathsep)))
        print(forms[shell].format(name, quoted))
    url = found["AZURE_RESOURCE_MANAGER_URL"]
    if shell == "powershell":
        print(f"# once: Add-AzEnvironment -Name {CLOUD} -ARMEndpoint {url}/")
    else:
        print(
            "# az, ssh and scp on PATH are programs of ours then: they speak to this server and its machines, and don't touch what you have configured"
        )
        if program is None:
            print(f"# {MISSING_AZ}")


def openapi() -> None:
    """Print the OpenAPI description of what `dualhome serve` answers."""
    from dualhome.arm.openapi import description

    show_json(description())


def az(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="-- WORDS…", help="What az is to do.", show_default=False)],
) -> None:
    """Run your az against the server that runs, with a configuration of its own: `dualhome az -- network vnet list`."""
    program = _az()
    environment = {**os.environ, **_az_environment(program)}
    os.execve(program, [program, *words], environment)


def _az() -> str:
    from dualhome.errors import SystemRefused

    if (found := _find_az()) is None:
        raise SystemRefused(MISSING_AZ)
    return found


def _find_az() -> str | None:
    """The az of this machine: not the one of ours that `env` puts on PATH."""
    from dualhome.arm.ssh.place import path_of_others

    for candidate in (os.environ.get("DUALHOME_AZ"), shutil.which("az", path=path_of_others()), ".cache/az/bin/az"):
        if candidate and os.access(candidate, os.X_OK):
            return str(Path(candidate).absolute())
    return None


def _az_environment(program: str) -> Mapping[str, str]:
    """Of az; the cloud is registered and somebody logged in, once for each server."""
    from dualhome.arm.client import variables
    from dualhome.arm.place import home
    from dualhome.errors import SystemRefused

    found = variables()
    directory = home() / "az"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found |= {"AZURE_CONFIG_DIR": str(directory), "AZURE_CORE_COLLECT_TELEMETRY": "0", "AZURE_CORE_NO_COLOR": "true"}
    mark = directory / "dualhome.json"
    wanted = json.dumps([found["AZURE_RESOURCE_MANAGER_URL"], found["AZURE_CLIENT_ID"], found["AZURE_SUBSCRIPTION_ID"]])
    if mark.exists() and mark.read_text() == wanted:
        return found
    login = [
        "login",
        "--service-principal",
        "-u",
        found["AZURE_CLIENT_ID"],
        f"--password={found['AZURE_CLIENT_SECRET']}",  # one word: it may begin with a dash
        "--tenant",
        found["AZURE_TENANT_ID"],
    ]
    url = found["AZURE_RESOURCE_MANAGER_URL"]
    for place, words in enumerate(
        (
            ["cloud", "set", "-n", "AzureCloud"],
            ["cloud", "unregister", "-n", CLOUD],
            ["cloud", "register", "-n", CLOUD, "--endpoint-resource-manager", url],
            ["cloud", "set", "-n", CLOUD],
            login,
        )
    ):
        done = subprocess.run([program, *words], env={**os.environ, **found}, capture_output=True, text=True, check=False)
        if done.returncode and place >= 2:
            raise SystemRefused(f"az {' '.join(words[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    mark.write_text(wanted)
    return found


# --- principals -----------------------------------------------------------------------------------------------------------


def _client() -> Client:
    from dualhome.arm.client import Client

    return Client.of_owner()


@principal.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Owner, Contributor, Reader, …")] = "Contributor",
    scope: Annotated[
        str, typer.Option("--scope", metavar="ID", help="A subscription's, group's or resource's id; everything, if none is given.")
    ] = "",
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="PEM of a certificate with which it may log in as well.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a service principal, and print its secret, once."""
    asked = {"name": name, "role": role, "scope": scope, "certificate": _pem(certificate) if certificate else ""}
    made: dict[str, Any] = _client().ask("POST", "/dualhome/principals", asked)
    if json:
        show_json(made)
        return
    for word, value in made.items():
        print(f"{word:14} {value}")
    note("The secret is not shown again.")


def _pem(file: Path) -> str:
    """The certificate in a file, without the key that may be beside it."""
    from dualhome.errors import RequestError

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} can't be read: {error}") from error
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in text or end not in text:
        raise RequestError(f"{file}: there is no certificate in PEM ({begin})")
    return begin + text.partition(begin)[2].partition(end)[0] + end + "\n"


@principal.command("list")
def list_(json: JsonOption = False) -> None:
    """Who there is."""
    from rich.table import Table

    found = _client().ask("GET", "/dualhome/principals")["value"]
    if json:
        show_json(found)
        return
    table = Table("name", "client_id", "roles")
    for each in found:
        table.add_row(each["name"], each["client_id"], ", ".join(f"{one['role']} at {one['scope'] or '/'}" for one in each["roles"]))
    show(table)


@principal.command("delete")
def delete(client_id: Annotated[str, typer.Argument(metavar="CLIENT_ID", show_default=False)]) -> None:
    """Its tokens are worth nothing from then on."""
    _client().ask("DELETE", f"/dualhome/principals/{client_id}")
