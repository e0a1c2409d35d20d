"""OPENs that are wrong or odd (RFC 4271 section 6.2, RFC 5492, 6286, 6793, 7607, 8654, 9072, 9234)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from tests.live.adversary import octets as o
from tests.live.adversary.messages import Build, Message


def said(**changes: Any) -> Build:
    return lambda c, p: p.our_open(**changes)


def with_capabilities(*more: bytes) -> Build:
    """The usual ones, then these."""
    return lambda c, p: p.our_open(more=b"".join(more))


def with_parameters(parameters: bytes, length: int | None = None) -> Build:
    return lambda c, p: p.our_open(parameters=parameters, parameters_length=length)


def of_asn(my_as: int, four: int | None) -> Build:
    """My Autonomous System and the capability, each as told."""
    caps = o.multiprotocol(1, 1) + o.multiprotocol(2, 1) + (b"" if four is None else o.four_octet(four))

    def build(c: Any, p: Any) -> bytes:
        raw = bytearray(p.our_open(capabilities=caps))
        raw[20:22] = my_as.to_bytes(2, "big")
        return bytes(raw)

    return build


def wide(*parameters: tuple[int, bytes], total: int | None = None, first: int = 255, marker: int = 255) -> Build:
    """With the lengths of RFC 9072 section 2."""
    body = b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in parameters)

    def build(c: Any, p: Any) -> bytes:
        plain = p.our_open(parameters=b"")[19:28]
        return o.message(o.OPEN, plain + bytes([first, marker]) + struct.pack("!H", len(body) if total is None else total) + body)

    return build


def fields() -> Iterator[Message]:
    for version in (0, 1, 3, 5, 255):
        yield Message(f"OPEN of version {version}", "RFC 4271 6.2", "sent", said(version=version), ("reset 2/1",), (b"\0\4",))
    for hold in (1, 2):
        yield Message(f"OPEN: hold time {hold}", "RFC 4271 6.2", "sent", said(hold_s=hold), ("reset 2/6",))
    for hold in (0, 3, 65535):
        yield Message(f"OPEN: hold time {hold}", "RFC 4271 4.2", "sent", said(hold_s=hold), ("up", "reset 2/6") if hold == 0 else ("up",))
    yield Message("OPEN: BGP Identifier 0", "RFC 6286 2.1", "sent", lambda c, p: o.open_message(p.asn, "0.0.0.0"), ("reset 2/3",))
    for identifier in ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.1"):
        yield Message(
            f"OPEN: BGP Identifier {identifier}",
            "RFC 6286 2.1 (any but 0)",
            "sent",
            lambda c, p, i=identifier: o.open_message(p.asn, i),
            ("up", "reset 2/3") if identifier[:3] in ("224", "255") else ("up",),
        )
    yield Message(
        "OPEN: our own identifier, external", "RFC 6286 2.1", "sent", lambda c, p: o.open_message(p.asn, "127.0.0.91"), ("up", "reset 2/3")
    )
    yield Message(
        "OPEN: our own identifier, internal",
        "RFC 6286 2.2",
        "sent",
        lambda c, p: o.open_message(p.asn, "127.0.0.91"),
        ("reset 2/3",),
        peer="ibgp",
    )
    for my_as, four, expect in (
        (65009, None, ("reset 2/2",)), (65009, 65009, ("reset 2/2",)), (0, None, ("reset 2/2",)), (0, 0, ("reset 2/2",)), (65001, 0, ("reset 2/2",)),
        (0, 65001, ("reset 2/2", "up")), (65001, 65009, ("reset 2/2",)), (23456, 65001, ("up", "reset 2/2")), (23456, None, ("reset 2/2",)), (65009, 65001, ("reset 2/2", "up")),
        (65515, 65515, ("reset 2/2",)), (23456, 4200000001, ("reset 2/2",)), (23456, 23456, ("reset 2/2",)), (65001, 65001, ("up",)), (65001, None, ("up",)),
    ):  # fmt: skip
        yield Message(
            f"OPEN: AS {my_as}, in four octets {four}",
            "RFC 4271 6.2, RFC 6793, RFC 7607",
            "sent",
            of_asn(my_as, four),
            expect,
            four=four is not None,
        )
    yield Message("OPEN: AS of four octets", "RFC 6793", "sent", of_asn(23456, 4_200_000_001), ("up",), peer="as4")
    yield Message(
        "OPEN: AS of four octets, its low half in two",
        "RFC 6793 4.1 (AS_TRANS)",
        "sent",
        of_asn(4_200_000_001 & 0xFFFF, 4_200_000_001),
        ("up", "reset 2/2"),
        peer="as4",
    )
    yield Message("OPEN: AS of four octets, not told in four", "RFC 4271 6.2", "sent", of_asn(23456, None), ("reset 2/2",), peer="as4")


def parameters() -> Iterator[Message]:
    plain = o.multiprotocol(1, 1) + o.four_octet(65001)
    unspecific = ("reset 2/0",)
    yield Message("OPEN without parameters", "RFC 4271 4.2", "sent", with_parameters(b""), ("up",), four=False)
    for kind in (0, 3, 100, 254):
        yield Message(
            f"OPEN: optional parameter {kind}",
            "RFC 4271 6.2",
            "sent",
            with_parameters(o.parameter(plain) + o.parameter(b"ab", kind)),
            ("reset 2/4",),
        )
    yield Message(
        "OPEN: optional parameter 1 (Authentication)",
        "RFC 5492",
        "sent",
        with_parameters(o.parameter(b"ab", 1)),
        ("reset 2/4", "reset 2/5"),
    )
    for length, what in ((1, "too long"), (-1, "too short"), (200, "far too long")):
        yield Message(
            f"OPEN: Opt Parm Len {what}",
            "RFC 4271 6.2",
            "sent",
            with_parameters(o.parameter(plain), len(o.parameter(plain)) + length),
            ("reset 2/0", "reset 1/2"),
        )
    yield Message(
        "OPEN: Opt Parm Len 0 with octets after it",
        "RFC 4271 6.2",
        "sent",
        with_parameters(o.parameter(plain), 0),
        ("reset 2/0", "reset 1/2"),
    )
    yield Message("OPEN: Opt Parm Len 255 without octets", "RFC 4271 6.2", "sent", with_parameters(b"", 255), ("reset 2/0", "reset 1/2"))
    for raw, what in (
        (b"\2", "type alone"),
        (b"\2\5\1\4", "overrun"),
        (b"\2\1\1", "capability without length"),
        (b"\2\2\1\4", "capability overrun"),
        (b"\2\3\x41\4\0", "capability 65 overrun"),
        (b"\2\xff" + b"\1" * 30, "length of 255"),
    ):
        yield Message(f"OPEN: parameter, {what}", "RFC 4271 6.2", "sent", with_parameters(raw), unspecific)
    yield Message("OPEN: an empty parameter", "RFC 5492 4", "sent", with_parameters(b"\2\0" + o.parameter(plain)), ("up", "reset 2/0"))
    yield Message(
        "OPEN: a parameter for each capability",
        "RFC 5492 4",
        "sent",
        with_parameters(o.parameter(o.multiprotocol(1, 1)) + o.parameter(o.four_octet(65001)) + o.parameter(o.capability(2))),
        ("up",),
    )
    usual = o.multiprotocol(1, 1) + o.multiprotocol(2, 1) + o.capability(2) + o.four_octet(65001)
    yield Message("OPEN of RFC 9072", "RFC 9072 2", "sent", wide((2, usual)), ("up",))
    yield Message("OPEN of RFC 9072 with first length 1", "RFC 9072 2", "sent", wide((2, usual), first=1), ("up", "reset 2/0"))
    yield Message(
        "OPEN of RFC 9072 in many parameters",
        "RFC 9072 2",
        "sent",
        wide((2, o.multiprotocol(1, 1)), (2, o.multiprotocol(2, 1)), (2, o.four_octet(65001))),
        ("up",),
    )
    yield Message(
        "OPEN of RFC 9072, 3000 octets of unknown capabilities",
        "RFC 9072 2",
        "sent",
        wide((2, usual), *[(2, o.capability(200, b"x" * 200))] * 14),
        ("up",),
    )
    yield Message(
        "OPEN of RFC 9072, a parameter of 1000 octets", "RFC 9072 2", "sent", wide((2, usual + o.capability(201, b"y" * 240) * 4)), ("up",)
    )
    yield Message("OPEN of RFC 9072 without parameters", "RFC 9072 2", "sent", wide(), ("up", "reset 2/0"), four=False)
    for total in (0, 1, 5, 300, 65535):
        yield Message(
            f"OPEN of RFC 9072 whose length says {total}", "RFC 9072 2", "sent", wide((2, usual), total=total), ("reset 2/0", "reset 1/2")
        )
    yield Message(
        "OPEN of RFC 9072 whose parameter overruns",
        "RFC 9072 2",
        "sent",
        lambda c, p: o.message(1, p.our_open(parameters=b"")[19:28] + b"\xff\xff\0\5\2\0\xff\1\1"),
        unspecific,
    )
    yield Message(
        "OPEN of RFC 9072 cut off in its length",
        "RFC 9072 2",
        "sent",
        lambda c, p: o.message(1, p.our_open(parameters=b"")[19:28] + b"\xff\xff\0"),
        ("reset 2/0", "reset 1/2"),
    )
    yield Message(
        "OPEN of RFC 9072 with parameter 255 in it", "RFC 9072 2", "sent", wide((2, usual), (255, b"ab")), ("reset 2/4", "reset 2/0")
    )
    yield Message("OPEN of 4096 octets", "RFC 9072 2", "sent", lambda c, p: _padded(c, p, 4096), ("up",))
    yield Message("OPEN of 29 octets", "RFC 4271 4.2", "sent", lambda c, p: p.our_open(parameters=b""), ("up",), four=False)


def _padded(c: Any, p: Any, size: int) -> bytes:
    usual = o.multiprotocol(1, 1) + o.multiprotocol(2, 1) + o.four_octet(65001)
    room = size - len(wide((2, usual))(c, p))
    more: list[tuple[int, bytes]] = []
    while room > 0:
        take = min(room, 255) if room - min(room, 255) >= 5 or room <= 255 else 200
        more.append((2, o.capability(200, b"z" * (take - 5))))
        room -= take
    return wide((2, usual), *more)(c, p)


def capabilities() -> Iterator[Message]:
    up = ("up",)
    for code in (0, 3, 5, 7, 8, 66, 68, 69, 71, 73, 75, 100, 128, 131, 200, 239, 255):
        for value in (b"", b"\1", b"\xff" * 60):
            if code in (69, 9, 5, 73, 71):
                continue
            yield Message(
                f"OPEN: capability {code} of {len(value)} octets",
                "RFC 5492 3 (ignored)",
                "sent",
                with_capabilities(o.capability(code, value)),
                up,
            )
    # A capability that is known, of a wrong length: RFC 5492 leaves open whether it ends the session; that of AS numbers has to be understood.
    for code, right in ((1, (4,)), (2, (0,)), (6, (0,)), (64, (2, 6)), (65, (4,)), (70, (0,)), (9, (1,))):
        for length in (0, 1, 2, 3, 5, 7):
            if length not in right:
                yield Message(
                    f"OPEN: capability {code} of a wrong length {length}",
                    "RFC 5492",
                    "sent",
                    with_capabilities(o.capability(code, b"\0\1\0\1\0\0\0\0"[:length])),
                    ("up", "reset 2/0", "reset 2/2") if code == 65 else ("up", "reset 2/0"),
                )
    for code, value in ((1, b"\0\1\0\1"), (2, b""), (6, b""), (64, b"\0\x78"), (65, b"\0\0\xfd\xe9"), (70, b"")):
        yield Message(f"OPEN: capability {code} twice", "RFC 5492 4", "sent", with_capabilities(o.capability(code, value) * 2), up)
    yield Message(
        "OPEN: capability 65 twice, with two numbers",
        "RFC 5492 4",
        "sent",
        with_capabilities(o.four_octet(65009)),
        ("up", "reset 2/2", "reset 2/0"),
    )
    yield Message(
        "OPEN: capability 65 of AS 0",
        "RFC 7607 2",
        "sent",
        lambda c, p: p.our_open(capabilities=o.multiprotocol(1, 1) + o.four_octet(0)),
        ("reset 2/2",),
    )
    yield Message(
        "OPEN: capability 64 twice, of two times",
        "RFC 4724 3",
        "sent",
        with_capabilities(o.capability(64, b"\0\x78"), o.capability(64, b"\0\x10\0\1\1\0")),
        up,
    )
    for families in (((1, 1),), ((1, 1), (1, 2)), ((1, 1), (25, 70), (16388, 71))):
        yield Message(f"OPEN: families {families}", "RFC 4760 8", "sent", said(families=families), up)
    yield Message("OPEN: IPv6 alone", "RFC 4760 8", "sent", said(), up, peer="v6")
    for families in (((1, 2),), ((25, 70),), ((1, 128), (2, 128)), ((0, 0),)):
        yield Message(
            f"OPEN: no common family in {families}", "RFC 5492 3, RFC 4760 8", "sent", said(families=families), ("reset 2/7", "up")
        )
    many = tuple((afi, 128) for afi in range(100, 130))
    yield Message("OPEN: thirty unknown families", "RFC 4760 8", "sent", said(families=((1, 1), (2, 1), *many)), up)
    for role in (0, 1, 2, 3, 4, 5, 255):
        yield Message(
            f"OPEN: role {role}, where we have none",
            "RFC 9234 4.2",
            "sent",
            with_capabilities(o.capability(9, bytes([role]))),
            ("up",) if role < 5 else ("up", "reset 2/11"),
        )
    yield Message("OPEN: extended nexthop encoding", "RFC 8950", "sent", with_capabilities(o.capability(5, b"\0\1\0\1\0\2")), up)
    yield Message("OPEN: ADD-PATH", "RFC 7911", "sent", with_capabilities(o.capability(69, b"\0\1\1\3\0\2\1\3")), up)
    yield Message(
        "OPEN: ADD-PATH of a wrong length", "RFC 7911", "sent", with_capabilities(o.capability(69, b"\0\1\1")), ("up", "reset 2/0")
    )
    yield Message("OPEN: FQDN", "draft-walton-bgp-hostname-capability", "sent", with_capabilities(o.capability(73, b"\4host\6domain")), up)
    yield Message(
        "OPEN: FQDN that overruns", "draft-walton-bgp-hostname-capability", "sent", with_capabilities(o.capability(73, b"\xffhost")), up
    )
    yield Message(
        "OPEN: long-lived graceful restart",
        "RFC 9494",
        "sent",
        with_capabilities(o.capability(64, b"\0\x78\0\1\1\0"), o.capability(71, b"\0\1\1\0\0\0\x78")),
        up,
    )
    flags = lambda f, t: struct.pack("!H", f << 12 | t)  # noqa: E731
    for name, value in (
        ("of time 4095", flags(0, 4095)),
        ("with R", flags(8, 120) + b"\0\1\1\x80"),
        ("with N", flags(4, 120) + b"\0\1\1\0"),
        ("with all flags", flags(15, 1) + b"\0\1\1\xff"),
        ("of an unknown family", flags(0, 60) + b"\0\x19\x46\0"),
        ("of one family twice", flags(0, 60) + b"\0\1\1\0\0\1\1\x80"),
    ):
        yield Message(f"OPEN: graceful restart {name}", "RFC 4724 3", "sent", with_capabilities(o.capability(64, value)), up)


def all_cases() -> Iterator[Message]:
    for of in (fields, parameters, capabilities):
        yield from of()
