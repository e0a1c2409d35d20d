"""BIRD 2.0.12: one process.

Next hops are resolved in a table of their own (`igp4`, `igp6`) that leads to each peer by the node's device toward it; routes of BGP go to the kernel
with all their next hops (`merge paths`). Unlike FRR and the built-in speaker, BIRD shares packets among routes of different neighboring ASes too, and
resolves no next hop over another route of BGP.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dualhome.bgp.config import OriginConfig, PeerConfig
from dualhome.fabric.state import NEXT_HOP
from dualhome.live.runtimes.job import (
    Job,
    Learned,
    Process,
    Step,
    address_of,
    community,
    listed,
    numbered,
    steps_of,
    whole_seconds,
    words_of,
)
from dualhome.net import WIDTH, Prefix

DEFAULT: Final = {4: "0.0.0.0/0", 6: "::/0"}
STATES: Final = {"Down": "Idle", "Close": "Idle", "Passive": "Active"}  # in BIRD's words, and RFC 4271's

SUBSTITUTE = """\
function substitute(int old; int new)
bgppath turned;
{
  turned = +empty+;
  for int each in bgp_path do {
    if each = old then turned = prepend(turned, new);
    else turned = prepend(turned, each);
  }
  bgp_path = +empty+;
  for int each in turned do bgp_path.prepend(each);
}"""


class Bird:
    """The runtime `bird`."""

    file = "bird.conf"
    owner: str | None = None

    def missing(self) -> str:
        """Debian's package has both."""
        return "" if shutil.which("bird") and shutil.which("birdc") else "BIRD is not installed (apt-get install bird2)"

    def configuration(self, job: Job) -> str:
        """All of it."""
        parts = [
            f'log "{job.directory / "log"}" all;',
            f"router id {job.config.router_id};",
            "protocol device { }",
            *(line for version in job.versions for line in _family(job, version)),
            SUBSTITUTE,
            *(["protocol bfd { }"] if job.bfd else []),
            *(line for number, name, peer in job.peers() for line in _peer(job, number, name, peer)),
        ]
        return "\n".join(parts) + "\n"

    def check_configuration(self, file: Path) -> str:
        """As BIRD reads it: `bird.conf:7:3 syntax error, …`."""
        return words_of(("bird", "-p", "-c", str(file)))

    def processes(self, job: Job) -> tuple[Process, ...]:
        """In the foreground."""
        where = job.directory
        command = ("bird", "-f", "-c", str(where / self.file), "-s", str(where / "bird.ctl"), "-P", str(where / "bird.pid"))
        return (Process(name="bird", command=command, ready=where / "bird.ctl"),)

    def load(self, job: Job) -> tuple[str, ...]:
        """It has read its configuration at the start."""
        return ()

    def ask_states(self, job: Job) -> tuple[str, ...]:
        """All protocols at length."""
        return (*_birdc(job), "show protocols all")

    def states(self, job: Job, answer: str) -> dict[str, str]:
        """Of a file of the user's, sessions are known by their neighbors' addresses."""
        found: dict[str, str] = {}
        state = "Idle"
        for line in answer.splitlines():
            key, _, value = line.strip().partition(":")
            if key == "BGP state":
                state = value.strip()
            elif key == "Neighbor address":
                found[value.strip().partition("%")[0]] = STATES.get(state, state)
        return {name: found.get(str(peer.session.remote_address), "Idle") for _, name, peer in job.peers()}

    def ask_learned(self, job: Job, peer: str) -> tuple[str, ...]:
        """Of the import table: before the filter."""
        number = next(number for number, name, _ in job.peers() if name == peer)
        return (*_birdc(job), f"show route import table peer{number}.ipv{job.version(peer)} all")

    def learned(self, answer: str) -> tuple[Learned, ...]:
        """A prefix, then its attributes, indented."""
        found: list[Learned] = []
        prefix = as_path = ""
        for line in answer.splitlines():
            if heading := re.match(r"([0-9a-fA-F.:]+/\d+)\s", line):
                prefix, as_path = heading[1], ""
            elif path := re.match(r"\s*BGP\.as_path:\s*(.*)", line):
                as_path = path[1].strip()
            elif hop := re.match(r"\s*BGP\.next_hop:\s*(\S+)", line):
                found.append(Learned(prefix=prefix, next_hop=hop[1], as_path=as_path))
        return tuple(found)

    def shell(self, job: Job) -> tuple[str, ...]:
        """Its client."""
        return ("birdc", "-s", str(job.directory / "bird.ctl"))

    def show(self, job: Job, peer: str = "") -> tuple[str, ...]:
        """Unquoted: it takes words."""
        number = next((number for number, name, _ in job.peers() if name == peer), None)
        return ("show", "route", "all") if number is None else ("show", "route", "export", f"peer{number}", "all")


