"""BIRD 2 without any protocol that touches the kernel; asked by birdc."""

from __future__ import annotations

import re
import shutil
from typing import ClassVar

from tests.live.peers.base import Process, Seen, Setting, run

CONFIG = """\
log stderr all;
router id 10.255.0.2;
protocol device {{ }}
protocol static own4 {{ ipv4; route 10.2.0.0/16 blackhole; {more} }}
protocol static own6 {{ ipv6; route 2001:db8:2::/48 blackhole; }}
filter tagged {{
  bgp_community.add((65002, 100));
  bgp_community.add((65002, 200));
  bgp_large_community.add(({their_asn}, 1, 2));
  bgp_med = 20;
  accept;
}}
protocol bgp dualhome {{
  debug {{ events, states }};
  local {theirs} port {port} as {their_asn};
  neighbor {ours} port {port} as {our_asn};
  multihop;
  strict bind yes;
  passive {passive};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 {{ import all; export filter tagged; next hop address 192.0.2.2; }};
  ipv6 {{ import all; export filter tagged; next hop address 2001:db8::2; }};
}}
"""


class Bird:
    """BIRD 2.0 (Debian 12)."""

    name: ClassVar = "bird"
    package: ClassVar = "bird2"
    words: ClassVar = {
        "shutdown": "Received: Administrative shutdown",
        "hold timer": "Error: Hold timer expired",
        "bad AS of us": "Error: Bad peer AS",
        "bad AS of them": "Received: Bad peer AS",
    }
    lacks: ClassVar[dict[str, str]] = {}

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._directory = directory = setting.directory
        self._more: list[str] = []
        command = ["bird", "-f", "-c", str(directory / "daemon.conf"), "-s", str(directory / "ctl"), "-P", str(directory / "pid")]
        self.process = Process(command, directory)

    @staticmethod
    def missing() -> bool:
        return not (shutil.which("bird") and shutil.which("birdc"))

    def start(self) -> None:
        (self._directory / "ctl").unlink(missing_ok=True)
        self._write()
        self.process.start((self._directory / "ctl").exists)

    def established(self) -> bool:
        return "BGP state:          Established" in self._ask("show protocols all dualhome")

    def said(self) -> str:
        return self.process.log()

    def seen(self) -> dict[str, Seen]:
        seen = {}
        prefix = ""
        fields: dict[str, str] = {}
        for line in [*self._ask("show route all protocol dualhome").splitlines(), "end"]:
            if found := re.match(r"\tBGP\.(\w+): (.*)", line):
                fields[found[1]] = found[2]
            elif not line.startswith("\t"):
                if prefix:
                    seen[prefix] = _seen(fields)
                prefix, fields = (line.split()[0] if "/" in line else ""), {}
        return seen

    def announce(self, prefix: str) -> None:
        self._more.append(prefix)
        self._reconfigure()

    def withdraw(self, prefix: str) -> None:
        self._more.remove(prefix)
        self._reconfigure()

    def ask_refresh(self) -> None:
        self._ask("reload in dualhome")

    def shut_down(self, reason: str) -> str:
        self._ask(f'disable dualhome "{reason}"')
        return reason

    def open_again(self) -> None:
        self._ask("enable dualhome")

    def _write(self) -> None:
        setting = self._setting
        more = " ".join(f"route {prefix} blackhole;" for prefix in self._more)
        (self._directory / "daemon.conf").write_text(
            CONFIG.format(
                ours=setting.ours, theirs=setting.theirs, our_asn=setting.our_asn, their_asn=setting.their_asn, port=setting.port,
                passive="on" if setting.passive else "off", more=more,
            )
        )  # fmt: skip

    def _reconfigure(self) -> None:
        self._write()
        self._ask("configure")

    def _ask(self, command: str) -> str:
        return run("birdc", "-s", str(self._directory / "ctl"), *command.split(" "))


def _seen(fields: dict[str, str]) -> Seen:
    def communities(field: str) -> tuple[str, ...]:
        return tuple(sorted(re.sub(r"[() ]", "", each).replace(",", ":") for each in re.findall(r"\([^)]*\)", fields.get(field, ""))))

    return Seen(
        as_path=fields["as_path"].strip(),
        next_hop=fields["next_hop"].split()[0],
        med=int(fields["med"]) if "med" in fields else None,
        communities=communities("community"),
        large_communities=communities("large_community"),
    )
