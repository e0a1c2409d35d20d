"""Slow, plain forms of small decoders, from the texts of the RFCs: what `tests.fuzz.test_decoders` holds the core against."""

from __future__ import annotations

import ipaddress

SHORTEST = {1: 29, 2: 23, 3: 21, 4: 19, 5: 19}  # RFC 4271 section 4; a ROUTE-REFRESH of another length has an error of its own (RFC 7313)
Frame = tuple[int, bytes]


def frames(stream: bytes, extended: bool) -> tuple[list[Frame], tuple[int, int, bytes] | None]:
    """Messages (type, octets with header) of a stream, and what is wrong with the one after them (RFC 4271 section 6.1, RFC 8654 section 4)."""
    out: list[Frame] = []
    while len(stream) >= 19:
        length, kind = int.from_bytes(stream[16:18], "big"), stream[18]
        if stream[:16] != b"\xff" * 16:
            return out, (1, 1, b"")
        longest = 19 if kind == 4 else 4096 if kind == 1 or not extended else 65535
        if not SHORTEST.get(kind, 19) <= length <= longest:
            return out, (1, 2, stream[16:18])
        if kind not in SHORTEST:
            return out, (1, 3, stream[18:19])
        if len(stream) < length:
            break
        out.append((kind, stream[:length]))
        stream = stream[length:]
    return out, None


def parameters(body: bytes) -> tuple[list[tuple[int, bytes]], set[int]]:
    """Capabilities of an OPEN's body, and subcodes of what is wrong with its optional parameters (RFC 4271 section 4.2, RFC 5492, RFC 9072)."""
    length, rest, wide = body[9], body[10:], 1
    if length and rest[:1] == b"\xff":
        if len(rest) < 3:
            return [], {0}
        length, rest, wide = int.from_bytes(rest[1:3], "big"), rest[3:], 2
    capabilities: list[tuple[int, bytes]] = []
    wrong: set[int] = set() if len(rest) == length else {0}
    while rest:
        size = int.from_bytes(rest[1 : 1 + wide], "big")
        value = rest[1 + wide : 1 + wide + size]
        if len(rest) < 1 + wide or len(value) < size:
            return capabilities, wrong | {0}
        if rest[0] != 2:
            wrong.add(4)
        while rest[0] == 2 and value:
            if len(value) < 2 or len(value) < 2 + value[1]:
                wrong.add(0)
                break
            capabilities.append((value[0], value[2 : 2 + value[1]]))
            value = value[2 + value[1] :]
        rest = rest[1 + wide + size :]
    return capabilities, wrong


def right_length(code: int, value: bytes) -> bool:
    """Of capabilities that are known here: RFC 4760 section 8, 2918, 8654, 4724, 6793."""
    if code == 64:
        return len(value) >= 2 and (len(value) - 2) % 4 == 0
    sizes = {1: 4, 2: 0, 6: 0, 65: 4}
    return code not in sizes or len(value) == sizes[code]


def subcodes(body: bytes) -> tuple[list[tuple[int, bytes]], int, set[int]]:
    """Capabilities and AS number of an OPEN's body, and subcodes of all that is wrong with it (RFC 4271 section 6.2, RFC 7607 section 2)."""
    if body and body[0] != 4:
        return [], 0, {1}
    if len(body) < 10:
        return [], 0, {0}
    capabilities, wrong = parameters(body)
    asn = int.from_bytes(body[1:3], "big")
    if not asn:
        wrong.add(2)
    for code, value in capabilities:
        if not right_length(code, value):
            wrong.add(0)
        elif code == 65:
            asn = int.from_bytes(value, "big")
    if not asn:
        wrong.add(2)
    if not any(body[5:9]):
        wrong.add(3)
    if int.from_bytes(body[3:5], "big") in (1, 2):
        wrong.add(6)
    return capabilities, asn, wrong


def prefix(text: str) -> tuple[int, int, int] | None:
    """ADDRESS/LENGTH, digits alone after the slash, no host bits, no zone."""
    address, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or "%" in address:
        return None
    try:
        network = ipaddress.ip_network((address, int(length)))
    except ValueError:
        return None
    return network.version, int(network.network_address), network.prefixlen
