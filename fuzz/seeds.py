"""Writes the small files that the fuzzers begin with, in fuzz/corpus: `.venv/bin/python fuzz/seeds.py`. Files found by fuzzers lie beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.live.adversary import octets as o

HERE = Path(__file__).parent / "corpus"
CORE = o.origin() + o.as_path(65101, 9) + o.next_hop("10.0.0.1")
NLRI = o.prefixes("10.0.0.0/8", "10.1.0.0/16", "192.0.2.1/32", "0.0.0.0/0")
BODIES = {
    "end": o.update(),
    "end-ipv6": o.end_of_rib(o.IPV6),
    "withdrawn": o.update(withdrawn=NLRI),
    "plain": o.update(CORE, NLRI),
    "internal": o.update(o.origin() + o.as_path(9) + o.next_hop("10.0.0.1") + o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\x64"), NLRI),
    "reflected": o.update(
        CORE + o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\x64") + o.attribute(0x80, o.ORIGINATOR_ID, b"\1\2\3\4") + o.attribute(0x80, o.CLUSTER_LIST, b"\1\1\1\2\1\1\1\3"), NLRI
    ),
    "all": o.update(
        CORE + o.attribute(0x80, o.MED, b"\0\0\0\5") + o.attribute(0x40, o.ATOMIC) + o.attribute(0xC0, o.AGGREGATOR, b"\0\0\xfe\x4d\1\2\3\4")
        + o.attribute(0xC0, o.COMMUNITIES, bytes.fromhex("fe4c0001ffffff01")) + o.attribute(0xC0, o.EXT_COMMUNITIES, bytes.fromhex("0002fe4c00000005"))
        + o.attribute(0xC0, o.IPV6_COMMUNITIES, b"\0\2" + bytes(18)) + o.attribute(0xC0, o.LARGE, bytes(11) + b"\1") + o.attribute(0xC0, o.OTC, b"\0\0\xfe\x4d")
        + o.attribute(0xC0, 99, b"x" * 300), NLRI,
    ),
    "unordered": o.update(CORE + o.attribute(0xC0, o.COMMUNITIES, bytes.fromhex("fe4c0002fe4c0001ffffff02")), NLRI),
    "ipv6": o.update(o.mp_reach(o.prefixes("2001:db8::/32", "::/0", "2001:db8::1/128")) + o.origin() + o.as_path(65101)),
    "ipv6-local": o.update(o.mp_reach(o.prefix("2001:db8::/32"), bytes.fromhex("20010db8") + bytes(12) + bytes.fromhex("fe80") + bytes(13) + b"\1") + CORE),
    "ipv6-gone": o.update(o.mp_unreach(o.prefixes("2001:db8::/32"))),
    "both": o.update(o.mp_reach(o.prefix("2001:db8::/32")) + CORE + o.mp_unreach(o.prefix("2001:db8:1::/48")), NLRI, o.prefix("10.9.0.0/16")),
    "two-octets": o.update(
        o.origin() + o.attribute(0x40, o.AS_PATH, o.segment(2, 65101, 23456, 9, four=False)) + o.next_hop("10.0.0.1")
        + o.attribute(0xC0, o.AGGREGATOR, b"\x5b\xa0\1\2\3\4") + o.attribute(0xC0, o.AS4_PATH, o.segment(2, 70000, 9))
        + o.attribute(0xC0, o.AS4_AGGREGATOR, b"\0\1\x11\x70\1\2\3\4"), NLRI,
    ),
    "set": o.update(o.origin() + o.attribute(0x40, o.AS_PATH, o.segment(2, 65101) + o.segment(1, 9, 8, 9)) + o.next_hop("10.0.0.1"), NLRI),
    "confederation": o.update(o.origin() + o.attribute(0x40, o.AS_PATH, o.segment(3, 65101)) + o.next_hop("10.0.0.1"), NLRI),
    "long-path": o.update(o.origin() + o.attribute(0x40, o.AS_PATH, o.segment(2, *[65101] * 255) + o.segment(2, *range(1, 30))) + o.next_hop("10.0.0.1"), NLRI),
    "wrong-origin": o.update(o.origin(7) + o.as_path(65101) + o.next_hop("10.0.0.1"), NLRI),
    "twice": o.update(CORE + CORE, NLRI),
    "missing": o.update(o.origin(), NLRI),
    "beyond": o.update(CORE + o.attribute(0xC0, o.COMMUNITIES, b"\0\0\0\1", 200), NLRI),
    "wrong-prefix": o.update(CORE, b"\x21\1\2\3\4\5"),
    "well-known": o.update(CORE + o.attribute(0x40, 99, b"x"), NLRI),
}  # fmt: skip
PEER = {"name": "p", "asn": 65101, "ebgp": True, "local_address": "10.0.0.254", "peer_address": "10.0.0.1"}
MATCHES = {
    "prefix_equals": ["10.0.0.0/8"], "prefix_within": ["10.0.0.0/8", "::/0"], "as_path_equals": [65101], "as_path_contains": [9], "as_path_leading_even": 9,
    "community_all": ["65100:100"], "community_any": ["no-export"], "community_high": 65100, "from": ["other"], "ebgp": True,
}  # fmt: skip
ACTIONS = [
    {"prepend": [65000, 70000]}, {"path_replace": [1, 2]}, {"path_remove": [9]}, {"path_substitute": {"from": 9, "to": 7}}, {"remove_private": True},
    {"community_add": ["65100:7", "no-export"]}, {"community_replace": []}, {"community_remove": ["65100:100"]}, {"local_preference": 200}, {"med": 5},
    {"med": None}, {"weight": 1}, {"next_hop": "self"}, {"next_hop": "unchanged"}, {"next_hop": "10.9.9.9"}, {"prefix_replace": ["10.0.0.0/7", "11.0.0.0/8"]},
]  # fmt: skip


def term(name: str, match: dict[str, object], do: list[dict[str, object]], then: str = "continue") -> dict[str, object]:
    """One term of a policy."""
    return {"name": name, "match": match, "do": do, "then": then}


def policies() -> Iterator[tuple[str, bytes]]:
    """Configurations: each match, each action, each option."""
    yield "plain", json.dumps(PEER).encode()
    for key, value in MATCHES.items():
        rule = term("a", {key: value}, [{"prepend": [1]}])
        yield f"match-{key}", json.dumps({**PEER, "import": [rule], "export": [[term("b", {key: value}, [], "reject")]]}).encode()
    for number, action in enumerate(ACTIONS):
        yield f"do-{number:02}", json.dumps({**PEER, "import": [term("a", {}, [action])], "export": [[term("b", {}, [action])]]}).encode()
    options: list[dict[str, object]] = [
        {"ebgp": False, "asn": 65000, "reflector_client": True}, {"transparent": True, "next_hop": "unchanged"}, {"own": "second"},
        {"max_prefixes": {"limit": 2, "count": "held", "action": "drop"}}, {"max_prefixes": {"limit": 2, "count": "azure"}}, {"send_communities": False},
        {"honors_no_export": False}, {"discard_med": True, "allowas_in": 1}, {"first_as": True, "reject_as_sets": True, "reject_martians": True},
        {"requires_policy": True}, {"role": "provider"}, {"role": "customer"}, {"role": "rs-client"}, {"usable": False, "route_class": "er", "weight": 0},
        {"checks": [term("c", {"as_path_contains": [9]}, [], "reject")]},
    ]  # fmt: skip
    for number, option in enumerate(options):
        yield f"option-{number:02}", json.dumps({**PEER, **option}).encode()


def hear(peer: int, message: bytes) -> bytes:
    """The step of target `rib` in which a peer says this."""
    body = message[19:]
    return bytes([(peer - 1) << 3]) + len(body).to_bytes(2, "big") + body


def stories() -> Iterator[tuple[str, bytes]]:
    """Steps of target `rib`."""
    settle = b"\x85"
    for name, message in BODIES.items():
        yield f"hear-{name}", b"\0" + hear(1, message) + settle + hear(2, message) + settle
        yield f"internal-{name}", b"\x22" + hear(1, message) + hear(4, message) + settle
    yield "two-octets", b"\x11" + hear(1, BODIES["two-octets"]) + hear(2, BODIES["all"]) + settle
    yield (
        "right",
        b"\0"
        + b"\x02\x7f\x0f\x5a"
        + b"\x0a\x09\x03\x11"
        + b"\x12\x0b\x01\x00"
        + settle
        + b"\x02\x80\xf0\0"
        + settle
        + b"\x0b\x03\x1b\x04\x0c"
        + settle,
    )
    yield "stale", b"\0" + b"\x02\x09\x0f\0" + b"\x23" + b"\x02\x01\x03\0" + b"\x06" + settle + b"\x46" + b"\x06\x26" + settle
    yield (
        "changed",
        b"\0"
        + b"\x02\x0d\x0f\2"
        + settle
        + b"\x87\x0f"
        + b"\x97\xf8"
        + settle
        + b"\x8f\x77"
        + b"\x07\x0f\x47"
        + settle
        + b"\x04\x24\x64\x1c",
    )
    yield "slow", b"\0" + b"\x02\x01\x0f\0\x1d\x05\x02\x01\x0f\1\x1d\x02\x80\x30\0\x1d\x15" + settle


def corpora() -> Iterator[tuple[str, str, bytes]]:
    """(target, name, octets) of all."""
    for name, message in BODIES.items():
        for how in (0, 2) if "internal" in name or "reflected" in name else (0,):
            yield "update", f"{name}-{how}", bytes([how]) + message[19:]
            yield "fast", f"{name}-{how >> 1}", bytes([how >> 1]) + message[19:]
    for how in (1, 4, 8, 16):
        yield "update", f"how-{how}", bytes([how]) + BODIES["two-octets" if how == 1 else "both"][19:]
    opens = {
        "full": o.open_message(4_200_000_001, "10.0.0.1", extended=True), "old": o.open_message(65101, "10.0.0.1", parameters=b""),
        "restart": o.open_message(65101, "10.0.0.1", more=o.capability(64, bytes.fromhex("807800010180"))), "zero": o.open_message(0, "10.0.0.1"),
        "hold": o.open_message(65101, "10.0.0.1", hold_s=2), "long": o.open_message(65101, "10.0.0.1", parameters=b"\xff\0\x05\2\0\2\x02\0", parameters_length=255),
        "roles": o.open_message(65101, "10.0.0.1", more=o.capability(9, b"\3") + o.capability(70)), "short": b"\0" * 24,
    }  # fmt: skip
    for name, message in opens.items():
        yield "open", name, message[19:]
    for number, body in enumerate((b"\6\2", b"\6\2\3bye", b"\3\1" + bytes(30), b"\1\2\0\x10", b"\6")):
        yield "notification", str(number), body
    for number, body in enumerate((b"\0\1\0\1", b"\0\2\1\1", b"\0\1\2\1", b"\0\1\0", b"\0\1\0\1\0")):
        yield "refresh", str(number), body
    for number, text in enumerate(("0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/8", "2001:db8::/32", "::/0", "::ffff:1.2.3.4/128", "10.0.0.0/+8")):
        yield "prefix", str(number), text.encode()
    stream = opens["full"] + o.keepalive() + BODIES["plain"] + BODIES["withdrawn"] + o.refresh() + o.notification(6, 2)
    streams = {
        "all": stream,
        "marker": stream + b"\0" * 19,
        "length": stream + o.message(2, b"", 18),
        "type": o.message(9),
        "cut": stream[:-1],
    }
    for name, data in streams.items():
        yield "framer", name, b"\1" + data
        yield "framer", f"{name}-pieces", b"\x0a" + data
    for name, data in policies():
        yield "policy", name, data
    for name, data in stories():
        yield "rib", name, data


def main() -> None:
    """Write them."""
    for target, name, data in corpora():
        (HERE / target).mkdir(parents=True, exist_ok=True)
        (HERE / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
