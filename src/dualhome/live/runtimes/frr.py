"""FRR 8.4: zebra, staticd, bgpd and, where BFD is on, bfdd; one configuration for all of them, told by vtysh.

zebra reads the node's kernel routes and resolves next hops by them, its default route included; it writes plain multipath routes of protocol `bgp`.
What rules ask about a route's source (`learned_from`) is kept in the route's tag, which stays within the speaker.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from dualhome.bgp.config import OriginConfig, PeerConfig
from dualhome.errors import RequestError
from dualhome.fabric.state import NEXT_HOP
from dualhome.live.runtimes.job import Job, Learned, Process, Step, address_of, listed, numbered, steps_of, whole_seconds, words_of
from dualhome.net import WIDTH, Prefix

DAEMONS: Final = Path("/usr/lib/frr")
OWN_TAG: Final = 1  # of what the speaker originates; a peer's is its number and this
GAP: Final = 10  # between the entries of a route map


class Frr:
    """The runtime `frr`."""

    file = "frr.conf"
    owner = "frr"

    def missing(self) -> str:
        """Debian's package has all in one."""
        there = shutil.which("vtysh") and all((DAEMONS / each).exists() for each in ("zebra", "staticd", "bgpd", "bfdd"))
        return "" if there else "FRR is not installed (apt-get install frr)"

    def configuration(self, job: Job) -> str:
        """For all of its daemons together."""
        lists = _Lists()
        maps = [line for number, name, peer in job.peers() for line in _maps(job, number, name, peer, lists)]
        head = [
            "frr defaults traditional",
            f"hostname {job.config.name}",
            "no zebra nexthop kernel enable",  # plain multipath routes instead of nexthop objects
            *(f"{_ip(version)} nht resolve-via-default" for version in job.versions),  # the fabric is behind the default route
            *_ways_to_peers(job),
        ]
        return "\n".join([*head, *_profiles(job), *lists.lines, *_origin_maps(job), *maps, *_bgp(job)]) + "\n"

    def check_configuration(self, file: Path) -> str:
        """As vtysh reads it: `line 7: % Unknown command: …`."""
        said = words_of(("vtysh", "--config_dir", str(file.parent), "-C", "-f", str(file)))
        return "\n".join(line for line in said.splitlines() if "vtysh.conf" not in line)  # a file that needn't be there

    def processes(self, job: Job) -> tuple[Process, ...]:
        """zebra first, for the others speak to it."""
        where = job.directory
        made = []
        for name in ("zebra", "staticd", *(("bfdd",) if job.bfd else ()), "bgpd"):
            command = (
                str(DAEMONS / name), "-u", "frr", "-g", "frr", "-f", "/dev/null", "--vty_socket", str(where), "-z", str(where / "zserv.api"),
                "-i", str(where / f"{name}.pid"), "-P", "0", "--log", f"file:{where / 'log'}", "--log-level", "informational",
                *(("--bfdctl", str(where / "bfdd.sock")) if name == "bfdd" else ()),
            )  # fmt: skip
            made.append(Process(name=name, command=command, ready=where / f"{name}.vty"))
        return tuple(made)

    def load(self, job: Job) -> tuple[str, ...]:
        """All daemons take the configuration as one."""
        return (*_vtysh(job), "-f", str(job.directory / self.file))

    def ask_states(self, job: Job) -> tuple[str, ...]:
        """JSON, by the peer's address."""
        return (*_vtysh(job), "-d", "bgpd", "-c", "show bgp neighbors json")

    def states(self, job: Job, answer: str) -> dict[str, str]:
        """What bgpd calls Clearing or Deleted is Idle."""
        told = json.loads(answer or "{}")
        known = ("Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established")
        states = {name: told.get(str(peer.session.remote_address), {}).get("bgpState", "Idle") for _, name, peer in job.peers()}
        return {name: state if state in known else "Idle" for name, state in states.items()}

    def ask_learned(self, job: Job, peer: str) -> tuple[str, ...]:
        """JSON, by prefix."""
        address = job.config.peers[peer].session.remote_address
        show = f"show bgp ipv{address.version} unicast neighbors {address} received-routes json"
        return (*_vtysh(job), "-d", "bgpd", "-c", show)

    def learned(self, answer: str) -> tuple[Learned, ...]:
        """Empty where the session isn't up."""
        found = json.loads(answer or "{}").get("receivedRoutes", {})
        return tuple(
            Learned(prefix=prefix, next_hop=route.get("nextHop") or route.get("nextHopGlobal", ""), as_path=route.get("path", ""))
            for prefix, route in found.items()
        )

    def shell(self, job: Job) -> tuple[str, ...]:
        """One for all daemons."""
        return _vtysh(job)[:3]

    def show(self, job: Job, peer: str = "") -> tuple[str, ...]:
        """By family; several need several."""
        if not peer:
            return ("-c", f"'show bgp ipv{job.versions[0]} unicast'")
        address = job.config.peers[peer].session.remote_address
        return ("-c", f"'show bgp ipv{address.version} unicast neighbors {address} advertised-routes'")


