"""The Rust core: bytes, RIBs, decision, policy, longest match. Private; `dualhome.bgp` wraps it.

Prefixes cross as `(version, bits, length)`, addresses as text, policies as JSON (see `dualhome.bgp.policy`), messages as bytes.
"""

from collections.abc import Sequence
from os import PathLike
from typing import final

PrefixTuple = tuple[int, int, int]

class WireError(Exception):
    """A message that RFC 4271 section 6 answers with a NOTIFICATION; args: (code, subcode, data, reason)."""

    code: int
    subcode: int
    data: bytes
    reason: str

@final
class Framer:
    """Cuts a byte stream into messages (RFC 4271 section 4.1, RFC 8654). One per transport."""

    def __init__(self) -> None: ...
    def extend(self) -> None:
        """From now on messages up to 65535 octets are fine (RFC 8654), but OPEN and KEEPALIVE."""

    def feed(self, data: bytes) -> tuple[list[tuple[int, bytes]], WireError | None]:
        """Messages that are complete now, as (type, bytes): a run of consecutive UPDATEs is one item of type 2 that holds them whole with
        their headers; the other types come one an item and hold the body alone, without header. The error, if any, is of what follows
        them; after one the framer gives nothing more.
        """

@final
class OpenMessage:
    """A decoded OPEN (RFC 4271 section 4.2, RFC 5492, RFC 9072). Unknown capabilities stay in `capabilities`."""

    version: int
    asn: int  # the 4-octet one where the capability is there (RFC 6793), else My Autonomous System
    my_as: int  # the 2-octet field as sent
    hold_time_s: int
    router_id: str
    four_octet_as: bool
    route_refresh: bool
    extended_message: bool
    families: list[tuple[int, int]]  # (afi, safi) of RFC 4760; [(1, 1)] where the peer names none
    graceful_restart: tuple[int, int, list[tuple[int, int, int]]] | None  # flags, time in s, (afi, safi, flags)
    capabilities: list[tuple[int, bytes]]

def decode_open(body: bytes) -> OpenMessage:
    """Raises WireError 2/x: unsupported version, bad identifier (0), malformed parameters, hold time 1 or 2 (2/6), AS 0 (2/2)."""

def encode_open(
    *,
    asn: int,
    hold_time_s: int,
    router_id: str,
    families: list[tuple[int, int]],
    four_octet_as: bool = True,
    route_refresh: bool = True,
    extended_message: bool = True,
    graceful_restart: bool = True,
    more: Sequence[tuple[int, bytes]] | None = None,
) -> bytes:
    """A whole OPEN message; `more`: further capabilities, (code, value); AS_TRANS (23456) in My Autonomous System where the ASN needs four octets. `graceful_restart` sends the
    capability with time 0 and no families: that End-of-RIB will be sent (RFC 4724 section 4).
    """

def count_messages(data: bytes) -> int:
    """How many messages there are in a run of whole ones."""

def encode_keepalive() -> bytes: ...
def encode_notification(code: int, subcode: int, data: bytes = b"") -> bytes: ...
def decode_notification(body: bytes) -> tuple[int, int, bytes]: ...
def encode_route_refresh(afi: int, safi: int) -> bytes: ...
def decode_route_refresh(body: bytes) -> tuple[int, int, int]:
    """(afi, subtype, safi); WireError where its length is wrong (RFC 7313 section 5)."""

@final
class UpdateRow:
    """One NLRI of an UPDATE, for tests and tools; the bulk path never makes these."""

    prefix: PrefixTuple
    withdrawn: bool
    next_hop: str | None
    as_path: str
    origin: str | None
    med: int | None
    local_preference: int | None
    communities: list[str]
    large_communities: list[str]
    error: str | None  # set where RFC 7606 says treat-as-withdraw: the attribute and defect

def decode_updates(data: bytes, four_octet_as: bool = True) -> list[UpdateRow]:
    """Rows of whole UPDATE messages (with headers). Raises WireError where the session must be reset."""

def encode_updates(rows: list[UpdateRow] | str, four_octet_as: bool = True, max_message: int = 4096) -> bytes:
    """Whole UPDATE messages from a JSON list of objects with UpdateRow's keys (prefix as text); rows with equal attributes share
    messages. For tests and tools.
    """

