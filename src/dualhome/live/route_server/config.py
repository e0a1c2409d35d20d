"""A route server's file: read, judged, and put into values. Every fault is found in one go, with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dualhome.bgp.restart import GracefulRestart
from dualhome.bgp.timers import LARGE_HOLD_S
from dualhome.errors import Fault, TopologyError
from dualhome.live.route_server.shape import form
from dualhome.live.signatures import LONGEST, Ao, Md5, Secret
from dualhome.model import AZURE_ASN, Rule
from dualhome.net import Address, Prefix
from dualhome.topology.build_routers import rules
from dualhome.topology.form import Use, inspect
from dualhome.topology.reading import Locator, read, read_file
from dualhome.topology.words import Wrong, nearest

Data = Mapping[str, Any]
MOST_PEERS: Final = 1000
MAIN_TABLE: Final = 254
SEND_HOLD_S: Final = 480
"""And never less than twice the hold time (RFC 9687 section 6)."""
VISITORS: Final = 100
"""Peers of a range."""
MEMORY_MB: Final = 1024
"""Of each peer's routes: some times a default-free table."""
CONNECTIONS: Final = 1024
"""That are accepted and carry no session yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One speaker. `namespace`: a path, or a name beneath /run/netns; None for the process's own."""

    name: str
    asn: int
    router_id: str
    listen: tuple[Address, ...]
    port: int
    namespace: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom the instances talk to; what isn't given has the value of `defaults`, or that of what the server behaves like."""

    name: str
    address: Address
    asn: int
    description: str = ""
    port: int = 179
    passive: bool = False
    enabled: bool = True
    keepalive_s: float = 60
    hold_s: int = 180
    ttl: int = 0  # the kernel's
    hops: int = 0  # `ttl_security`
    families: tuple[str, ...] = ()
    max_routes: int | None = None
    over_limit: str = "teardown"  # teardown | drop | warn
    memory_mb: int = MEMORY_MB
    next_hop: str = "unchanged"
    as_override: bool = False
    allowas_in: int = 0
    first_as: bool = True
    as_sets: bool = False  # whether routes with one are let in
    martians: bool = True
    requires_policy: bool = False
    secret: Secret | None = None
    role: str | None = None
    role_strict: bool = False
    graceful_restart: GracefulRestart | None = None
    enhanced_refresh: bool = True
    extended_messages: bool = True
    damping: bool = False
    send_hold_s: int = 480
    open_s: int = LARGE_HOLD_S
    rules_in: tuple[Rule, ...] = ()
    rules_out: tuple[Rule, ...] = ()
    reflect: bool = True
    transparent: bool = False  # `route_server_client`
    instances: tuple[str, ...] = ()
    group: str = ""  # the name of the range that it came by


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Peers by their addresses: at most `limit` of them at each instance, each as `peer` says, but for name, address and ASN; `asns` is empty for any."""

    prefix: Prefix
    asns: tuple[int, ...]
    limit: int
    peer: Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Where best paths are written."""

    table: int
    metric: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bmp:
    """A collector of the BGP Monitoring Protocol, and what it is told: routes before the rules, after them, faulty messages as they came."""

    to: tuple[str, int]
    pre_policy: bool = True
    post_policy: bool = False
    mirror: bool = True
    statistics_s: float = 60  # 0: never
    queue_bytes: int = 64 << 20
    retry_s: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Mrt:
    """Files of what peers say, and of the tables; names may have the words of strftime."""

    updates: str | None
    rib: str | None
    every_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A valid file."""

    file: str
    azure: bool
    instances: tuple[Instance, ...]
    peers: tuple[Peer, ...]
    originate: tuple[Prefix, ...]
    multipath: int
    kernel: Kernel | None
    metrics: tuple[str, int] | None
    log_format: str
    log_level: str
    control: Path | None
    ranges: tuple[Range, ...] = ()
    state: Path | None = None
    connections: int = CONNECTIONS
    history: int = 100
    bmp: tuple[Bmp, ...] = ()
    mrt: Mrt | None = None


def load(path: Path) -> Config:
    """The file's configuration. TopologyError with every fault of it, or that it cannot be read."""
    return parse(read_file(path), str(path))


