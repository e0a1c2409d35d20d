"""OpenBGPD, which needs root (it locks its children up in a directory that only root owns); asked by bgpctl."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from tests.live.peers.base import Process, Seen, Setting, run

BGPD = Path("/usr/sbin/bgpd")
CONFIG = """\
AS {their_asn}
router-id 10.255.0.2
listen on {theirs} port {port}
socket "{directory}/ctl"
fib-update no
connect-retry 1
log updates
network 10.2.0.0/16 set {{ nexthop 192.0.2.2 {attributes} }}
network 2001:db8:2::/48 set {{ nexthop 2001:db8::2 {attributes} }}
neighbor {ours} {{
  remote-as {our_asn}
  local-address {theirs}
  port {port}
  multihop 10
  announce IPv4 unicast
  announce IPv6 unicast
  {passive}
}}
allow from any
allow to any
match to any set nexthop no-modify
"""
ATTRIBUTES = "metric 20 community 65002:100 community 65002:200 large-community 4200000002:1:2"


class OpenBgpd:
    """OpenBGPD 7.7 (Debian 12), the portable one."""

    name: ClassVar = "openbgpd"
    package: ClassVar = "openbgpd"
    words: ClassVar = {
        "shutdown": "received notification: Cease, administratively down",
        "hold timer": "sending notification: HoldTimer expired",
        "bad AS of us": "sending notification: error in OPEN message, AS unacceptable",
        "bad AS of them": "received notification: error in OPEN message, AS unacceptable",
    }
    lacks: ClassVar[dict[str, str]] = {
        "answering": "takes every ROUTE-REFRESH for one of a family not agreed on (openbgpd-portable issue 46)"
    }

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._directory = directory = setting.directory
        config = directory / "daemon.conf"
        config.write_text(
            CONFIG.format(
                ours=setting.ours, theirs=setting.theirs, our_asn=setting.our_asn, their_asn=setting.their_asn, port=setting.port,
                passive="passive" if setting.passive else "", directory=directory, attributes=ATTRIBUTES,
            )
        )  # fmt: skip
        config.chmod(0o600)  # it refuses one that others may write
        self.process = Process([str(BGPD), "-d", "-v", "-f", str(config)], directory)

    @staticmethod
    def missing() -> bool:
        return not (BGPD.exists() and shutil.which("bgpctl") and os.geteuid() == 0)

    def start(self) -> None:
        Path(pwd.getpwnam("_openbgpd").pw_dir).mkdir(
            exist_ok=True
        )  # which systemd makes where it runs; its children lock themselves up there
        (self._directory / "ctl").unlink(missing_ok=True)
        self.process.start(self._ready)

    def established(self) -> bool:
        return bool(self._table("show", "neighbor", self._setting.ours)["neighbors"][0]["state"] == "Established")

    def said(self) -> str:
        return self.process.log()

    def seen(self) -> dict[str, Seen]:
        routes = self._table("show", "rib", "neighbor", self._setting.ours, "detail").get("rib", [])
        return {each["prefix"]: _seen(each) for each in routes}

    def announce(self, prefix: str) -> None:
        self._ask("network", "add", prefix, "nexthop", "192.0.2.2", *ATTRIBUTES.split())

    def withdraw(self, prefix: str) -> None:
        self._ask("network", "delete", prefix)

    def ask_refresh(self) -> None:
        self._ask("neighbor", self._setting.ours, "refresh")

    def shut_down(self, reason: str) -> str:
        self._ask("neighbor", self._setting.ours, "down", reason)
        return reason

    def open_again(self) -> None:
        self._ask("neighbor", self._setting.ours, "up")

    def _ready(self) -> bool:
        asked = subprocess.run(
            ["bgpctl", "-s", str(self._directory / "ctl"), "show", "neighbor", self._setting.ours],
            capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        return asked.returncode == 0

    def _table(self, *words: str) -> Any:
        return json.loads(self._ask("-j", *words))

    def _ask(self, *words: str) -> str:
        return run("bgpctl", "-s", str(self._directory / "ctl"), *words)


def _seen(route: dict[str, Any]) -> Seen:
    return Seen(
        as_path=route["aspath"],
        next_hop=route["exit_nexthop"],
        med=route["metric"],
        communities=tuple(sorted(route.get("communities", ()))),
        large_communities=tuple(sorted(route.get("large_communities", ()))),
    )