@final
class Route:
    """One path to one prefix, as a RIB holds it. Immutable copy."""

    prefix: PrefixTuple
    next_hop: str
    as_path: str  # "65001 12076 {65010,65011}"; "" for none
    as_path_length: int  # RFC 4271 9.1.2.2 a: a set counts 1
    origin: str  # "igp" | "egp" | "incomplete"
    med: int | None
    local_preference: int
    weight: int
    communities: list[str]  # "65517:65517", "no-export", "no-advertise", "no-export-subconfed"
    large_communities: list[str]
    peer: int  # -1: originated here
    tags: list[str]  # of the peer, or given at origination
    best: bool
    multipath: bool  # the best and those equal to it before the tie-breakers
    lost_in: str | None  # the name of the round it lost in; None for the best
    reason: str | None  # why refused: as-loop | own-prefix | branch-tag | remote-virtual-network | policy | invalid | cluster-loop |
    # first-as | martian | own-next-hop | no-import-policy | route-leak
    detail: str | None  # the term's name, or what was wrong

@final
class Rib:
    """Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker. Bytes in, bytes out; no I/O, no clock.

    `rounds`: names of the decision's rounds in order; "|" stands where the tie-breakers begin: what is left there is the multipath set;
    "|=" where of these only routes of the best one's neighboring AS are.
    Known rounds: next-hop (drops routes of peers whose next hops can't be used), preference (R107 class filter, by `preference`),
    weight (highest), local-preference (highest), self (own routes first), as-path (shortest), preference-tie (under ASPath keep
    ExpressRoute, D12), origin (lowest), med (RFC 4271 9.1.2.2 c, missing = 0), med-of-any (lowest, whatever the neighboring AS),
    ebgp (eBGP over iBGP), |, router-id (lowest router ID, or ORIGINATOR_ID), cluster-list (shortest), peer-address (lowest),
    peer (lowest number; always decides).
    """

    def __new__(
        cls,
        *,
        asn: int,
        router_id: str,
        rounds: list[str],
        preference: str = "ExpressRoute",
        cluster_id: str | None = None,
        multipath: int = 64,
    ) -> Rib: ...
    def set_decision(self, *, rounds: list[str], preference: str) -> None:
        """All is decided anew."""

    def set_peer(self, peer: int, config: str) -> None:
        """Add a peer, or change one that is there; JSON, see bgp/policy.py `PeerPolicy`. Whatever the peer sent is judged anew under
        changed checks and rules, and what it is told follows changed export; no session is reset. Raises ValueError for a bad
        configuration, and then nothing is changed.
        """

    def remove_peer(self, peer: int) -> None: ...
    def peer_up(self, peer: int, *, four_octet_as: bool, families: list[tuple[int, int]], max_message: int, router_id: str) -> None:
        """The session is Established: its whole Adj-RIB-Out, then End-of-RIB, is to be sent. What was kept of a former one stays."""

    def peer_down(self, peer: int, *, keep: Sequence[tuple[int, int]] | None = None) -> None:
        """The session ended: its Adj-RIB-Out is gone, and so is all that it announced; of the families (afi, safi) to keep, what it announced stays as
        stale, but for what was stale already (RFC 4724 section 4.2).
        """

    def mark_stale(self, peer: int, afi: int, safi: int) -> None:
        """What the peer announced of a family is stale from now on, until it announces it again. Stale routes are used as others are."""

    def sweep_stale(self, peer: int, afi: int, safi: int) -> int:
        """What is still stale of a family goes; how many routes that were."""

    def ended(self, peer: int) -> list[tuple[int, int]]:
        """Families whose End-of-RIB (RFC 4724 section 2) the peer sent since this was asked last."""

    def receive(self, peer: int, updates: bytes) -> WireError | None:
        """Whole UPDATE messages, as the framer gives them. What RFC 7606 lets live lives; an error is returned where the session must be
        reset (also 6/1: too many prefixes; 6/8: they take too much memory).
        """

    def originate(self, prefix: PrefixTuple, attributes: str) -> None:
        """JSON: {"as_path": [asn…], "next_hop": "10.0.0.4", "origin": "igp", "med": null, "local_preference": 100, "weight": 32768,
        "communities": ["65001:100"], "large_communities": ["65001:1:2"], "tags": ["self", …]}; replaces a former one.
        """

    def withdraw(self, prefix: PrefixTuple) -> None: ...
    def process(self) -> int:
        """Decide what is dirty; how many prefixes have another best or multipath set now."""

    def version(self) -> int:
        """Grows whenever a best or multipath set changes."""

    def changes(self) -> list[PrefixTuple]:
        """Prefixes whose best or multipath set changed since the last call, sorted; recording starts with the first call."""

    def output(self, peer: int, max_bytes: int = 65536) -> bytes:
        """Whole messages that are to be sent next; b"" when there are none."""

    def pending(self) -> list[int]:
        """Peers that `output` has something for, ascending."""

    def refresh(self, peer: int, afi: int, safi: int, *, enhanced: bool = False) -> None:
        """The peer asked for all again (RFC 2918); with `enhanced` a Begin-of-RIB and an End-of-RIB refresh stand around it (RFC 7313)."""

    def candidates(self, prefix: PrefixTuple | None = None) -> list[Route]:
        """Every path that was let in, by prefix; of one prefix the best first, then in the order in which they lost (latest round first)."""

    def best(self) -> list[tuple[PrefixTuple, list[tuple[str, int, int]]]]:
        """The Loc-RIB in bulk, sorted: prefix, then (next hop, peer or -1, AS path length) of its multipath set, the best first, the rest
        by next hop.
        """

    def lookup(self, address: str) -> list[Route]:
        """The multipath set of the longest prefix that covers the address; [] for none."""

    def received(self, peer: int, prefix: PrefixTuple | None = None) -> list[Route]:
        """What the peer announced and the checks let in, as it was before the rules ran; `reason` is "policy" where a rule then refused
        it.
        """

    def rejected(self, peer: int | None = None, prefix: PrefixTuple | None = None) -> list[Route]:
        """What was received and refused by a check, a rule or RFC 7606, as received."""

    def advertised(self, peer: int, prefix: PrefixTuple | None = None) -> list[Route]:
        """The Adj-RIB-Out of the peer, attributes as on the wire (`peer` is where each came from)."""

    def prefixes(self, peer: int | None = None, after: PrefixTuple | None = None, limit: int = 1000) -> list[PrefixTuple]:
        """The first so many prefixes beyond one, sorted: those that a peer announced, refused or not, or that anybody did. One of a million costs
        as much as some thousand.
        """

    def blocks(
        self, stage: str, peer: int | None, prefixes: list[PrefixTuple]
    ) -> tuple[list[tuple[PrefixTuple, int, int]], list[tuple[bytes, str]]]:
        """The paths of these prefixes, of one peer or of all: (prefix, peer or -1, place), and by place path attributes and next hop. `stage`:
        "received", as they were announced, but for those that RFC 7606 withdraws; "accepted", as the rules let them in. Attributes are octets,
        by type code, four-octet AS numbers, without MP_REACH_NLRI. What no message can hold is left out.
        """

    def over_limit(self, peer: int) -> int:
        """How many prefixes of the peer came beyond a limit that doesn't end the session, since it began."""

    def memory(self, peer: int) -> int:
        """Octets of memory that the peer's routes take, as if nobody else had their prefixes and attributes; to a sixty-fourth."""

    def counts(self, peer: int) -> tuple[int, dict[str, int], int, int]:
        """How many routes of the peer were let in, were refused (by reason), are told to it, and came beyond a limit that doesn't end the session."""

    def explain_import(self, peer: int, prefix: PrefixTuple) -> str:
        """JSON list of steps: {"step", "effect": "pass"|"change"|"reject", "term", "reason", "before": {...}, "after": {...}} with
        as_path, next_hop, communities, local_preference, med in before and after. [] where the peer announced no such prefix.
        """

    def explain_export(self, peer: int, prefix: PrefixTuple) -> str:
        """The same for what this peer is told of the best route; steps are the fixed ones too: "split-horizon", "no-advertise",
        "no-export", "ibgp-to-ibgp", "own-asn", "next-hop".
        """

    def peer_statistics(self, peer: int) -> dict[str, int]:
        """Since the session began: updates_in, updates_out, announced_in, withdrawn_in, too_long_out (attributes that no message of the session can hold),
        rejected_in (routes that a check or a rule refused as they came), UPDATEs whose routes were refused as loops: as_loops_in, cluster_loops_in,
        originator_loops_in; treated_as_withdraw (UPDATEs), prefixes_treated_as_withdraw; and for what occurred malformed/ATTRIBUTE/VERDICT, the verdict
        in the words of RFC 7606.
        """

    def statistics(self) -> dict[str, int]:
        """prefixes, paths, attributes (distinct blocks), rejected, update_groups, updates_in, updates_out, too_long_out."""

