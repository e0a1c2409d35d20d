"""GoBGP; asked by gobgp over a Unix socket."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any, ClassVar

from tests.live.peers.base import Process, Seen, Setting, run

CONFIG = """\
[global.config]
  as = {their_asn}
  router-id = "10.255.0.2"
  port = {port}
  local-address-list = ["{theirs}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{ours}"
    peer-as = {our_asn}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "{theirs}"
    remote-port = {port}
    passive-mode = {passive}
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 10
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"""
ATTRIBUTES = ("med", "20", "community", "65002:100,65002:200", "large-community", "4200000002:1:2")


class GoBgp:
    """GoBGP 3.10 (Debian 12)."""

    name: ClassVar = "gobgp"
    package: ClassVar = "gobgpd"
    words: ClassVar = {
        "shutdown": '"Code":6,"Communicated-Reason":"administrative shutdown"',
        "hold timer": '"msg":"hold timer expired"',
        "bad AS of us": "as number mismatch expected 4200000001, received 65009",
        # It doesn't say what it received before the session is up.
        "bad AS of them": '"msg":"state changed","new":"BGP_FSM_IDLE","old":"BGP_FSM_OPENCONFIRM"',
    }
    lacks: ClassVar[dict[str, str]] = {"asking": "its softresetin looks through what it has and asks nobody"}

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._directory = directory = setting.directory
        self._socket = f"unix://{directory}/api"
        (directory / "daemon.conf").write_text(
            CONFIG.format(
                ours=setting.ours, theirs=setting.theirs, our_asn=setting.our_asn, their_asn=setting.their_asn, port=setting.port,
                passive=str(setting.passive).lower(),
            )
        )  # fmt: skip
        command = ["gobgpd", "-f", str(directory / "daemon.conf"), "--api-hosts", self._socket, "--pprof-disable", "-l", "debug"]
        self.process = Process(command, directory)

    @staticmethod
    def missing() -> bool:
        return not (shutil.which("gobgpd") and shutil.which("gobgp"))

    def start(self) -> None:
        (self._directory / "api").unlink(missing_ok=True)
        self.process.start(self._ready)
        self.announce("10.2.0.0/16")
        self._ask("global", "rib", "add", "-a", "ipv6", "2001:db8:2::/48", "nexthop", "2001:db8::2", *ATTRIBUTES)

    def established(self) -> bool:
        return bool(self._table("neighbor", self._setting.ours)["state"]["session_state"] == 6)

    def said(self) -> str:
        return self.process.log()

    def seen(self) -> dict[str, Seen]:
        seen = {}
        for family in ("ipv4", "ipv6"):
            for prefix, paths in self._table("global", "rib", "-a", family).items():
                for path in [path for path in paths if path.get("neighbor-ip") == self._setting.ours]:
                    seen[prefix] = _seen(path["attrs"])
        return seen

    def announce(self, prefix: str) -> None:
        self._ask("global", "rib", "add", prefix, "nexthop", "192.0.2.2", *ATTRIBUTES)

    def withdraw(self, prefix: str) -> None:
        self._ask("global", "rib", "del", prefix)

    def ask_refresh(self) -> None:
        self._ask("neighbor", self._setting.ours, "softresetin", "-a", "ipv4")

    def shut_down(self, reason: str) -> str:
        """By the command that is called deprecated: the other one, disable, sends no reason."""
        self._ask("neighbor", self._setting.ours, "shutdown", "--reason", reason)
        return reason

    def open_again(self) -> None:
        """It does that by itself."""

    def _ready(self) -> bool:
        asked = subprocess.run(
            ["gobgp", "--target", self._socket, "neighbor", self._setting.ours], capture_output=True, timeout=20, check=False
        )
        return asked.returncode == 0

    def _table(self, *words: str) -> Any:
        return json.loads(self._ask("-j", *words))

    def _ask(self, *words: str) -> str:
        return run("gobgp", "--target", self._socket, *words)


def _seen(attributes: list[dict[str, Any]]) -> Seen:
    """From the JSON of path attributes, each with its type number (RFC 4271 section 5)."""
    of = {each["type"]: each for each in attributes}
    return Seen(
        as_path=" ".join(str(asn) for segment in of[2]["as_paths"] for asn in segment["asns"]),
        next_hop=(of.get(3) or of[14])["nexthop"],
        med=of[4]["metric"] if 4 in of else None,
        communities=tuple(sorted(f"{each >> 16}:{each & 0xFFFF}" for each in of.get(8, {}).get("communities", ()))),
        large_communities=tuple(
            sorted(f"{each['ASN']}:{each['LocalData1']}:{each['LocalData2']}" for each in of.get(32, {}).get("value", ()))
        ),
    )