def _birdc(job: Job) -> tuple[str, ...]:
    return ("birdc", "-r", "-s", str(job.directory / "bird.ctl"))


# --- tables -------------------------------------------------------------------------------------------------------------


def _family(job: Job, version: int) -> Iterator[str]:
    """The table of next hops, the speaker's own routes, and the kernel's, where only routes of BGP go."""
    yield f"ipv{version} table igp{version};"
    yield f"protocol static reach{version} {{"
    yield f"  ipv{version} {{ table igp{version}; }};"
    if job.default:
        yield f"  route {DEFAULT[version]} via {_by(version, job.default)};"
    for name, device in job.devices.items():
        if job.version(name) == version and device and device != job.default:
            yield f"  route {job.config.peers[name].session.remote_address.host_prefix} via {_by(version, device)};"
    yield "}"
    yield f"protocol static own{version} {{"
    yield f"  ipv{version};"
    for origin in job.config.origins.values():
        if origin.prefix.version == version:
            yield f"  route {origin.prefix} blackhole{_of_origin(origin)};"
    yield "}"
    yield f"protocol kernel kernel{version} {{"
    yield f"  ipv{version} {{ import none; export where source = RTS_BGP; }};"
    yield f"  merge paths yes limit {job.config.multipath};"
    yield "}"


def _by(version: int, device: str) -> str:
    return f"{NEXT_HOP[version]}%'{device}' onlink"


def _of_origin(origin: OriginConfig) -> str:
    words = [f"bgp_path.prepend({asn});" for asn in reversed(origin.as_path)]
    words += [f"bgp_community.add({_pair(community(each))});" for each in origin.communities]
    if origin.origin != "igp":
        words.append(f"bgp_origin = ORIGIN_{origin.origin.upper()};")
    return f" {{ {' '.join(words)} }}" if words else ""


# --- sessions -----------------------------------------------------------------------------------------------------------


def _peer(job: Job, number: int, name: str, peer: PeerConfig) -> Iterator[str]:
    session, policy, version = peer.session, peer.policy, job.version(name)
    rules = steps_of(job, name, (*policy.checks, *policy.rules), inbound=True)
    yield from _function(job, f"import_{number}", rules, version)
    stages = [steps_of(job, name, stage, inbound=False) for stage in policy.export]
    for place, stage in enumerate(stages, 1):
        yield from _function(job, f"export_{number}_{place}", stage, version)
    yield f"filter import_{number}_all {{ if import_{number}() then accept; reject; }}"
    calls = " ".join(f"if ! export_{number}_{place}() then reject;" for place in range(1, len(stages) + 1))
    yield f"filter export_{number}_all {{ {calls} accept; }}"
    yield f"protocol bgp peer{number} {{"
    yield f'  description "{name}";'
    if not peer.enabled:
        yield "  disabled yes;"
    yield f"  local {session.local_address} as {session.local_asn};"
    yield f"  neighbor {session.remote_address} as {session.remote_asn};"
    yield "  direct;" if not policy.usable else "  multihop;"  # direct: the mistake of L-003
    yield "  strict bind yes;"
    if session.passive:
        yield "  passive yes;"
    yield f"  hold time {session.hold_time_s};"
    yield f"  keepalive time {whole_seconds(session.keepalive_s)};"
    yield f"  connect retry time {whole_seconds(session.connect_retry_s)};"
    yield "  connect delay time 1;"
    yield "  error wait time 1, 60;"
    yield "  graceful restart off;"
    if policy.allowas_in:
        yield f"  allow local as {policy.allowas_in};"
    if policy.reflector_client:
        yield "  rr client;"
    if not policy.send_communities:
        yield "  interpret communities no;"
    if (bfd := job.bfd.get(name)) is not None:
        each = f"{bfd.interval_ms} ms"
        yield f"  bfd {{ min rx interval {each}; min tx interval {each}; idle tx interval {each}; multiplier {bfd.multiplier}; }};"
    yield f"  ipv{version} {{"
    yield f"    igp table igp{version};"
    yield "    gateway recursive;"
    yield "    import table on;"
    if not policy.ebgp and policy.next_hop == "self" and not _sets_next_hop(stages):
        yield "    next hop self;"
    if policy.max_prefixes is not None:
        yield f"    receive limit {policy.max_prefixes} action restart;"
    yield f"    import filter import_{number}_all;"
    yield f"    export filter export_{number}_all;"
    yield "  };"
    yield "}"


