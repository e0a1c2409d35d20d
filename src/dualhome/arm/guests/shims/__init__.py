"""Programs that a machine of a lab expects and a namespace has not: a package manager, a service manager, sudo, routing programs' shells, iptables.

They are shell scripts, answer as those would, and say so where they can't. `SHIMS` are first on the machine's PATH; those in `INSTEAD` are also in place of
this machine's programs, which `/dualhome-bin/real` keeps where they are in `REAL`.
"""

from __future__ import annotations

from typing import Final

from dualhome.arm.guests.shims.firewall import IPTABLES
from dualhome.arm.guests.shims.packages import APT, PIP
from dualhome.arm.guests.shims.routing import BIRDC, INITIAL, VTYSH
from dualhome.arm.guests.shims.services import SUDO, SYSTEMCTL

QUIET: Final = "#!/bin/bash\nexit 0\n"
NETPLAN: Final = """#!/bin/bash
case $1 in apply|try) echo "netplan: interfaces and addresses of this machine are the network's; what its files say is not applied" >&2 ;; esac
exit 0
"""
IP: Final = """#!/bin/bash
# A dummy device where the kernel has none: one end of a pair whose other end is up too.
real=/dualhome-bin/real/ip
case " $* " in *" type dummy "*) ;; *) exec $real "$@" ;; esac
said=$($real "$@" 2>&1) && exit 0
case $said in *"Unknown device type"*|*"not supported"*) ;; *) echo "$said" >&2; exit 2 ;; esac
while [ $# -gt 0 ]; do case $1 in add|name|dev|-*|link|l) shift ;; *) name=$1; break ;; esac; done
$real link add "$name" type veth peer name "${name:0:13}-p" && $real link set "${name:0:13}-p" up
"""
ABSENT: Final = """#!/bin/bash
echo "$(basename "$0"): there is no IPsec in this machine; tunnels between networks are connections of virtual network gateways here" >&2
exit 127
"""
SHIMS: Final = {
    **dict.fromkeys(("apt", "apt-get", "aptitude", "yum", "dnf", "snap"), APT), **dict.fromkeys(("pip", "pip3"), PIP),
    "systemctl": SYSTEMCTL, "service": SYSTEMCTL, "sudo": SUDO, "vtysh": VTYSH, "birdc": BIRDC, "birdcl": BIRDC, "birdc6": BIRDC, "frrinit.sh": INITIAL, "ip": IP,
    "iptables": IPTABLES, "iptables-legacy": IPTABLES, "iptables-nft": IPTABLES, "netplan": NETPLAN, **dict.fromkeys(("ipsec", "swanctl"), ABSENT),
    **dict.fromkeys((
        "add-apt-repository", "apt-key", "apt-cache", "reboot", "shutdown", "poweroff", "hostnamectl", "timedatectl", "ufw", "cloud-init", "waagent",
        "update-rc.d", "systemd-resolve", "resolvectl", "netfilter-persistent", "iptables-save", "iptables-restore", "ip6tables", "modprobe", "needrestart",
        "debconf-set-selections", "loginctl", "unattended-upgrade",
    ), QUIET),
}  # fmt: skip
REAL: Final = ("vtysh", "birdc", "iptables", "ip")
INSTEAD: Final = (
    "usr/bin/apt", "usr/bin/apt-get", "usr/bin/systemctl", "usr/sbin/service", "usr/bin/sudo", "usr/bin/vtysh", "usr/sbin/birdc", "usr/sbin/birdcl", "usr/bin/ip",
    "usr/lib/frr/frrinit.sh", "usr/sbin/iptables", "usr/sbin/reboot", "usr/sbin/shutdown", "usr/sbin/poweroff", "usr/sbin/modprobe",
)  # fmt: skip