@final
class Table:
    """Longest match from prefix to a number, in bulk."""

    def __new__(cls, rows: list[tuple[PrefixTuple, int]]) -> Table: ...
    def lookup(self, version: int, bits: int) -> tuple[PrefixTuple, int] | None: ...

ROUTE_PROTOCOL: int
"""The mark of routes and nexthop objects that are ours: 84 (`proto 84`)."""

def namespace_create(path: str | PathLike[str]) -> None:
    """A new network namespace, mounted on a new file. Its directory must be there; it becomes a mount of its own that others share, as with
    `ip netns add`. FileExistsError where the file is there already.
    """

def namespaces_create(paths: Sequence[str | PathLike[str]]) -> None:
    """Several, 0.6 ms each; where one fails, those before it stay."""

def namespace_delete(path: str | PathLike[str]) -> None:
    """Unmount and unlink; fine where it isn't there or isn't mounted. The namespace and its links end when nobody uses it any more, and a
    little later: the kernel clears up in the background.
    """

def namespaces_delete(paths: Sequence[str | PathLike[str]]) -> None: ...
def namespace_directory_delete(directory: str | PathLike[str]) -> None:
    """All namespaces of a directory, and the directory; fine where it isn't there."""

@final
class Namespace:
    """An open network namespace, with one rtnetlink socket in it. The caller's threads stay in theirs.

    A device is its name or its number (interface index); a MAC is six octets, b"" the kernel's choice. What the system refuses is an OSError
    whose text begins with what was tried: `[Errno 17] veth p16 (16) with eth0 (0): File exists`. Of batches the good part is done, and the first
    refusal raised; routes and nexthop objects give all refusals back as (index, errno, text).
    """

    def __new__(cls, path: str | PathLike[str]) -> Namespace: ...
    @property
    def path(self) -> str: ...
    def fileno(self) -> int:
        """The namespace's own file descriptor, for setns; it is closed with the last reference to this object."""

    def socket(self, family: int, kind: int, protocol: int = 0) -> int:
        """File descriptor of a socket made inside, nonblocking and closed on exec; the caller's to close. `socket.socket(fileno=...)` takes it,
        but Python thinks that it blocks until it is told `setblocking(False)`.
        """

    def sysctl(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Write keys below `net`: `net.ipv4.ip_forward`, or with slashes where a device's name has a dot. The first that fails ends it."""

    def veth(
        self,
        name: str,
        number: int,
        mac: bytes,
        peer_name: str,
        peer: Namespace,
        peer_mac: bytes,
        peer_number: int = 0,
        *,
        mtu: int = 1500,
        up: bool = True,
    ) -> None:
        """A pair: this end here, the other in `peer`. Number 0: the kernel's choice."""

    def veths(self, pairs: Sequence[tuple[str, int, bytes, str, Namespace, bytes, int]], *, mtu: int = 1500, up: bool = True) -> None:
        """Many pairs: (name, number, mac, peer_name, peer, peer_mac, peer_number); about 1 ms each."""

    def tap(self, name: str, number: int = 0, mac: bytes | None = None, *, up: bool = True) -> int:
        """A tap that stays when nobody has it open; its number."""

    def link_up(self, device: str | int, up: bool = True) -> None: ...
    def link_delete(self, device: str | int) -> None:
        """With its other end, if it is a veth."""

    def links_delete(self, devices: Sequence[str | int]) -> list[tuple[int, int, str]]:
        """Many at once, which is much quicker than one after the other (20 ms each)."""

    def links(self) -> list[tuple[int, str, str, bytes, bool]]:
        """(number, name, kind, mac, up): kind is veth, tun (a tap, too), loopback, …; "" for hardware. `up` is what was asked, not the carrier."""

    def addresses(self, put: Sequence[tuple[str | int, str]] = ..., drop: Sequence[tuple[str | int, str]] = ...) -> None:
        """(device, "10.1.2.4/32"); IPv6 ones without duplicate address detection. Put again, nothing changes."""

    def neighbors(self, put: Sequence[tuple[str | int, str, bytes]] = ..., drop: Sequence[tuple[str | int, str]] = ...) -> None:
        """(device, address, mac), permanent."""

    def nexthops(
        self,
        put: Sequence[tuple[int, str | None, str | int | None, bool]] = ...,
        groups: Sequence[tuple[int, Sequence[int]]] = ...,
        drop: Sequence[int] = ...,
        *,
        protocol: int = ...,
    ) -> list[tuple[int, int, str]]:
        """Nexthop objects (id, gateway, device, onlink), then groups (id, member ids), then ids to drop; put again, they are replaced and all
        their routes move. No device: a blackhole. Gateway None or "0.0.0.0" (IPv4), "::" (IPv6): the destination itself is a neighbor. Refusals'
        indexes count through put, groups and drop. A dropped one takes its routes along.
        """

    def routes(
        self,
        put: Sequence[tuple[bytes, int, int]] = ...,
        drop: Sequence[tuple[bytes, int]] = ...,
        *,
        table: int = 254,
        protocol: int = ...,
        metric: int = 0,
    ) -> list[tuple[int, int, str]]:
        """Routes (address, length, nexthop id); 4 or 16 octets say the family. A put replaces a route of the same prefix and metric, whoever made
        it; only routes of `protocol` are dropped, of whatever kind. Metric 0 is the kernel's default (0; IPv6: 1024). Refusals' indexes count
        through put and drop.
        """

    def special_routes(
        self,
        kind: str,
        put: Sequence[tuple[bytes, int]],
        *,
        device: str | int | None = None,
        table: int = 254,
        protocol: int = ...,
        metric: int = 0,
    ) -> list[tuple[int, int, str]]:
        """Routes of a kind without nexthop: unreachable, blackhole, prohibit, throw, or local (`device` is lo if None). `routes` drops them."""

    def route_dump(self, table: int = 254) -> list[tuple[int, bytes, int, int, int, tuple[tuple[str | None, str, int], ...]]]:
        """(family, address, length, protocol, metric, ((gateway, device, weight), …)) of all routes whoever made them, IPv4 first; nexthop
        objects and groups are resolved. No hops: unreachable, blackhole, prohibit or throw.
        """

    def nexthop_dump(self) -> list[tuple[int, str | None, str | None, list[tuple[int, int]], int]]:
        """(id, gateway, device, [(member id, weight)], protocol), by id."""

@final
class Fabric:
    """The fabric's program and its maps in the kernel. Elements are packed bytes, one after the other; `fabric/kernel.py` says how. OSError where refused."""

    @staticmethod
    def create(program: bytes, entries: Sequence[tuple[str, int]], pins: str) -> Fabric:
        """Load the compiled object with so many elements in each map, and pin program and maps in a directory of a bpffs."""

    @staticmethod
    def open(pins: str) -> Fabric:
        """What is pinned there."""

    def attach(self, namespace: Namespace, ports: Sequence[int]) -> None:
        """Judge what comes in at these interfaces; it stays so when this object is gone."""

    def update(self, name: str, keys: bytes, values: bytes) -> None:
        """Write elements, in one batch where the kind of map has one."""

    def delete(self, name: str, keys: bytes) -> None:
        """Take elements away; those that aren't there are none. Of an array: make them zero."""

    def read(self, name: str) -> tuple[bytes, bytes]:
        """All keys, all values. Of an array those that aren't zero."""

    def sums(self, name: str) -> list[tuple[int, int, int]]:
        """Of counters: index, packets, bytes over all CPUs, where there were any."""
