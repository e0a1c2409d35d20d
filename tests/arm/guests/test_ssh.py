"""ssh and scp to machines, as a published script's shell has them: programs on PATH, a server, a machine's file system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualhome.arm.client import Client
from dualhome.arm.guests.machine import missing
from dualhome.arm.ssh.copying import remote
from dualhome.arm.ssh.options import ssh
from tests.arm.served import Served, served, until

needs_root = pytest.mark.skipif(bool(missing()), reason=missing() or "there are file systems for machines")
REAL = '#!/bin/sh\necho "the real one: $(basename $0) $*"\nexit 9\n'


class Shell:
    """Somebody's shell after `eval "$(dualhome env)"`, with an ssh and scp of the machine's own that only say that they were called."""

    def __init__(self, server: Served, folder: Path) -> None:
        real = folder / "real"
        real.mkdir()
        for name in ("ssh", "scp", "sshpass"):
            (real / name).write_text(REAL)
            (real / name).chmod(0o755)
        environment = server.environment | {"PATH": f"{real}:{os.environ['PATH']}"}
        self._environment = Served(server.home, server.url, server.subscription, environment, server.process).variables()
        self._folder = folder

    def run(self, script: str, stdin: str = "", **more: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["bash", "-c", script],
            env=self._environment | more,
            cwd=self._folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def start(self, script: str) -> subprocess.Popen[str]:
        """It goes on."""
        return subprocess.Popen(["bash", "-c", script], env=self._environment, cwd=self._folder, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("ssh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUALHOME_HOME", str(home))
        with served(home) as server:
            _lab(server)
            yield Shell(server, home)


def _lab(server: Served) -> None:
    """Virtual networks a and b, not peered; hub with one public and one private machine; 10.1.0.4 in a and b."""
    client, group = Client.of_owner(), f"/subscriptions/{server.subscription}/resourceGroups/rg"

    def put(path: str, **properties: object) -> None:
        whole = f"{group}/providers/Microsoft.{path}?api-version=2025-07-01" if path else f"{group}?api-version=2025-07-01"
        client.ask("PUT", whole, {"location": "westeurope", "properties": properties, "sku": {"name": "Standard"}})

    def machine(name: str, network: str, address: str, **more: object) -> None:
        subnet = {"id": f"{group}/providers/Microsoft.Network/virtualNetworks/{network}/subnets/s"}
        where = {"subnet": subnet, "privateIPAddress": address, "privateIPAllocationMethod": "Static", **more}
        put(f"Network/networkInterfaces/{name}-nic", ipConfigurations=[{"name": "one", "properties": where}])
        nics = {"networkInterfaces": [{"id": f"{group}/providers/Microsoft.Network/networkInterfaces/{name}-nic"}]}
        profile = {"computerName": name, "adminUsername": "joe"}
        put(f"Compute/virtualMachines/{name}", hardwareProfile={"vmSize": "Standard_B1s"}, networkProfile=nics, osProfile=profile)

    put("")
    put("Network/publicIPAddresses/pip", publicIPAllocationMethod="Static", dnsSettings={"domainNameLabel": "nva"})
    for name, space in (("hub", "10.0.0.0/16"), ("a", "10.1.0.0/16"), ("b", "10.1.0.0/16")):
        subnets = [{"name": "s", "properties": {"addressPrefix": space.replace("/16", "/24")}}]
        put(f"Network/virtualNetworks/{name}", addressSpace={"addressPrefixes": [space]}, subnets=subnets)
    machine("nva", "hub", "10.0.0.4", publicIPAddress={"id": f"{group}/providers/Microsoft.Network/publicIPAddresses/pip"})
    machine("vm", "hub", "10.0.0.5")
    machine("one", "a", "10.1.0.4")
    machine("two", "b", "10.1.0.4")
    machine("jump", "b", "10.1.0.5")


@needs_root
def test_commands_run_where_the_address_is(shell: Shell) -> None:
    """Output, errors and exit code are the command's, and so is standard input."""
    options = "-o BatchMode=yes -o StrictHostKeyChecking=no"
    assert shell.run(f"ssh {options} joe@10.0.0.4 'hostname; pwd; cat; echo wrong >&2; exit 3'", "given") == (
        3,
        "nva\n/home/joe\ngiven",
        "wrong\n",
    )
    assert shell.run("ssh -n joe@10.0.0.5 'sudo hostname; cat'", "not given")[:2] == (0, "vm\n")
    assert shell.run("ssh joe@10.0.0.5 <<'EOF'\ncd /tmp; pwd; sudo true || exit 7\nexit 4\nEOF")[:2] == (4, "/tmp\n")
    assert shell.run("for i in 1 2; do echo $i; done | while read i; do ssh -n 10.0.0.5 echo got $i; done")[1] == "got 1\ngot 2\n"
    assert shell.run("sleep 30 | ssh joe@10.0.0.4 echo at once & wait $!")[1] == "at once\n"
    assert shell.run("ssh nva.westeurope.cloudapp.azure.com hostname")[1] == "nva\n"
    assert shell.run("sshpass -p secret ssh -l joe 10.0.0.4 'echo $USER'")[1] == "joe\n"
    assert shell.run("ssh 10.0.0.4 'head -c 3000000 /dev/zero' | wc -c")[1] == "3000000\n"