def parse(text: str, file: str = "route-server.yaml") -> Config:
    """A text's configuration. TopologyError with every fault of it."""
    try:
        root, doubled = read(text, file)
    except TopologyError as error:
        raise TopologyError([_own_words(fault) for fault in error.faults]) from error
    data: Data = root.value
    wrongs, uses = inspect(data, form())
    if not wrongs:
        wrongs = [*_judged(data), *_names(data, uses)]
    found = sorted(doubled + list(_faults(wrongs, data, Locator(root), file)), key=lambda fault: (fault.line, fault.column))
    if found:
        raise TopologyError(found)
    return _built(data, file)


def _own_words(fault: Fault) -> Fault:
    return replace(fault, hint="it names 'instances' and 'peers'" if "topology" in fault.hint else fault.hint)


def _faults(wrongs: Sequence[Wrong], data: Data, lines: Locator, file: str) -> Iterator[Fault]:
    for wrong in dict.fromkeys(wrongs):
        line, column = lines.of(wrong.path, key=wrong.key)
        who = _owner(wrong.path, data)
        yield Fault(file=file, line=line, column=column, message=f"{who}: {wrong.text}" if who else wrong.text, hint=wrong.hint)


def _owner(path: Sequence[str | int], data: Data) -> str:
    """What a fault belongs to, in words."""
    if len(path) < 2 or path[0] not in ("peers", "instances") or not isinstance(path[1], int):
        return ""
    what, each = str(path[0])[:-1], data[str(path[0])][path[1]]
    name = each.get("name") if isinstance(each, Mapping) else None
    return f"{what} {name!r}" if isinstance(name, str) else f"{what} {path[1] + 1}"


# --- what the form can't say ----------------------------------------------------------------------------------------------


def _judged(data: Data) -> Iterator[Wrong]:
    instances, peers = data["instances"], data["peers"]
    yield from _twice(data, "instances", "name")
    yield from _twice(data, "peers", "name")
    yield from _twice(data, "peers", "address")
    yield from _twice(data, "peers", "range")
    heard: dict[tuple[str, str, int], str] = {}
    for place, each in enumerate(instances):
        addresses = [Address.parse(text) for text in each["listen"]]
        given = each.get("router_id")
        if given is None and not any(a.version == 4 for a in addresses):
            yield Wrong(("instances", place), "'router_id' is missing", "only an IPv4 address in 'listen' can stand for it")
        elif given is not None and (":" in given or given == "0.0.0.0"):
            yield Wrong(("instances", place, "router_id"), f"'router_id' is {given!r}, wanted an IPv4 address that is not 0.0.0.0")
        for index, address in enumerate(each["listen"]):
            key = (str(each.get("namespace", "")), str(Address.parse(address)), int(each.get("port", 179)))
            if key in heard:
                yield Wrong(("instances", place, "listen", index), f"listens on {address} too, as instance {heard[key]!r} does")
            heard.setdefault(key, each["name"])
    most = int(data.get("limits", {}).get("peers", MOST_PEERS))
    if len(peers) > most:
        yield Wrong(("peers",), f"{len(peers)} peers, wanted at most {most}", "'limits' has 'peers'")
    versions = {Address.parse(text).version for each in instances for text in each["listen"]}
    names = [each["name"] for each in instances]
    for place, each in enumerate(peers):
        where = "range" if "range" in each else "address"
        version = (Prefix if where == "range" else Address).parse(each[where]).version
        if version not in versions:
            yield Wrong(("peers", place, where), f"{where!r} is {each[where]!r}, and no instance listens on IPv{version}")
        for index, name in enumerate(each.get("instances", ())):
            if name not in names:
                yield Wrong(("peers", place, "instances", index), f"no instance {name!r}", nearest(name, names))
    for path, each in ((("defaults",), data.get("defaults", {})), *((("peers", i), each) for i, each in enumerate(peers))):
        if each.get("multihop") is False and each.get("ttl", 1) > 1:
            yield Wrong((*path, "ttl"), f"'ttl' is {each['ttl']} without multihop", "leave one of the two away")
        if "ttl_security" in each and "ttl" in each:
            yield Wrong((*path, "ttl"), f"'ttl' is {each['ttl']} with 'ttl_security', which sends with 255", "leave one of the two away")
        both = {**data.get("defaults", {}), **each}
        if len(each.get("password", "").encode()) > LONGEST:
            yield Wrong((*path, "password"), f"'password' has more than {LONGEST} octets in UTF-8")
        if len(each.get("tcp_ao", {}).get("key", "").encode()) > LONGEST:
            yield Wrong((*path, "tcp_ao", "key"), f"'key' has more than {LONGEST} octets in UTF-8")
        if "password" in both and "tcp_ao" in both and ("password" in each or "tcp_ao" in each):
            yield Wrong((*path, "password" if "password" in each else "tcp_ao"), "'password' with 'tcp_ao'", "leave one of the two away")
        if each.get("role_strict") and "role" not in both:
            yield Wrong((*path, "role_strict"), "'role_strict' without a 'role'", "say what this server is to the peer")
        timers = each.get("timers", {})
        if timers.get("keepalive_s", 0) >= timers.get("hold_s", 65536):
            yield Wrong((*path, "timers"), "'keepalive_s' is not less than 'hold_s'", "a third of it is usual")
    if "metrics" in data and not _host_and_port(data["metrics"]):
        yield Wrong(("metrics",), f"'metrics' is {data['metrics']!r}, wanted an address and a port, as 127.0.0.1:9179")
    for place, each in enumerate(data.get("bmp", ())):
        if not _host_and_port(each["to"]):
            yield Wrong(("bmp", place, "to"), f"'to' is {each['to']!r}, wanted an address and a port, as 192.0.2.1:11019")


