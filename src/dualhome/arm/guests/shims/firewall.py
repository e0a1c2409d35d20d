"""iptables in words of nft, as far as labs go: forwarding, masquerading, source and destination translation."""

from __future__ import annotations

from typing import Final

IPTABLES: Final = r"""#!/bin/bash
# The usual rules, by nft; the machine's own iptables where it has one.
[ -s /dualhome-bin/real/iptables ] && exec /dualhome-bin/real/iptables "$@"
said="$*" table=filter verb= chain= target= parts=() number= more=() to= no=
no() { echo "iptables: not understood here: $said" >&2; exit 2; }
while [ $# -gt 0 ]; do
  eq=; [ "$1" = "!" ] && { eq="!= "; shift; }
  case $1 in
    -t|--table) table=$2; shift 2 ;;
    -A|--append|-I|--insert|-D|--delete|-C|--check) verb=${1#-}; verb=${verb#-}; chain=$2; shift 2
      case $1 in [0-9]*) number=$1; shift ;; esac ;;
    -P|--policy) verb=P chain=$2 target=$3; shift 3 ;;
    -F|--flush|-L|--list|-S|--list-rules|-X|-Z|-N|--new-chain) verb=${1#-}; verb=${verb#-}; shift; case $1 in ""|-*) ;; *) chain=$1; shift ;; esac ;;
    -n|-v|-nv|-vn|-w|--wait|--line-numbers|-nvL|-q|-4) [ "$1" = -nvL ] && verb=L; shift ;;
    -s|--source|--src) parts+=(ip saddr "$eq$2"); shift 2 ;;
    -d|--destination|--dst) parts+=(ip daddr "$eq$2"); shift 2 ;;
    -i|--in-interface) parts+=(iifname "$eq\"${2//+/*}\""); shift 2 ;;
    -o|--out-interface) parts+=(oifname "$eq\"${2//+/*}\""); shift 2 ;;
    -p|--protocol) proto=$2; [ "$2" = all ] || parts+=(meta l4proto "$eq$2"); shift 2 ;;
    --dport|--destination-port) parts+=("$proto" dport "$eq${2//:/-}"); shift 2 ;;
    --sport|--source-port) parts+=("$proto" sport "$eq${2//:/-}"); shift 2 ;;
    --dports) parts+=("$proto" dport "{ ${2//:/-} }"); shift 2 ;;
    --icmp-type) parts+=(icmp type "$2"); shift 2 ;;
    -m|--match) shift 2 ;;
    --state|--ctstate) parts+=(ct state "$(tr A-Z a-z <<<"$2")"); shift 2 ;;
    --clamp-mss-to-pmtu) more=(tcp option maxseg size set rt mtu); shift ;;
    --tcp-flags) parts+=(tcp flags "& (syn|rst) == syn"); shift 3 ;;
    --to-source|--to-destination|--to) to=$2; shift 2 ;;
    --comment) shift 2 ;;
    -j|--jump) target=$2; shift 2 ;;
    *) no ;;
  esac
done
declare -A hooks=(
  [filter/INPUT]="type filter hook input priority 0" [filter/FORWARD]="type filter hook forward priority 0" [filter/OUTPUT]="type filter hook output priority 0"
  [nat/PREROUTING]="type nat hook prerouting priority -100" [nat/POSTROUTING]="type nat hook postrouting priority 100"
  [nat/OUTPUT]="type nat hook output priority -100" [nat/INPUT]="type nat hook input priority 100"
  [mangle/FORWARD]="type filter hook forward priority -150" [mangle/PREROUTING]="type filter hook prerouting priority -150"
  [mangle/POSTROUTING]="type filter hook postrouting priority -150" [mangle/OUTPUT]="type route hook output priority -150"
)
ours=iptables_$table
make() {
  [ -n "${hooks[$table/$chain]}" ] || no
  nft list chain ip $ours "$chain" >/dev/null 2>&1 || nft "add table ip $ours; add chain ip $ours $chain { ${hooks[$table/$chain]}; }" || exit 1
}
case $verb in
  L|list|S|list-rules) nft -a list table ip $ours 2>/dev/null; exit 0 ;;
  F|flush) if [ -n "$chain" ]; then nft flush chain ip $ours "$chain" 2>/dev/null; else nft flush table ip $ours 2>/dev/null; fi; exit 0 ;;
  X|Z) exit 0 ;;
  P) make; nft "chain ip $ours $chain { policy $(tr A-Z a-z <<<"$target"); }"; exit ;;
esac
case $target in
  ACCEPT|DROP|RETURN) more=("$(tr A-Z a-z <<<"$target")") ;;
  REJECT) more=(reject) ;;
  MASQUERADE) more=(masquerade) ;;
  SNAT) more=(snat to "$to") ;;
  DNAT) more=(dnat to "$to") ;;
  TCPMSS) ;;
  LOG|"") more=(counter) ;;
  *) no ;;
esac
rule="${parts[*]} ${more[*]} comment \"$(md5sum <<<"${parts[*]} ${more[*]}" | cut -c1-16)\""
mark=$(md5sum <<<"${parts[*]} ${more[*]}" | cut -c1-16)
handle() { nft -a list chain ip $ours "$chain" 2>/dev/null | sed -n "s/.*comment \"$mark\" # handle //p" | head -n 1; }
case $verb in
  A|append) make; nft "add rule ip $ours $chain $rule" ;;
  I|insert) make; nft "insert rule ip $ours $chain $rule" ;;
  C|check) [ -n "$(handle)" ] ;;
  D|delete) [ -n "$(handle)" ] || { echo "iptables: Bad rule (does a matching rule exist in that chain?)." >&2; exit 1; }
    nft delete rule ip $ours "$chain" handle "$(handle)" ;;
  *) no ;;
esac
"""