@needs_root
def test_the_way_says_which_machine_is_meant(shell: Shell) -> None:
    """10.1.0.4 is in two virtual networks."""
    code, _, said = shell.run("ssh 10.1.0.4 hostname")
    assert code == 255
    assert "Several machines have the address 10.1.0.4" in said
    assert shell.run("ssh -J joe@10.1.0.5 joe@10.1.0.4 hostname")[1] == "two\n"
    assert shell.run('ssh -o ProxyCommand="ssh -W %h:%p joe@10.1.0.5" joe@10.1.0.4 hostname')[1] == "two\n"
    assert shell.run("ssh -J 10.1.0.5 two hostname")[1] == "two\n"  # by its name, as it is known there


@needs_root
def test_others_are_left_to_the_real_programs(shell: Shell) -> None:
    assert shell.run("ssh -p 2222 git@example.org pull") == (9, "the real one: ssh -p 2222 git@example.org pull\n", "")
    assert shell.run("ssh 192.0.2.1 true")[1] == "the real one: ssh 192.0.2.1 true\n"
    assert shell.run("scp x 192.0.2.1:y")[1] == "the real one: scp x 192.0.2.1:y\n"
    assert shell.run("sshpass -p x ssh 192.0.2.1 true")[1] == "the real one: sshpass -p x ssh 192.0.2.1 true\n"
    assert shell.run("ssh 10.0.0.4 true", AZURE_RESOURCE_MANAGER_URL="")[1] == "the real one: ssh 10.0.0.4 true\n"
    code, _, said = shell.run("ssh -N -L 80:10.0.0.5:80 10.0.0.4")
    assert (code, "port forwarding to nva" in said) == (255, True)


@needs_root
def test_files_there_and_back(shell: Shell) -> None:
    made = "mkdir -p d/e; head -c 200000 /dev/urandom >d/e/f; echo x >'a b'; chmod 750 d/e/f"
    assert shell.run(f"{made}; scp -q d/e/f joe@10.0.0.4: && scp -P 22 'a b' joe@10.0.0.4:/tmp/c && scp -r d joe@10.0.0.4:~/sub")[0] == 0
    assert shell.run("ssh joe@10.0.0.4 'cat /tmp/c; stat -c %a f; cd; cmp f sub/e/f && echo same'")[1] == "x\n750\nsame\n"
    assert shell.run("scp joe@10.0.0.4:f g && scp -r joe@10.0.0.4:sub back && cmp g d/e/f && cmp back/e/f g && echo same")[1] == "same\n"
    assert shell.run("scp 10.0.0.4:/tmp/c joe@10.0.0.5:/tmp/from-there && ssh 10.0.0.5 cat /tmp/from-there")[1] == "x\n"
    assert shell.run("scp 10.0.0.4:/nothing .") == (1, "", "scp: /nothing: No such file or directory\n")
    assert shell.run("scp joe@10.0.0.4:sub .") == (1, "", "scp: sub: not a regular file\n")