def _vtysh(job: Job) -> tuple[str, ...]:
    return ("vtysh", "--vty_socket", str(job.directory), "--config_dir", str(job.directory))


def _ip(version: int) -> str:
    return "ip" if version == 4 else "ipv6"


def _ways_to_peers(job: Job) -> Iterator[str]:
    """A route to each peer, so that no route of BGP that covers it takes its place."""
    for name, device in job.devices.items():
        address = job.config.peers[name].session.remote_address
        if device:
            yield f"{_ip(address.version)} route {address.host_prefix} {NEXT_HOP[address.version]} {device} onlink"


# --- sessions -----------------------------------------------------------------------------------------------------------


def _profiles(job: Job) -> Iterator[str]:
    """A profile for each session with BFD. They are multihop; the fabric may take TTL on its way, so any is welcome."""
    if job.bfd:
        yield "bfd"
        for number, name, _ in job.peers():
            if (bfd := job.bfd.get(name)) is not None:
                yield f" profile peer{number}"
                yield f"  detect-multiplier {bfd.multiplier}"
                yield f"  receive-interval {bfd.interval_ms}"
                yield f"  transmit-interval {bfd.interval_ms}"
                yield "  minimum-ttl 1"
                yield " exit"
        yield "exit"


def _bgp(job: Job) -> Iterator[str]:
    yield f"router bgp {job.config.asn}"
    yield f" bgp router-id {job.config.router_id}"
    yield " bgp log-neighbor-changes"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    yield " no bgp suppress-duplicates"
    yield " bgp graceful-restart-disable"
    yield " bgp bestpath compare-routerid"
    if "|" in job.config.rounds:  # with "|=" only routes of one neighboring AS share packets, as is FRR's default
        yield " bgp bestpath as-path multipath-relax"
    for number, name, peer in job.peers():
        yield from _neighbor(job, number, name, peer)
    for version in job.versions:
        yield from _family(job, version)
    yield "exit"


def _neighbor(job: Job, number: int, name: str, peer: PeerConfig) -> Iterator[str]:
    session = peer.session
    neighbor = f" neighbor {session.remote_address}"
    yield f"{neighbor} remote-as {session.remote_asn}"
    yield f"{neighbor} description {name}"
    if not peer.enabled:
        yield f"{neighbor} shutdown"
    if session.remote_asn != session.local_asn and peer.policy.usable:  # without it: the mistake of L-003
        yield f"{neighbor} ebgp-multihop 255"
    yield f"{neighbor} update-source {session.local_address}"
    yield f"{neighbor} timers {whole_seconds(session.keepalive_s)} {session.hold_time_s}"
    yield f"{neighbor} timers connect {whole_seconds(session.connect_retry_s)}"
    yield f"{neighbor} advertisement-interval 0"
    if session.passive:
        yield f"{neighbor} passive"
    if name in job.bfd:
        yield f"{neighbor} bfd profile peer{number}"


def _family(job: Job, version: int) -> Iterator[str]:
    yield f" address-family ipv{version} unicast"
    yield f"  maximum-paths {job.config.multipath}"
    yield f"  maximum-paths ibgp {job.config.multipath}"
    for number, origin in enumerate(job.config.origins.values(), 1):
        if origin.prefix.version == version:
            yield f"  network {origin.prefix} route-map own-{number}"
    for number, name, peer in job.peers():
        if job.version(name) == version:
            yield from _in_family(job, number, name, peer)
    yield " exit-address-family"


def _in_family(job: Job, number: int, name: str, peer: PeerConfig) -> Iterator[str]:
    policy, neighbor = peer.policy, f"  neighbor {peer.session.remote_address}"
    yield f"{neighbor} activate"
    if not policy.ebgp and policy.next_hop == "self":
        yield f"{neighbor} next-hop-self"
    if _overrides(job, name, peer):
        yield f"{neighbor} as-override"
    actions = [action for stage in policy.export for step in steps_of(job, name, stage, inbound=False) for action in step.actions]
    if any(_keeps_next_hop(job, name, key, value) for key, value in actions):
        yield f"{neighbor} attribute-unchanged next-hop"
    if policy.allowas_in:
        yield f"{neighbor} allowas-in {policy.allowas_in}"
    if policy.max_prefixes is not None:
        yield f"{neighbor} maximum-prefix {policy.max_prefixes}"
    if not policy.send_communities:
        yield f"  no neighbor {peer.session.remote_address} send-community"
    if policy.weight:
        yield f"{neighbor} weight {policy.weight}"
    if policy.reflector_client:
        yield f"{neighbor} route-reflector-client"
    yield f"{neighbor} soft-reconfiguration inbound"
    yield f"{neighbor} route-map import-{number} in"
    yield f"{neighbor} route-map export-{number} out"


