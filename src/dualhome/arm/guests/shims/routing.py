"""vtysh and birdc, and FRR's start script."""

from __future__ import annotations

from typing import Final

VTYSH: Final = r"""#!/bin/bash
# Commands of configuration are added to the configuration, which the program is started with anew when the script has ended; questions go to the program.
real=/dualhome-bin/real/vtysh
where=
for each in /dualhome-node /run/frr; do [ -S "$each/bgpd.vty" ] && { where=$each; break; }; done
lines=() words=() file= given=0 plain=1
while [ $# -gt 0 ]; do case $1 in
  -c|--command) given=1; while IFS= read -r each || [ -n "$each" ]; do words+=("$each"); done <<<"$2"; shift 2 ;;
  -f|--inputfile) given=1; file=$2; shift 2 ;;
  -b|--boot) exit 0 ;;
  -w|--writeconfig) exit 0 ;;
  -C|--dryrun) shift; exec $real -C "$@" ;;
  -d|--daemon|-N|--pathspace|-H|--histfile|--config_dir|--vty_socket|-x|-t|-u) shift; case $1 in -*|"") ;; *) shift ;; esac ;;
  *) shift ;;
esac; done
if [ -e /etc/quagga/bgpd.conf ] || { [ -d /etc/quagga ] && [ ! -d /etc/frr ]; }; then kept=/etc/quagga/bgpd.conf; else kept=/etc/frr/frr.conf; fi
if [ $given = 0 ]; then
  if [ -t 0 ]; then [ -n "$where" ] && exec $real --vty_socket "$where"; echo "Exiting: failed to connect to any daemons." >&2; exit 1; fi
  mapfile -t words
fi
code=0 config=0 depth=0 added=()
ask() {
  if [ -n "$where" ]; then $real --vty_socket "$where" -c "$1" || code=$?
  else case $1 in
    "show run"*|"write t"*|"sh run"*) cat $kept 2>/dev/null ;;
    *) echo "Exiting: failed to connect to any daemons." >&2; echo "(no routing program runs for this machine now; in a simulated network there is none)" >&2; code=1 ;;
  esac; fi
}
if [ -n "$file" ]; then
  [ -r "$file" ] || { echo "vtysh: can't open configuration file [$file]" >&2; exit 1; }
  mapfile -t added <"$file"
fi
for each in "${words[@]}"; do
  each=${each//$'\r'/}; each="${each#"${each%%[![:space:]]*}"}"; each="${each%"${each##*[![:space:]]}"}"
  case $each in ""|"!"*|"#"*) continue ;; esac
  if [ $config = 0 ]; then
    case $each in
      conf|conf\ *|config*) config=1 depth=0 ;;
      en|ena|enable|disable|end|exit|quit|"terminal "*|"wr"|"write"|"write mem"*|"wr mem"*|"write file"*|"write int"*|"copy run"*|"do wr"*) ;;
      *) ask "$each" ;;
    esac
    continue
  fi
  case $each in
    end) config=0 ;;
    exit|quit) if [ $depth -gt 0 ]; then added+=(exit); depth=$((depth - 1)); else config=0; fi ;;
    "do wr"*|"do copy"*|"wr"|"write"|"write mem"*|"wr mem"*) ;;
    "do "*) ask "${each#do }" ;;
    router\ *|interface\ *|route-map\ *|vrf\ *|line\ *|key\ *|bfd) added+=("$each"); depth=1 ;;
    address-family\ *) added+=("$each"); depth=2 ;;
    exit-address-family) added+=("$each"); depth=1 ;;
    *) added+=("$each") ;;
  esac
done
if [ ${#added[@]} -gt 0 ]; then
  mkdir -p "$(dirname $kept)"
  printf '%s\n' "${added[@]}" >>$kept
fi
exit $code
"""
BIRDC: Final = r"""#!/bin/bash
real=/dualhome-bin/real/birdc
[ -s $real ] || real=/usr/sbin/birdc
words=()
while [ $# -gt 0 ]; do case $1 in -s) shift 2 ;; -*) shift ;; *) words+=("$1"); shift ;; esac; done
case ${words[0]} in
  conf*)
    file=/etc/bird/bird.conf; [ -e $file ] || file=/etc/bird.conf
    echo "Reading configuration from $file"
    said=$(bird -p -c $file 2>&1) || { echo "$said"; exit 1; }
    case " ${words[*]} " in *" check "*) echo "Configuration OK" ;; *) echo Reconfigured ;; esac
    exit 0 ;;
esac
for each in /dualhome-node/bird.ctl /run/bird/bird.ctl; do [ -S "$each" ] && exec $real -s "$each" "${words[@]}"; done
echo "Unable to connect to server control socket (no routing program runs for this machine now; in a simulated network there is none)" >&2
exit 1
"""
INITIAL: Final = r"""#!/bin/bash
exec /dualhome-bin/systemctl "${1:-start}" frr
"""