def _sets_next_hop(stages: Iterable[Iterable[Step]]) -> bool:
    return any(key == "next_hop" for stage in stages for step in stage for key, _ in step.actions)


# --- rules --------------------------------------------------------------------------------------------------------------


def _function(job: Job, name: str, steps: Iterable[Step], version: int) -> Iterator[str]:
    """Whether the list lets a route through, changed as it says."""
    yield f"function {name}() {{"
    for step in steps:
        words = [word for key, value in step.actions for word in _change(key, value, version)]
        words += {"accept": ["return true;"], "reject": ["return false;"]}.get(step.then, [])
        criteria = " && ".join(_criteria(job, step))
        yield f"  # {step.name}"
        yield f"  if {criteria or 'true'} then {{ {' '.join(words)} }}"
    yield "  return true;"
    yield "}"


def _criteria(job: Job, step: Step) -> Iterator[str]:
    if step.equals is not None:
        yield f"net ~ [ {', '.join(map(str, step.equals))} ]"
    if step.within is not None:
        yield f"net ~ [ {', '.join(map(_beneath, step.within))} ]"
    if step.path is not None:
        yield f"bgp_path ~ [= {' '.join(map(str, step.path))} =]" if step.path else "bgp_path.len = 0"
    if step.path_any is not None:
        yield f"bgp_path ~ [ {', '.join(map(str, step.path_any))} ]"
    yield from (f"{_pair(each)} ~ bgp_community" for each in step.communities or ())
    if step.communities_any is not None:
        yield "(" + " || ".join(f"{_pair(each)} ~ bgp_community" for each in step.communities_any) + ")"
    if step.peers is not None:
        numbers = {name: number for number, name, _ in job.peers()}
        yield "(" + " || ".join(f'proto = "peer{numbers[name]}"' if name else "source = RTS_STATIC" for name in step.peers) + ")"


def _beneath(prefix: Prefix) -> str:
    return f"{prefix}{{{prefix.length},{WIDTH[prefix.version]}}}"


def _change(key: str, value: object, version: int) -> Iterator[str]:
    match key:
        case "prepend":
            yield from (f"bgp_path.prepend({asn});" for asn in reversed(listed(value)))
        case "path_replace":
            yield "bgp_path = +empty+;"
            yield from (f"bgp_path.prepend({asn});" for asn in reversed(listed(value)))
        case "path_remove":
            yield from (f"bgp_path.delete({asn});" for asn in listed(value))
        case "path_substitute":
            assert isinstance(value, dict), "from and to"
            yield f"substitute({value['from']}, {value['to']});"
        case "community_add":
            yield from (f"bgp_community.add({_pair(each)});" for each in numbered(value))
        case "community_replace":
            yield "bgp_community = -empty-;"
            yield from (f"bgp_community.add({_pair(each)});" for each in numbered(value))
        case "community_remove":
            yield from (f"bgp_community.delete({_pair(each)});" for each in numbered(value))
        case "local_preference":
            yield f"bgp_local_pref = {value};"
        case "med":
            yield f"bgp_med = {value};"
        case "next_hop":
            address = address_of(value)
            yield "if defined(bgp_next_hop) then bgp_next_hop = bgp_next_hop;" if address is None else f"bgp_next_hop = {address};"
        case _:
            raise AssertionError(f"a router's rule doesn't do {key}")


def _pair(value: int) -> str:
    return f"({value >> 16}, {value & 0xFFFF})"