def _twice(data: Data, section: str, key: str) -> Iterator[Wrong]:
    first: dict[str, str] = {}
    for place, each in enumerate(data[section]):
        if key not in each:
            continue
        value = str(Address.parse(each[key])) if key == "address" else each[key]
        if value in first:
            yield Wrong((section, place, key), f"{key!r} is {each[key]!r}, as of {section[:-1]} {first[value]!r}")
        first.setdefault(value, each["name"])


def _names(data: Data, uses: Sequence[Use]) -> Iterator[Wrong]:
    """Whom rules name."""
    known = [each["name"] for each in data["peers"]]
    for use in uses:
        if use.name not in known:
            yield Wrong(use.path, f"no peer {use.name!r}", nearest(use.name, known))


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    try:
        address = Address.parse(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return (str(address), int(port)) if 1 <= int(port) <= 65535 else None


# --- values ---------------------------------------------------------------------------------------------------------------


def _built(data: Data, file: str) -> Config:
    azure, common = data.get("behaves_like", "azure") == "azure", data.get("defaults", {})
    limits, log, programming = data.get("limits", {}), data.get("log", {}), data.get("programming", "none")
    kernel = None
    if isinstance(programming, Mapping):
        kernel = Kernel(table=int(programming["kernel"].get("table", MAIN_TABLE)), metric=int(programming["kernel"].get("metric", 20)))
    return Config(
        file=file,
        azure=azure,
        instances=tuple(map(_instance, data["instances"])),
        peers=tuple(_peer({**common, **each}, azure, limits) for each in data["peers"] if "address" in each),
        ranges=tuple(_range({**common, **each}, azure, limits) for each in data["peers"] if "range" in each),
        originate=tuple(map(Prefix.parse, data.get("originate", ()))),
        multipath=int(limits.get("paths", 64)),
        connections=int(limits.get("connections", max(CONNECTIONS, 2 * len(data["peers"])))),
        kernel=kernel,
        metrics=_host_and_port(data["metrics"]) if "metrics" in data else None,
        log_format=log.get("format", "text"),
        log_level=log.get("level", "info"),
        control=Path(data["control"]) if "control" in data else None,
        state=Path(data["state"]) if "state" in data else None,
        history=int(data.get("history", 100)),
        bmp=tuple(map(_bmp, data.get("bmp", ()))),
        mrt=_mrt(data["mrt"]) if "mrt" in data else None,
    )


def _bmp(x: Data) -> Bmp:
    to = _host_and_port(x["to"])
    assert to is not None, "judged"
    what = x.get("monitor", ("pre-policy",))
    return Bmp(
        to=to,
        pre_policy="pre-policy" in what,
        post_policy="post-policy" in what,
        mirror=x.get("mirror", True),
        statistics_s=float(x.get("statistics_s", 60)),
        queue_bytes=int(x.get("queue_mb", 64)) << 20,
        retry_s=float(x.get("retry_s", 30)),
    )


def _secret(x: Data) -> Secret | None:
    if "password" in x:
        return Md5(key=x["password"].encode())
    if (ao := x.get("tcp_ao")) is not None:
        return Ao(key=ao["key"].encode(), key_id=int(ao["key_id"]), **({"algorithm": ao["algorithm"]} if "algorithm" in ao else {}))
    return None


def _restart(x: bool | Data) -> GracefulRestart | None:
    if isinstance(x, bool):
        return GracefulRestart() if x else None
    return GracefulRestart(**{key: int(value) for key, value in x.items()})


def _mrt(x: Data) -> Mrt:
    return Mrt(updates=x.get("updates"), rib=x.get("rib"), every_s=int(x.get("every_s", 900)))


def _instance(x: Data) -> Instance:
    listen = tuple(map(Address.parse, x["listen"]))
    return Instance(
        name=x["name"],
        asn=int(x.get("asn", AZURE_ASN)),
        router_id=x.get("router_id") or next(str(each) for each in listen if each.version == 4),
        listen=listen,
        port=int(x.get("port", 179)),
        namespace=x.get("namespace"),
    )


def _range(x: Data, azure: bool, limits: Data) -> Range:
    prefix, asn = Prefix.parse(x["range"]), x["asn"]
    asns = () if asn == "any" else tuple(map(int, asn)) if isinstance(asn, Sequence) else (int(asn),)
    peer = _peer({**x, "address": str(prefix.address(0)), "asn": asns[0] if asns else 0, "passive": True}, azure, limits)
    return Range(prefix=prefix, asns=asns, limit=int(x.get("limit", VISITORS)), peer=peer)


def _peer(x: Data, azure: bool, limits: Data) -> Peer:
    address, timers = Address.parse(x["address"]), x.get("timers", {})
    most = x.get("max_routes", limits.get("max_routes", 4000 if azure else None))  # R87
    limit = most if isinstance(most, Mapping) else {"limit": most}
    transparent = bool(x.get("route_server_client", not azure))
    hold_s = round(timers.get("hold_s", 180))
    return Peer(
        name=x["name"],
        address=address,
        asn=int(x["asn"]),
        description=x.get("description", ""),
        port=int(x.get("port", 179)),
        passive=x.get("passive", False),
        enabled=x.get("enabled", True),
        keepalive_s=float(timers.get("keepalive_s", min(60, timers.get("hold_s", 180) / 3))),
        hold_s=hold_s,
        ttl=int(x.get("ttl", 0 if x.get("multihop", True) else 1)),
        hops=int(x.get("ttl_security", 0)),
        families=tuple(x.get("families", ("ipv4" if address.version == 4 else "ipv6",))),
        max_routes=None if limit["limit"] is None else int(limit["limit"]),
        over_limit=limit.get("action", "teardown"),
        memory_mb=int(limits.get("memory_mb", MEMORY_MB)),
        next_hop=x.get("next_hop", "unchanged" if transparent else "self"),
        as_override=x.get("as_override", False),
        allowas_in=int(x.get("allowas_in", 0)),
        first_as=x.get("first_as", True),
        as_sets=x.get("as_sets", "reject") == "accept",
        martians=x.get("martians", "accept") == "accept",
        requires_policy=x.get("requires_policy", False),
        secret=_secret(x),
        role=x.get("role"),
        role_strict=x.get("role_strict", False),
        graceful_restart=_restart(x.get("graceful_restart", False)),
        enhanced_refresh=x.get("enhanced_refresh", True),
        extended_messages=x.get("extended_messages", True),
        damping=x.get("damping", False),
        send_hold_s=int(x.get("send_hold_s", max(SEND_HOLD_S, 2 * hold_s))),
        open_s=int(limits.get("open_s", LARGE_HOLD_S)),
        rules_in=rules(x.get("import", ())),
        rules_out=rules(x.get("export", ())),
        reflect=x.get("reflect", True),
        transparent=transparent,
        instances=tuple(x.get("instances", ())),
    )
