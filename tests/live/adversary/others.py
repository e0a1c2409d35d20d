"""Debian's speakers as speakers under test, to see where an expectation of ours is odd: plain routers with groups of peers by address range."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tests.live.adversary.peer import At
from tests.live.adversary.servers import ASN, GROUPS, Group, free_port


class Other:
    """A daemon in the foreground, its configuration in `directory`."""

    name: ClassVar[str]

    def __init__(self, directory: Path, *, address: str = "127.0.0.92", groups: Mapping[str, Group] = GROUPS) -> None:
        self.at = At(address, free_port(address), ASN)
        self.directory, self.groups = directory, groups
        self._file = directory / "daemon.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def config(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    @staticmethod
    def missing() -> bool:
        raise NotImplementedError

    def start(self) -> None:
        self.directory.chmod(0o777)
        self._file.write_text(self.config())
        self._file.chmod(0o600)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory, start_new_session=True)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log()
            try:
                socket.create_connection((self.at.address, self.at.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                time.sleep(1)
                return
        raise AssertionError(f"{self.name} doesn't listen: {self.log()}")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def memory_kb(self) -> int:
        assert self._process is not None
        shown = subprocess.run(["ps", "-o", "rss=", "-g", str(self._process.pid)], capture_output=True, text=True, check=False)
        return sum(map(int, shown.stdout.split()))

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def wrong(self) -> list[str]:
        return []

    def stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            if process.poll() is not None:
                return  # it has ended by itself, and its number may be another's
            process.terminate()
            end = time.monotonic() + 5
            while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None and time.monotonic() < end:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGKILL)  # with the children that it left
            process.wait()


class Bird(Other):
    """BIRD 2."""

    name = "bird"

    @staticmethod
    def missing() -> bool:
        return not shutil.which("bird")

    def config(self) -> str:
        out = f"router id {self.at.address};\nlog stderr all;\nprotocol device {{}}\n"
        for name, each in self.groups.items():
            internal = "rr client;" if each.asn == ASN else ""
            out += f"""protocol bgp g_{name} {{
  local {self.at.address} port {self.at.port} as {ASN};
  neighbor range 127.{each.net}.0.0/16 as {each.asn};
  multihop; strict bind yes; passive yes; hold time 180; enable extended messages yes; error wait time 1,2; {internal}
  dynamic name "d_{name}_";
  ipv4 {{ import all; export all; next hop keep; }};
  ipv6 {{ import all; export all; next hop keep; }};
}}
"""
        return out

    def command(self) -> list[str]:
        return ["bird", "-f", "-c", str(self._file), "-s", str(self.directory / "ctl"), "-P", str(self.directory / "pid")]


class Frr(Other):
    """FRR's bgpd without zebra."""

    name = "frr"

    @staticmethod
    def missing() -> bool:
        return not Path("/usr/lib/frr/bgpd").exists()

    def config(self) -> str:
        out = f"""log stdout warnings
router bgp {ASN} view RS
 bgp router-id {self.at.address}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp disable-ebgp-connected-route-check
 bgp listen limit 50000
 coalesce-time 0
"""
        for name, each in self.groups.items():
            out += f" neighbor {name} peer-group\n neighbor {name} remote-as {each.asn}\n neighbor {name} passive\n"
            out += f" neighbor {name} disable-connected-check\n neighbor {name} advertisement-interval 0\n neighbor {name} timers 60 180\n"
            if each.asn != ASN:
                out += f" neighbor {name} ebgp-multihop 255\n"
            out += f" bgp listen range 127.{each.net}.0.0/16 peer-group {name}\n"
        for family in ("ipv4", "ipv6"):
            out += f" address-family {family} unicast\n"
            for name, each in self.groups.items():
                out += f"  neighbor {name} activate\n  neighbor {name} attribute-unchanged next-hop\n"
                out += f"  neighbor {name} route-reflector-client\n" if each.asn == ASN else ""
            out += " exit-address-family\n"
        return out

    def command(self) -> list[str]:
        return [
            "/usr/lib/frr/bgpd", "-f", str(self._file), "-n", "-Z", "-S", "-p", str(self.at.port), "-l", self.at.address, "-P", "0",
            "-i", str(self.directory / "pid"), "--vty_socket", str(self.directory),
        ]  # fmt: skip


class OpenBgpd(Other):
    """OpenBGPD, which needs root."""

    name = "openbgpd"

    @staticmethod
    def missing() -> bool:
        return not Path("/usr/sbin/bgpd").exists() or os.geteuid() != 0

    def config(self) -> str:
        out = f'AS {ASN}\nrouter-id {self.at.address}\nlisten on {self.at.address} port {self.at.port}\nsocket "{self.directory}/ctl"\n'
        out += "holdtime 180\nfib-update no\nnexthop qualify via default\n"
        for name, each in self.groups.items():
            client = "  route-reflector\n" if each.asn == ASN else ""
            out += f"""neighbor 127.{each.net}.0.0/16 {{
  remote-as {each.asn}
  descr "{name}"
  passive
  multihop 10
  announce IPv4 unicast
  announce IPv6 unicast
  enforce neighbor-as no
  set nexthop no-modify
{client}}}
"""
        return out + "allow from any\nallow to any\nmatch to any set nexthop no-modify\n"

    def command(self) -> list[str]:
        Path("/run/openbgpd").mkdir(exist_ok=True)  # where its children lock themselves up
        return ["/usr/sbin/bgpd", "-d", "-f", str(self._file)]


OTHERS: dict[str, type[Other]] = {each.name: each for each in (Bird, Frr, OpenBgpd)}
