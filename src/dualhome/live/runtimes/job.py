"""What a routing program is to do for a node, in no program's words: the speaker's plan, where its peers are, and its rules as steps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from dualhome.bgp.config import PeerConfig, SpeakerConfig
from dualhome.bgp.policy import Policy, Term
from dualhome.errors import RequestError
from dualhome.live.layout import Node
from dualhome.model import Bfd
from dualhome.net import Address, Prefix
from dualhome.plan import Plan

OWN_TAGS: Final = frozenset(("self", "originated"))  # of what the speaker originates, as rules name it
WELL_KNOWN: Final = {"no-export": 0xFFFFFF01, "no-advertise": 0xFFFFFF02}  # RFC 1997
ANSWER_S: Final = 10  # how long a program may take for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One node's. `devices`: by peer the device that leads to it; `default`: that of the default route, "" for none."""

    config: SpeakerConfig
    directory: Path
    devices: Mapping[str, str]
    default: str = ""
    bfd: Mapping[str, Bfd] = field(default_factory=dict)

    def peers(self) -> Iterator[tuple[int, str, PeerConfig]]:
        """Number (from 1), name and configuration of each, in the order of the plan."""
        for number, (name, peer) in enumerate(self.config.peers.items(), 1):
            yield number, name, peer

    def version(self, peer: str) -> int:
        """4 or 6: the family of the session and of its routes."""
        return self.config.peers[peer].session.remote_address.version

    @property
    def versions(self) -> tuple[int, ...]:
        """Families of the sessions, or of the origins where there is no session."""
        return tuple(sorted({self.version(name) for name in self.config.peers})) or (4,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process to start. `ready`: the socket that is there once it can be asked."""

    name: str
    command: tuple[str, ...]
    ready: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A route that a program has from a peer, before its rules."""

    prefix: str
    next_hop: str
    as_path: str


class Runtime(Protocol):
    """A routing program. Where commands are given they are to be run in the node's namespace, in the order given."""

    @property
    def file(self) -> str:
        """Name of its configuration within the job's directory; one that the user wrote goes there too."""
        ...

    @property
    def owner(self) -> str | None:
        """The user and group that must own the directory; None: root."""
        ...

    def missing(self) -> str:
        """Why it can't be used here, and what would help; "" where it can."""
        ...

    def configuration(self, job: Job) -> str:
        """Its text.

        Raises:
            RequestError: the network asks for what this program can't do.
        """
        ...

    def check_configuration(self, file: Path) -> str:
        """The program's own words on what is wrong in a file; "" where nothing is."""
        ...

    def processes(self, job: Job) -> tuple[Process, ...]:
        """Each to be started once the one before is ready; they stay in the foreground and end on SIGTERM."""
        ...

    def load(self, job: Job) -> tuple[str, ...]:
        """A command to run once all are ready; () for none."""
        ...

    def ask_states(self, job: Job) -> tuple[str, ...]:
        """The command whose output `states` reads."""
        ...

    def states(self, job: Job, answer: str) -> dict[str, str]:
        """By peer's name the session's state, as RFC 4271 calls it."""
        ...

    def ask_learned(self, job: Job, peer: str) -> tuple[str, ...]:
        """The command whose output `learned` reads."""
        ...

    def learned(self, answer: str) -> tuple[Learned, ...]:
        """What a peer sent."""
        ...

    def shell(self, job: Job) -> tuple[str, ...]:
        """The command that opens its own shell."""
        ...

    def show(self, job: Job, peer: str = "") -> tuple[str, ...]:
        """Words for that shell: what shows its table, or what it tells a peer."""
        ...


def job_of(plan: Plan, node: Node, directory: Path) -> Job:
    """A node's speaker as a job.

    Raises:
        RequestError: it originates something only under a condition, which is the built-in speaker's alone.
    """
    config = plan.speakers[node.name].config
    if conditional := [each for each in plan.conditions if each.speaker == node.name]:
        said = ", ".join(f"{each.prefix} while {each.host}" for each in conditional)
        raise RequestError(f"{node.name}: only the built-in runtime originates under a condition ({said}); leave out `while`, or `runtime`")
    nic = next((each.device for each in node.interfaces if each.nic), "")
    wires = {name: wire.device for name in config.peers if (wire := node.toward(name)) is not None}
    bfd = {other: s.bfd for s in plan.sessions if s.bfd and node.name in s.ends for other in s.ends if other != node.name}
    return Job(config=config, directory=directory, devices={name: wires.get(name, nic) for name in config.peers}, default=nic, bfd=bfd)


# --- rules --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A term of a policy for one session. None matches all; lists are never empty. `peers`: from whom, "" for what is the speaker's own."""

    name: str
    equals: tuple[Prefix, ...] | None = None
    within: tuple[Prefix, ...] | None = None
    path: tuple[int, ...] | None = None
    path_any: tuple[int, ...] | None = None
    communities: tuple[int, ...] | None = None
    communities_any: tuple[int, ...] | None = None
    peers: tuple[str, ...] | None = None
    actions: tuple[tuple[str, object], ...] = ()
    then: str = "accept"


def steps_of(job: Job, peer: str, policy: Policy, *, inbound: bool) -> list[Step]:
    """A policy's terms, without those that can't match a route of this session."""
    found = []
    for term in policy:
        step = _step(job, peer, term, inbound=inbound)
        if () not in (step.equals, step.within, step.path_any, step.communities_any, step.peers):
            found.append(step)
    return found


def _step(job: Job, peer: str, term: Term, *, inbound: bool) -> Step:
    for key in term.match:
        if key not in ("prefix_equals", "prefix_within", "as_path_equals", "as_path_contains", "community_all", "community_any", "from"):
            raise RequestError(f"{job.config.name}/{peer}: rule {term.name!r} matches by {key}, which only the built-in runtime does")
    actions = tuple(item for action in term.do for item in action.items())
    if any(key == "prefix_replace" for key, _ in actions):
        raise RequestError(
            f"{job.config.name}/{peer}: rule {term.name!r} replaces prefixes by a summary, which only the built-in runtime does"
        )
    return Step(
        name=term.name,
        equals=_prefixes(job, peer, term.match.get("prefix_equals")),
        within=_prefixes(job, peer, term.match.get("prefix_within")),
        path=_tuple(term.match.get("as_path_equals")),
        path_any=_tuple(term.match.get("as_path_contains")),
        communities=_communities(term.match.get("community_all")) or None,
        communities_any=_communities(term.match.get("community_any")),
        peers=_sources(job, peer, _tuple(term.match.get("from")), inbound=inbound),
        actions=tuple((key, value) for key, value in actions),
        then=term.then,
    )


def _tuple(value: object) -> tuple[int, ...] | None:
    return tuple(value) if isinstance(value, list | tuple) else None


def _prefixes(job: Job, peer: str, value: object) -> tuple[Prefix, ...] | None:
    """Those of the session's family."""
    if not isinstance(value, list | tuple):
        return None
    return tuple(prefix for prefix in map(Prefix.parse, value) if prefix.version == job.version(peer))


def _sources(job: Job, peer: str, words: tuple[object, ...] | None, *, inbound: bool) -> tuple[str, ...] | None:
    """Peers that these tags mean. Of what comes in the source is known: the criterion holds of all or of nothing."""
    if words is None:
        return None
    named = [name for name, each in job.config.peers.items() if set(each.policy.tags) & set(words)]
    if inbound:
        return None if peer in named else ()
    return (*(("",) if OWN_TAGS & set(words) else ()), *named)


def _communities(value: object) -> tuple[int, ...] | None:
    return tuple(map(community, value)) if isinstance(value, list | tuple) else None


def community(text: str) -> int:
    """Its number: of `65001:100`, `no-export`."""
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    high, _, low = text.partition(":")
    return int(high) << 16 | int(low)


def listed(value: object) -> list[int]:
    """An action's list of ASNs."""
    assert isinstance(value, list | tuple), f"{value!r} is no list"
    return [int(each) for each in value]


def numbered(value: object) -> list[int]:
    """An action's list of communities."""
    assert isinstance(value, list | tuple), f"{value!r} is no list"
    return [community(str(each)) for each in value]


def address_of(value: object) -> Address | None:
    """An action's next hop; None for `unchanged`."""
    return None if value == "unchanged" else Address.parse(str(value))


def whole_seconds(seconds: float) -> int:
    """As programs count: 0 stays 0, what is less than a second becomes one."""
    return 0 if seconds == 0 else max(1, round(seconds))


def words_of(command: Sequence[str]) -> str:
    """What a command prints where it fails, on either channel; "" where it succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    return (done.stdout + done.stderr).strip() or f"it ended with {done.returncode}" if done.returncode else ""
