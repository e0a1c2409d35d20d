"""The Rust core: bytes, RIBs, decision, policy, longest match. Private; `dualhome.bgp` wraps it.

Prefixes cross as `(version, bits, length)`, addresses as text, policies as JSON (see `dualhome.bgp.policy`), messages as bytes.
"""

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
) -> bytes:
    """A whole OPEN message; AS_TRANS (23456) in My Autonomous System where the ASN needs four octets. `graceful_restart` sends the
    capability with time 0 and no families: that End-of-RIB will be sent (RFC 4724 section 4).
    """

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
    reason: str | None  # why refused: as-loop | own-prefix | branch-tag | remote-virtual-network | policy | invalid | cluster-loop
    detail: str | None  # the term's name, or what was wrong

@final
class Rib:
    """Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker. Bytes in, bytes out; no I/O, no clock.

    `rounds`: names of the decision's rounds in order; "|" stands where the tie-breakers begin: what is left there is the multipath set;
    "|=" where of these only routes of the best one's neighboring AS are.
    Known rounds: next-hop (drops routes of peers whose next hops can't be used), preference (R107 class filter, by `preference`),
    weight (highest), local-preference (highest), self (own routes first), as-path (shortest), preference-tie (under ASPath keep
    ExpressRoute, D12),
    origin (lowest), med (RFC 4271 9.1.2.2 c, missing = 0), ebgp (eBGP over iBGP), |, router-id (lowest router ID, or ORIGINATOR_ID),
    cluster-list (shortest),
    peer-address (lowest), peer (lowest number; always decides).
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
        """The session is Established: its whole Adj-RIB-Out, then End-of-RIB, is to be sent."""

    def peer_down(self, peer: int) -> None:
        """All that it announced is gone, and so is its Adj-RIB-Out."""

    def receive(self, peer: int, updates: bytes) -> WireError | None:
        """Whole UPDATE messages, as the framer gives them. What RFC 7606 lets live lives; an error is returned where the session must be
        reset (also 6/1: too many prefixes).
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

    def refresh(self, peer: int, afi: int, safi: int) -> None:
        """The peer asked for all again (RFC 2918)."""

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

    def rejected(self, peer: int | None = None) -> list[Route]:
        """What was received and refused by a check, a rule or RFC 7606, as received."""

    def advertised(self, peer: int, prefix: PrefixTuple | None = None) -> list[Route]:
        """The Adj-RIB-Out of the peer, attributes as on the wire (`peer` is where each came from)."""

    def explain_import(self, peer: int, prefix: PrefixTuple) -> str:
        """JSON list of steps: {"step", "effect": "pass"|"change"|"reject", "term", "reason", "before": {...}, "after": {...}} with
        as_path, next_hop, communities, local_preference, med in before and after. [] where the peer announced no such prefix.
        """

    def explain_export(self, peer: int, prefix: PrefixTuple) -> str:
        """The same for what this peer is told of the best route; steps are the fixed ones too: "split-horizon", "no-advertise",
        "no-export", "ibgp-to-ibgp", "own-asn", "next-hop".
        """

    def statistics(self) -> dict[str, int]:
        """prefixes, paths, attributes (distinct blocks), rejected, update_groups, updates_in, updates_out."""

@final
class Table:
    """Longest match from prefix to a number, in bulk."""

    def __new__(cls, rows: list[tuple[PrefixTuple, int]]) -> Table: ...
    def lookup(self, version: int, bits: int) -> tuple[PrefixTuple, int] | None: ...
