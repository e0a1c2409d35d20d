"""systemd: the unit that starts the daemon with as few rights as it can do with, and the word that it is ready."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

UNIT = """\
[Unit]
Description=dualhome route server
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart={program} route-server --config {config}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
TimeoutStopSec=15
DynamicUser=yes
RuntimeDirectory=dualhome-route-server
StateDirectory=dualhome-route-server
AmbientCapabilities={capabilities}
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX{netlink}
RestrictNamespaces={namespaces}
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service{system_calls}
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


def unit(config: Path, kernel: bool = False, namespaces: bool = False) -> str:
    """The unit's text; more rights where routes are written to the kernel, or sockets made in other namespaces."""
    capabilities = [
        "CAP_NET_BIND_SERVICE",
        *(["CAP_NET_ADMIN"] if kernel or namespaces else []),
        *(["CAP_SYS_ADMIN"] if namespaces else []),
    ]
    return UNIT.format(
        program=Path(sys.argv[0]).resolve() if Path(sys.argv[0]).name == "dualhome" else Path(sys.executable).parent / "dualhome",
        config=config.resolve(),
        capabilities=" ".join(capabilities),
        netlink=" AF_NETLINK" if kernel else "",
        namespaces="net" if namespaces else "yes",
        system_calls=" setns" if namespaces else "",
    )


def notify(state: str) -> None:
    """Tell systemd, where it started us (sd_notify(3))."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        try:
            to.sendto(state.encode(), f"\0{where[1:]}" if where.startswith("@") else where)
        except OSError as error:
            print(f"dualhome: can't tell systemd: {error}", file=sys.stderr)
