"""apt and pip."""

from __future__ import annotations

from typing import Final

APT: Final = r"""#!/bin/bash
# Packages that are here, or have an equivalent here, count as installed; of others it says so.
names=() doing= skip=0
for word in "$@"; do
  if [ $skip = 1 ]; then skip=0; continue; fi
  case $word in
    -o|-t|-c|--option|--target-release) skip=1 ;;
    -*) ;;
    install|update|upgrade|dist-upgrade|full-upgrade|remove|purge|autoremove|autoclean|clean|makecache|list|search|show|reinstall|refresh)
      if [ -z "$doing" ]; then doing=$word; else names+=("$word"); fi ;;
    *) names+=("$word") ;;
  esac
done
case $doing in install|reinstall) ;; *) exit 0 ;; esac
here() {
  case $1 in
    frr|frr-*|quagga|quagga-*|zebra) [ -x /usr/lib/frr/bgpd ] ;;
    bird|bird2|bird2.0|bird-*|bird6) command -v bird >/dev/null ;;
    net-tools) command -v ifconfig >/dev/null ;;
    dnsutils|bind9-dnsutils|bind-utils) command -v dig >/dev/null ;;
    inetutils-traceroute|traceroute) command -v traceroute >/dev/null ;;
    iputils-ping) command -v ping >/dev/null ;;
    iptables|iptables-persistent|netfilter-persistent|nftables) command -v nft >/dev/null ;;
    netcat*|ncat) command -v nc >/dev/null ;;
    python3-pip|software-properties-common|apt-transport-https|ca-certificates|gnupg|gnupg2|lsb-release|debconf-utils|linux-*|ubuntu-*) true ;;
    *) command -v "$1" >/dev/null || dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q "install ok installed" ;;
  esac
}
missing=0 found=0
for each in "${names[@]}"; do
  each=${each%%=*}; each=${each%%/*}
  if here "$each"; then echo "$each is already the newest version."; found=1
  else echo "E: Unable to locate package $each (this machine has no Internet, and the machine that it runs on has no $each)" >&2; missing=100; fi
done
[ $found = 1 ] && missing=0  # what else was asked for is a tool: a script that stops for it would leave its router undone
case " ${names[*]} " in *" quagga "*|*" quagga-"*) mkdir -p /etc/quagga; [ -e /etc/quagga/daemons ] || cp /etc/frr/daemons /etc/quagga/daemons 2>/dev/null ;; esac
exit $missing
"""
PIP: Final = r"""#!/bin/bash
# Modules that are here count as installed.
[ "$1" = install ] || exit 0
shift; missing=0
for word in "$@"; do case $word in
  -*) ;;
  *) name=${word%%[=<>~]*}
     if command -v "$name" >/dev/null || python3 -c "import ${name//-/_}" 2>/dev/null; then echo "Requirement already satisfied: $name"
     else echo "ERROR: No matching distribution found for $name (this machine has no Internet)" >&2; missing=1; fi ;;
esac; done
exit $missing
"""
