"""FRR's bgpd alone, without zebra and without touching the kernel; asked by vtysh."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

from tests.live.peers.base import Process, Seen, Setting, run

BGPD = Path("/usr/lib/frr/bgpd")

CONFIG = """\
log stdout informational
route-map OUT permit 10
 set community 65002:100 65002:200
 set large-community 4200000002:1:2
 set metric 20
 set ip next-hop 192.0.2.2
route-map OUT6 permit 10
 set community 65002:100 65002:200
 set large-community 4200000002:1:2
 set metric 20
 set ipv6 next-hop global 2001:db8::2
router bgp {their_asn}
 bgp router-id 10.255.0.2
 bgp log-neighbor-changes
 coalesce-time 1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {ours} remote-as {our_asn}
 neighbor {ours} port {port}
 neighbor {ours} ebgp-multihop
 neighbor {ours} disable-connected-check
 neighbor {ours} update-source {theirs}
 neighbor {ours} timers connect 1
 {passive}
 address-family ipv4 unicast
  network 10.2.0.0/16
  neighbor {ours} activate
  neighbor {ours} route-map OUT out
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:2::/48
  neighbor {ours} activate
  neighbor {ours} route-map OUT6 out
 exit-address-family
"""


class Frr:
    """FRR 8.4 (Debian 12)."""

    name: ClassVar = "frr"
    package: ClassVar = "frr"
    words: ClassVar = {
        "shutdown": '%NOTIFICATION: received from neighbor {ours} 6/2 (Cease/Administrative Shutdown) "administrative shutdown"',
        "hold timer": "sent to neighbor {ours} 4/0 (Hold Timer Expired)",
        "bad AS of us": "sent to neighbor {ours} 2/2 (OPEN Message Error/Bad Peer AS)",
        "bad AS of them": "received from neighbor {ours} 2/2 (OPEN Message Error/Bad Peer AS)",
    }
    lacks: ClassVar[dict[str, str]] = {}

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._directory = directory = setting.directory
        directory.chmod(0o777)  # bgpd gives its socket to another group
        passive = f"neighbor {setting.ours} passive" if setting.passive else "!"
        (directory / "daemon.conf").write_text(
            CONFIG.format(
                ours=setting.ours, theirs=setting.theirs, our_asn=setting.our_asn, their_asn=setting.their_asn, port=setting.port,
                passive=passive,
            )
        )  # fmt: skip
        command = [
            str(BGPD), "-n", "--skip_runas", "-f", str(directory / "daemon.conf"), "-i", str(directory / "pid"), "--vty_socket", str(directory),
            "-z", str(directory / "no-zebra"), "-P", "0", "-p", str(setting.port), "-l", setting.theirs, "--log", "stdout",
            "--log-level", "informational",
        ]  # fmt: skip
        self.process = Process(command, directory)

    @staticmethod
    def missing() -> bool:
        return not (BGPD.exists() and shutil.which("vtysh"))

    def start(self) -> None:
        (self._directory / "bgpd.vty").unlink(missing_ok=True)
        self.process.start((self._directory / "bgpd.vty").exists)

    def established(self) -> bool:
        neighbor = self._ask(f"show bgp neighbors {self._setting.ours} json")[self._setting.ours]
        return bool(neighbor["bgpState"] == "Established")

    def said(self) -> str:
        return self.process.log()

    def seen(self) -> dict[str, Seen]:
        seen = {}
        for family in ("ipv4", "ipv6"):
            routes = self._ask(f"show bgp {family} unicast json")["routes"]
            for prefix in [prefix for prefix, paths in routes.items() if any(path.get("peerId") == self._setting.ours for path in paths)]:
                for path in self._ask(f"show bgp {family} unicast {prefix} json").get("paths", []):
                    if path["peer"]["peerId"] == self._setting.ours:
                        seen[prefix] = Seen(
                            as_path=path["aspath"]["string"],
                            next_hop=path["nexthops"][0]["ip"],
                            med=path.get("metric"),
                            communities=tuple(path.get("community", {}).get("list", ())),
                            large_communities=tuple(path.get("largeCommunity", {}).get("list", ())),
                        )
        return seen

    def announce(self, prefix: str) -> None:
        self._tell("address-family ipv4 unicast", f"network {prefix}")

    def withdraw(self, prefix: str) -> None:
        self._tell("address-family ipv4 unicast", f"no network {prefix}")

    def ask_refresh(self) -> None:
        self._vtysh(f"clear bgp ipv4 unicast {self._setting.ours} soft in")

    def shut_down(self, reason: str) -> str:
        self._tell(f"neighbor {self._setting.ours} shutdown message {reason}")
        return reason

    def open_again(self) -> None:
        self._tell(f"no neighbor {self._setting.ours} shutdown")

    def _ask(self, command: str) -> Any:
        return json.loads(self._vtysh(command))

    def _tell(self, *commands: str) -> None:
        self._vtysh("configure terminal", f"router bgp {self._setting.their_asn}", *commands)

    def _vtysh(self, *commands: str) -> str:
        return run("vtysh", "--vty_socket", str(self._directory), "-d", "bgpd", *(word for each in commands for word in ("-c", each)))