def _is_override(job: Job, peer: PeerConfig, value: object) -> bool:
    """The peer's ASN becomes the speaker's own: what FRR's as-override does."""
    return value == {"from": peer.session.remote_asn, "to": job.config.asn}


def _overrides(job: Job, name: str, peer: PeerConfig) -> bool:
    steps = [step for stage in peer.policy.export for step in steps_of(job, name, stage, inbound=False)]
    return any(key == "path_substitute" and _is_override(job, peer, value) for step in steps for key, value in step.actions)


# --- rules --------------------------------------------------------------------------------------------------------------


class _Lists:
    """Prefix lists, AS path lists and community lists that route maps name; each once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[tuple[str, tuple[str, ...]], str] = {}

    def name(self, kind: str, entries: Iterable[str]) -> str:
        """Of a list of this kind with these entries, any of which may match."""
        key = (kind, tuple(entries))
        if key not in self._known:
            self._known[key] = name = f"list{len(self._known) + 1}"
            numbered_entries = (f" seq {5 * place}" if "community" not in kind else "" for place in range(1, len(key[1]) + 1))
            self.lines += [f"{kind} {name}{place} permit {entry}" for place, entry in zip(numbered_entries, key[1], strict=True)]
        return self._known[key]


def _origin_maps(job: Job) -> Iterator[str]:
    for number, origin in enumerate(job.config.origins.values(), 1):
        yield f"route-map own-{number} permit {GAP}"
        yield f" set tag {OWN_TAG}"
        yield from _of_origin(origin)
        yield "exit"


def _of_origin(origin: OriginConfig) -> Iterator[str]:
    if origin.as_path:
        yield f" set as-path prepend {_asns(origin.as_path)}"
    if origin.communities:
        yield f" set community {' '.join(origin.communities)}"
    if origin.origin != "igp":
        yield f" set origin {origin.origin}"


def _maps(job: Job, number: int, name: str, peer: PeerConfig, lists: _Lists) -> Iterator[str]:
    """What comes from a peer gets its tag at the end; what goes to it runs through the stages of its export."""
    rules = steps_of(job, name, (*peer.policy.checks, *peer.policy.rules), inbound=True)
    yield from _route_map(job, f"import-{number}", name, [rules], lists, last=[f"set tag {number + OWN_TAG}"])
    stages = [steps_of(job, name, stage, inbound=False) for stage in peer.policy.export]
    if _overrides(job, name, peer):
        stages = [[_after_override(step, peer.session.remote_asn, job.config.asn) for step in stage] for stage in stages]
    yield from _route_map(job, f"export-{number}", name, stages, lists, last=[])


def _after_override(step: Step, theirs: int, own: int) -> Step:
    """FRR overrides before its route map runs, so there the speaker's own ASN stands where the peer's would."""

    def turned(asns: Iterable[int] | None) -> tuple[int, ...] | None:
        return None if asns is None else tuple(own if asn == theirs else asn for asn in asns)

    actions = tuple((key, turned(listed(value)) if key in ("prepend", "path_remove") else value) for key, value in step.actions)
    return replace(step, path=turned(step.path), path_any=turned(step.path_any), actions=actions)


def _route_map(job: Job, name: str, peer: str, stages: Sequence[Sequence[Step]], lists: _Lists, last: Sequence[str]) -> Iterator[str]:
    """Entries, one for each source that a step allows; `accept` goes on at the next stage, the last entry permits what is left."""
    entries = [[(step, source) for source in step.peers or (None,)] for stage in stages for step in stage]
    starts = [GAP * (1 + sum(map(len, entries[:i]))) for i in range(len(entries) + 1)]
    ends = [
        sum(map(len, stages[: i + 1])) for i, stage in enumerate(stages) for _ in stage
    ]  # of each step, the first one of the next stage
    for i, group in enumerate(entries):
        for j, (step, source) in enumerate(group):
            yield f"route-map {name} {'deny' if step.then == 'reject' else 'permit'} {starts[i] + GAP * j}"
            yield f" description {step.name}"
            yield from (f" {line}" for line in _criteria(job, peer, step, source, lists))
            if step.then != "reject":
                yield from (f" {line}" for line in _changes(job, peer, step, lists))
                yield f" on-match goto {starts[ends[i] if step.then == 'accept' else i + 1]}"
            yield "exit"
    yield f"route-map {name} permit {starts[-1]}"
    yield from (f" {line}" for line in last)
    yield "exit"


def _criteria(job: Job, peer: str, step: Step, source: str | None, lists: _Lists) -> Iterator[str]:
    """One list a kind: FRR has room for one, so `equals` and `contains` of the same kind are put together beforehand."""
    version = job.version(peer)
    if step.equals is not None or step.within is not None:
        entries = [str(p) for p in step.equals or () if step.within is None or any(w.covers(p) for w in step.within)]
        if step.equals is None:
            entries = [_beneath(p) for p in step.within or ()]
        name = lists.name(f"{_ip(version)} prefix-list", entries or [f"{'0.0.0.0/32' if version == 4 else '::/128'}"])
        yield f"match {_ip(version)} address prefix-list {name}"
    if step.path is not None and (step.path_any is None or set(step.path) & set(step.path_any)):
        whole = f"^{'_'.join(map(str, step.path))}$"
        yield f"match as-path {lists.name('bgp as-path access-list', [whole])}"
    elif step.path_any is not None:
        never = step.path is not None
        yield f"match as-path {lists.name('bgp as-path access-list', ['^0$'] if never else [f'_{asn}_' for asn in step.path_any])}"
    if step.communities is not None or step.communities_any is not None:
        every = step.communities or ()
        entries = [_communities((*every, *more)) for more in ([(each,) for each in step.communities_any] if step.communities_any else [()])]
        yield f"match community {lists.name('bgp community-list standard', entries)}"
    if source is not None:
        yield f"match tag {OWN_TAG + (list(job.config.peers).index(source) + 1 if source else 0)}"


def _beneath(prefix: Prefix) -> str:
    width = WIDTH[prefix.version]
    return f"{prefix} le {width}" if prefix.length < width else str(prefix)


def _changes(job: Job, peer: str, step: Step, lists: _Lists) -> Iterator[str]:
    """The sum of a step's actions: FRR has room for one command of a kind."""
    prepended: list[int] = []
    removed: list[int] = []
    added: list[int] = []
    dropped: list[int] = []
    cleared = False
    for key, value in step.actions:
        match key:
            case "prepend":
                prepended = [*listed(value), *prepended]
            case "path_remove":
                removed, prepended = [*removed, *listed(value)], [asn for asn in prepended if asn not in listed(value)]
            case "community_add":
                added, dropped = [*added, *numbered(value)], [each for each in dropped if each not in numbered(value)]
            case "community_replace":
                cleared, added, dropped = True, numbered(value), []
            case "community_remove":
                added, dropped = [each for each in added if each not in numbered(value)], [*dropped, *numbered(value)]
            case "local_preference":
                yield f"set local-preference {value}"
            case "med":
                yield f"set metric {value}"
            case "weight":
                yield f"set weight {value}"
            case "next_hop" if _keeps_next_hop(job, peer, key, value):
                pass  # the neighbor's attribute-unchanged
            case "next_hop":
                yield _next_hop(job.version(peer), value)
            case "path_substitute" if _is_override(job, job.config.peers[peer], value):
                pass  # the neighbor's as-override
            case _:
                raise RequestError(
                    f"{job.config.name}/{peer}: FRR can't do what rule {step.name!r} asks for ({key}); use `runtime: bird` or `builtin`"
                )
    if removed:
        yield f"set as-path exclude {_asns(removed)}"
    if prepended:
        yield f"set as-path prepend {_asns(prepended)}"
    if added or cleared:
        yield f"set community {_communities(added) or 'none'}{'' if cleared else ' additive'}"
    if dropped and not cleared:
        yield f"set comm-list {lists.name('bgp community-list standard', [_communities([each]) for each in dropped])} delete"


def _keeps_next_hop(job: Job, peer: str, key: str, value: object) -> bool:
    """FRR's route maps can't say so of IPv6."""
    return key == "next_hop" and address_of(value) is None and job.version(peer) == 6


def _next_hop(version: int, value: object) -> str:
    address = address_of(value)
    if address is None:
        return f"set {_ip(version)} next-hop unchanged"
    return f"set ip next-hop {address}" if version == 4 else f"set ipv6 next-hop global {address}"


def _asns(asns: Iterable[int]) -> str:
    return " ".join(map(str, asns))


def _communities(values: Iterable[int]) -> str:
    named = {0xFFFFFF01: "no-export", 0xFFFFFF02: "no-advertise"}
    return " ".join(named.get(each, f"{each >> 16}:{each & 0xFFFF}") for each in values)