@needs_root
def test_who_hangs_up_ends_the_command_but_no_daemon(shell: Shell) -> None:
    begun = shell.start("exec ssh 10.0.0.5 'setsid sleep 1111 >/dev/null 2>&1 & sleep 0.5; echo there; exec sleep 2222'")
    assert begun.stdout is not None
    assert begun.stdout.readline() == "there\n"
    begun.kill()
    begun.wait()
    count = 'ssh 10.0.0.5 \'pgrep -f "^sleep 1111" | wc -l; pgrep -f "^sleep 2222" | wc -l\''
    assert until(lambda: shell.run(count)[1] == "1\n0\n")


@needs_root
def test_it_takes_the_right_to_run_commands(shell: Shell) -> None:
    """As run-command: a contributor may not."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = json.loads(shell.run("dualhome principal create builder --role Contributor --json", PATH=path)[1])
    code, out, said = shell.run("ssh 10.0.0.4 id", AZURE_CLIENT_ID=given["client_id"], AZURE_CLIENT_SECRET=given["client_secret"])
    assert (code, out) == (255, "")
    assert "Permission denied" in said


def test_no_run_command_is_no_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    with served(tmp_path, "--no-run-command") as server:
        _lab(server)
        code, out, said = Shell(server, tmp_path).run("ssh 10.0.0.4 id; scp 10.0.0.4:/etc/passwd .")
        assert (code, out) == (1, "")
        assert said.count("Nothing can be run in nva: the server was started with --no-run-command") == 2


def test_command_lines() -> None:
    options = ssh(["-tt", "-p2222", "-oUser=joe", "-o", "ProxyJump=a@1.1.1.1,b@2.2.2.2:22", "10.0.0.4", "-l", "ann", "ls", "-l"])
    target = options.target(options.words[0])
    assert (target.host, target.user, target.port, target.via) == ("10.0.0.4", "ann", 2222, "2.2.2.2")
    assert options.words[1:] == ["ls", "-l"]
    target = ssh(["ssh://joe@10.0.0.4:2222"]).target("ssh://joe@10.0.0.4:2222")
    assert (target.host, target.user, target.port) == ("10.0.0.4", "joe", 2222)
    assert [remote(each) for each in ("a:b", "joe@10.0.0.4:", "/tmp/a:b", "./a", "scp://joe@h/p")] == [
        ("a", "b"), ("joe@10.0.0.4", ""), None, None, ("ssh://joe@h", "p"),
    ]  # fmt: skip


def test_a_router_s_command_line_by_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command, or lines of standard input; no privilege is needed."""
    monkeypatch.setenv("DUALHOME_HOME", str(tmp_path))
    with served(tmp_path) as server:
        client, group = Client.of_owner(), f"/subscriptions/{server.subscription}/resourceGroups/rg"

        def put(path: str, **properties: object) -> None:
            client.ask("PUT", f"{group}{path}?api-version=2025-07-01", {"location": "westeurope", "properties": properties})

        put("")
        subnets = [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}]
        network = f"{group}/providers/Microsoft.Network"
        put("/providers/Microsoft.Network/virtualNetworks/v", addressSpace={"addressPrefixes": ["10.0.0.0/16"]}, subnets=subnets)
        part = {"name": "one", "properties": {"subnet": {"id": f"{network}/virtualNetworks/v/subnets/s"}}}
        put("/providers/Microsoft.Network/networkInterfaces/csr", ipConfigurations=[part])
        nics = {"networkInterfaces": [{"id": f"{network}/networkInterfaces/csr"}]}
        image = {"imageReference": {"publisher": "cisco", "offer": "cisco-csr-1000v", "sku": "x", "version": "latest"}}
        hardware = {"vmSize": "Standard_B1s"}
        put("/providers/Microsoft.Compute/virtualMachines/csr", hardwareProfile=hardware, networkProfile=nics, storageProfile=image)
        shell = Shell(server, tmp_path)
        assert (
            shell.run(
                "ssh -o BatchMode=yes 10.0.0.4 <<EOF\nconfig t\nrouter bgp 65001\n neighbor 10.0.0.9 remote-as 65002\nend\nwr mem\nEOF"
            )[0]
            == 0
        )
        code, out, _ = shell.run('ssh -n 10.0.0.4 "show run"')
        assert (code, "router bgp 65001" in out) == (0, True)
