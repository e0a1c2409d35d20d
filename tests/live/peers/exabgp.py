"""ExaBGP, from the virtual environment; asked through a helper process of its own, that turns its lines into files.

It has no kernel, no decision and no policy: what it shows is what went over the wire.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import ClassVar

from tests.live.peers.base import Process, Seen, Setting

EXABGP = Path(sys.executable).parent / "exabgp"
CONFIG = """\
process helper {{
  run {directory}/helper;
  encoder json;
}}
neighbor {ours} {{
  router-id 10.255.0.2;
  local-address {theirs};
  local-as {their_asn};
  peer-as {our_asn};
  connect {port};
  passive {passive};
  adj-rib-in true;
  capability {{ route-refresh enable; graceful-restart disable; }}
  family {{ ipv4 unicast; ipv6 unicast; }}
  api {{
    processes [ helper ];
    neighbor-changes;
    send {{ parsed; notification; }}
    receive {{ parsed; notification; }}
  }}
  static {{
    route 10.2.0.0/16 next-hop 192.0.2.2 {attributes};
    route 2001:db8:2::/48 next-hop 2001:db8::2 {attributes};
  }}
}}
"""
ATTRIBUTES = "med 20 community [65002:100 65002:200] large-community [4200000002:1:2]"
# A shell takes its input away from what it starts in the background: it is handed on as 3.
HELPER = """\
#!/bin/sh
cd {directory}
exec 3<&0
cat <&3 >>answers &
exec cat <>commands
"""


class ExaBgp:
    """ExaBGP 5 (PyPI)."""

    name: ClassVar = "exabgp"
    package: ClassVar = "exabgp, from requirements.txt"
    words: ClassVar = {
        "shutdown": '"direction": "receive", "notification": { "code": 6, "subcode": 2,',
        "hold timer": '"direction": "send", "notification": { "code": 4, "subcode": 0,',
        "bad AS of us": '"direction": "send", "notification": { "code": 2, "subcode": 2,',
        "bad AS of them": '"direction": "receive", "notification": { "code": 2, "subcode": 2,',
    }
    lacks: ClassVar[dict[str, str]] = {}

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._directory = directory = setting.directory
        (directory / "daemon.conf").write_text(
            CONFIG.format(
                ours=setting.ours, theirs=setting.theirs, our_asn=setting.our_asn, their_asn=setting.their_asn, port=setting.port,
                passive=str(setting.passive).lower(), directory=directory, attributes=ATTRIBUTES,
            )
        )  # fmt: skip
        (directory / "helper").write_text(HELPER.format(directory=directory))
        (directory / "helper").chmod(0o700)
        os.mkfifo(directory / "commands")
        (directory / "answers").touch()
        environment = {
            "exabgp_tcp_bind": setting.theirs, "exabgp_tcp_port": str(setting.port), "exabgp_daemon_user": "root", "exabgp_daemon_drop": "false",
            "exabgp_api_cli": "false",
        }  # fmt: skip
        self.process = Process([str(EXABGP), "server", str(directory / "daemon.conf")], directory, environment)

    @staticmethod
    def missing() -> bool:
        return not EXABGP.exists()

    def start(self) -> None:
        self.process.start(lambda: "loaded new configuration successfully" in self.process.log())
        self._ask("version")

    def established(self) -> bool:
        return " established " in self._ask("show neighbor summary")

    def said(self) -> str:
        return (self._directory / "answers").read_text()

    def seen(self) -> dict[str, Seen]:
        if not self.established():
            return {}  # it shows what it had from us even then
        seen = {}
        for line in self._ask("show adj-rib in extensive").splitlines():
            if found := re.search(r"ipv[46] unicast (\S+) next-hop (\S+)(.*)", line):
                seen[found[1]] = _seen(found[2], found[3])
        return seen

    def announce(self, prefix: str) -> None:
        self._ask(f"announce route {prefix} next-hop 192.0.2.2 {ATTRIBUTES}")

    def withdraw(self, prefix: str) -> None:
        self._ask(f"withdraw route {prefix} next-hop 192.0.2.2 {ATTRIBUTES}")

    def ask_refresh(self) -> None:
        self._ask("announce route-refresh ipv4 unicast")

    def shut_down(self, reason: str) -> str:
        """With words of its own: its command has no place for others."""
        self._ask(f"neighbor {self._setting.ours} teardown 2")
        return "Administrative Shutdown"

    def open_again(self) -> None:
        """It does that by itself."""

    def _ask(self, command: str) -> str:
        before = (self._directory / "answers").stat().st_size
        with (self._directory / "commands").open("w") as commands:
            commands.write(command + "\n")
        self.process.wait(lambda: self._answers(before).endswith(("\ndone\n", "\nerror\n")))
        answer = self._answers(before)
        assert answer.endswith("\ndone\n"), f"{command}: {answer}"
        return answer

    def _answers(self, since: int) -> str:
        """What it said after so many octets, without its events."""
        lines = (self._directory / "answers").read_bytes()[since:].decode().splitlines(keepends=True)
        return "\n" + "".join(line for line in lines if not line.startswith("{"))


def _seen(next_hop: str, text: str) -> Seen:
    def of(name: str) -> tuple[str, ...]:
        found = re.search(rf" {name} (\[[^]]*\]|\([^)]*\)|\S+)", text)
        return tuple(found[1].strip("[( )]").split()) if found else ()

    [med] = of("med") or (None,)
    return Seen(
        as_path=" ".join(of("as-path")), next_hop=next_hop, med=None if med is None else int(med),
        communities=tuple(sorted(of("community"))), large_communities=tuple(sorted(of("large-community"))),
    )  # fmt: skip
