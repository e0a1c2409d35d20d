"""Programs that a machine of a lab expects and a namespace has not: a package manager, a service manager, sudo. They answer as those would."""

from __future__ import annotations

from typing import Final

APT: Final = r"""#!/bin/bash
# Packages that are here, or have an equivalent here, count as installed; of others it says so.
names=()
doing=
for word in "$@"; do case $word in
  -*) ;;
  install|update|upgrade|dist-upgrade|remove|purge|autoremove|clean|full-upgrade|makecache|-y) doing=${doing:-$word} ;;
  *) names+=("$word") ;;
esac; done
[ "$doing" = install ] || { echo "nothing to do"; exit 0; }
here() {
  case $1 in
    frr|frr-pythontools|quagga|quagga-*|zebra) [ -x /usr/lib/frr/bgpd ] ;;
    bird|bird2|bird2.0) command -v bird >/dev/null ;;
    *) command -v "${1%%=*}" >/dev/null || dpkg-query -W "${1%%=*}" >/dev/null 2>&1 ;;
  esac
}
missing=0
for each in "${names[@]}"; do
  if here "$each"; then echo "$each is already the newest version."; else echo "E: Unable to locate package $each (this machine has no Internet)" >&2; missing=1; fi
done
case " ${names[*]} " in *" quagga "*|*" quagga-"*) mkdir -p /etc/quagga ;; esac
exit $missing
"""
SYSTEMCTL: Final = r"""#!/bin/bash
# Routing programs are started by dualhome, from their configuration, when the script has ended; what is wanted is only noted here.
verb= units=()
for word in "$@"; do case $word in
  -*) ;;
  start|stop|restart|reload|enable|disable|status|is-active|is-enabled|daemon-reload|mask|unmask|try-restart|reload-or-restart|force-reload) verb=$word ;;
  *) units+=("${word%.service}") ;;
esac; done
if [ "$(basename "$0")" = service ]; then units=("$1"); verb=$2; fi
mkdir -p /var/lib/dualhome-guest
for each in "${units[@]}"; do
  case $verb in
    start|restart|reload|try-restart|reload-or-restart|force-reload) rm -f "/var/lib/dualhome-guest/stopped-$each" ;;
    stop) touch "/var/lib/dualhome-guest/stopped-$each" ;;
    status|is-active) if [ -e "/var/lib/dualhome-guest/stopped-$each" ]; then echo inactive; exit 3; else echo active; fi ;;
  esac
done
exit 0
"""
SUDO: Final = r"""#!/bin/bash
while [ $# -gt 0 ]; do case $1 in
  -u|-g|-U) shift 2 ;;
  --) shift; break ;;
  -*) shift ;;
  *=*) export "$1"; shift ;;
  *) break ;;
esac; done
[ $# -gt 0 ] || exit 0
exec "$@"
"""
VTYSH: Final = r"""#!/bin/bash
# Configuration commands are kept in the configuration; questions go to the program that runs.
config=0 lines=() question=0
args=("$@")
for ((i = 0; i < ${#args[@]}; i++)); do
  if [ "${args[i]}" = -c ]; then
    i=$((i + 1)); line=${args[i]}
    while IFS= read -r each; do
      case $each in
        conf*|"configure terminal") config=1 ;;
        end|exit|"write"*|"wr"|"copy running-config"*) ;;
        show*|ping*) question=1 ;;
        *) [ $config = 1 ] && lines+=("$each") ;;
      esac
    done <<<"$line"
  fi
done
if [ ${#lines[@]} -gt 0 ]; then
  mkdir -p /etc/frr
  printf '%s\n' "${lines[@]}" >>/etc/frr/frr.conf
fi
if [ $question = 1 ]; then
  for where in /dualhome-node /run/frr; do [ -S "$where/bgpd.vty" ] && exec /usr/bin/vtysh --vty_socket "$where" "$@"; done
  echo "vtysh: no routing program runs yet" >&2; exit 1
fi
exit 0
"""
BIRDC: Final = r"""#!/bin/bash
for where in /dualhome-node/bird.ctl /run/bird/bird.ctl; do [ -S "$where" ] && exec /usr/sbin/birdc -s "$where" "$@"; done
case "$*" in configure*) exit 0 ;; esac
echo "birdc: no routing program runs yet" >&2; exit 1
"""
QUIET: Final = "#!/bin/bash\nexit 0\n"
SHIMS: Final = {
    "apt": APT, "apt-get": APT, "yum": APT, "dnf": APT, "snap": QUIET, "add-apt-repository": QUIET, "apt-key": QUIET,
    "systemctl": SYSTEMCTL, "service": SYSTEMCTL, "sudo": SUDO, "vtysh": VTYSH, "birdc": BIRDC, "birdcl": BIRDC,
    "reboot": QUIET, "shutdown": QUIET, "netplan": QUIET, "hostnamectl": QUIET, "timedatectl": QUIET, "ufw": QUIET, "cloud-init": QUIET, "waagent": QUIET,
    "update-rc.d": QUIET, "systemd-resolve": QUIET, "netfilter-persistent": QUIET, "iptables-save": QUIET,
}  # fmt: skip
