"""sudo, systemctl and service."""

from __future__ import annotations

from typing import Final

SYSTEMCTL: Final = r"""#!/bin/bash
# Routing programs are started by dualhome, from their configuration, when the script has ended: what is wanted is only noted.
# Units that the machine itself has written into /etc/systemd/system are run, and so are web servers that are here; of others it says that there are none.
verb= units=() now=0 quiet=0
if [ "$(basename "$0")" = service ]; then
  set -- "$2" "$1"; [ "$2" = --status-all ] && exit 0
fi
for word in "$@"; do case $word in
  --now) now=1 ;;
  -q|--quiet) quiet=1 ;;
  -*) ;;
  *) if [ -z "$verb" ]; then verb=$word; else units+=("${word%.service}"); fi ;;
esac; done
notes=/var/lib/dualhome-guest
mkdir -p $notes
routing() { case $1 in frr|zebra|bgpd|ospfd|quagga|bird|bird6|bird2) return 0 ;; *) return 1 ;; esac; }
unit() { case $1 in zebra|bgpd|ospfd) if [ -e /etc/quagga/bgpd.conf ]; then echo quagga; else echo frr; fi ;; bird2|bird6) echo bird ;; *) echo "$1" ;; esac; }
command_of() {
  local file=/etc/systemd/system/$1.service
  if [ -f "$file" ] && [ ! -L "$file" ]; then sed -n 's/^ExecStart=[-@:+!]*//p' "$file" | tail -n 1; return; fi
  case $1 in
    apache2|httpd) command -v apache2ctl >/dev/null && echo "apache2ctl -D FOREGROUND" ;;
    nginx) command -v nginx >/dev/null && echo "nginx -g 'daemon off;'" ;;
    ssh|sshd) echo : ;;
  esac
}
setting() { sed -n "s/^$2=//p" "/etc/systemd/system/$1.service" 2>/dev/null; }
running() { [ -e "/run/dualhome-unit-$1" ] && kill -0 "$(cat "/run/dualhome-unit-$1")" 2>/dev/null; }
halt() { if running "$1"; then kill -TERM -- "-$(cat "/run/dualhome-unit-$1")" 2>/dev/null; fi; rm -f "/run/dualhome-unit-$1"; }
launch() {
  local what directory; what=$(command_of "$1"); directory=$(setting "$1" WorkingDirectory | tail -n 1)
  running "$1" && return 0
  mapfile -t variables < <(setting "$1" Environment | tr -d '"')
  (cd "${directory:-/}" 2>/dev/null || cd /; exec setsid env "${variables[@]}" bash -c "$what" </dev/null >>"/var/log/$1.log" 2>&1 9>&-) &
  echo $! >"/run/dualhome-unit-$1"
}
code=0
if [ "$verb" = boot ]; then  # the machine was switched on again
  for each in $notes/enabled-*; do [ -e "$each" ] && launch "${each#$notes/enabled-}"; done
  exit 0
fi
for each in "${units[@]}"; do
  if routing "$each"; then
    name=$(unit "$each")
    case $verb in
      start|restart|reload|try-restart|reload-or-restart|force-reload|enable|unmask)
        case $verb in enable|unmask) [ $now = 1 ] || continue ;; esac
        rm -f "$notes/stopped-$name" ;;
      stop|mask|disable) case $verb in disable|mask) [ $now = 1 ] || continue ;; esac; touch "$notes/stopped-$name" ;;
      status|is-active|is-enabled)
        if [ -e "$notes/stopped-$name" ]; then [ $quiet = 1 ] || echo inactive; code=3
        else case $verb in
          status) echo "● $name.service - started by dualhome from its configuration"; echo "     Active: active (running)" ;;
          is-active) [ $quiet = 1 ] || echo active ;;
          *) [ $quiet = 1 ] || echo enabled ;;
        esac; fi ;;
    esac
    continue
  fi
  case $each in
    ufw|apparmor|systemd-*|networking|network|networkd-dispatcher|NetworkManager|walinuxagent|cloud-*|unattended-upgrades|apt-daily*|rsyslog|cron|iptables|netfilter-persistent)
      continue ;;
  esac
  if [ -z "$(command_of "$each")" ]; then
    case $verb in
      stop|disable|mask|try-restart|reset-failed) ;;
      is-active) [ $quiet = 1 ] || echo inactive; code=3 ;;
      *) echo "Unit $each.service could not be found (this machine has no systemd; units of its own in /etc/systemd/system are run)" >&2; code=5 ;;
    esac
    continue
  fi
  case $verb in
    start) launch "$each" ;;
    restart|reload|try-restart|reload-or-restart|force-reload) halt "$each"; launch "$each" ;;
    enable) touch "$notes/enabled-$each"; [ $now = 1 ] && launch "$each" ;;
    stop) halt "$each" ;;
    disable) rm -f "$notes/enabled-$each"; [ $now = 1 ] && halt "$each" ;;
    is-enabled) if [ -e "$notes/enabled-$each" ]; then echo enabled; else echo disabled; code=1; fi ;;
    status|is-active) if running "$each"; then [ $quiet = 1 ] || echo active; else [ $quiet = 1 ] || echo inactive; code=3; fi ;;
  esac
done
exit $code
"""
SUDO: Final = r"""#!/bin/bash
# Scripts are root already; with -u they become somebody else.
who= login=0
while [ $# -gt 0 ]; do case $1 in
  -u|--user) who=$2; shift 2 ;;
  --user=*) who=${1#*=}; shift ;;
  -u?*) who=${1#-u}; shift ;;
  -g|-U|-p|-C|-h|-r|-t|-T|-R|-D) shift 2 ;;
  --) shift; break ;;
  -i|-s|--login|--shell|-?*[is]) login=1; shift ;;
  -l|-v|-k|-K|-V) exit 0 ;;
  -*) shift ;;
  *=*) export "$1"; shift ;;
  *) break ;;
esac; done
if [ -n "$who" ] && [ "$who" != root ]; then
  if [ $# -gt 0 ]; then exec runuser -u "$who" -- "$@"; else exec runuser -u "$who" -- bash; fi
fi
export SUDO_USER=${USER:-root} HOME=/root USER=root LOGNAME=root
if [ $login = 1 ]; then
  cd /root
  if [ $# -gt 0 ]; then exec bash -c "$*"; else exec bash; fi
fi
if [ "$1" = su ]; then
  case "${*:2}" in ""|-|-l|root|"- root"|-i) exec bash ;; "- -c "*|"-c "*|"root -c "*|"- root -c "*) exec bash -c "${@: -1}" ;; esac
fi
[ $# -gt 0 ] || exit 0
exec "$@"
"""
