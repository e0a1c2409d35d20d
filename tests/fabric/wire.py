"""Frames as bytes: made from `Frame`, and read back with their checksums."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dualhome.fabric.flow import ICMP, ICMP6, TCP, UDP, Frame
from dualhome.fabric.state import GATEWAY_MAC
from dualhome.net import WIDTH, Address

OWN_MAC = bytes.fromhex("020000000001")
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that came out of the fabric. `sound`: all its checksums are right."""

    to_mac: bytes
    from_mac: bytes
    source: Address
    destination: Address
    ttl: int
    sound: bool
    payload: bytes


def encode(frame: Frame) -> bytes:
    """With right checksums, padded to `frame.length` octets."""
    version = frame.source.version
    head = 34 if version == 4 else 54
    body = b"" if frame.fragment else _transport(frame)
    body += bytes(max(0, frame.length - head - len(body)))
    if not frame.fragment:
        body = _with_sum(frame.source, frame.destination, frame.protocol, body)
    return GATEWAY_MAC + OWN_MAC + (_ipv4(frame, body) if version == 4 else _ipv6(frame, body))


def decode(data: bytes) -> Seen:
    """What is in it; an IPv4 or IPv6 packet."""
    kind = struct.unpack_from(">H", data, 12)[0]
    if kind == IPV4:
        source, destination = (Address(4, int.from_bytes(data[at : at + 4])) for at in (26, 30))
        ttl, protocol, later, payload = data[22], data[23], struct.unpack_from(">H", data, 20)[0] & 0x1FFF, data[34:]
        sound = not summed(data[14:34])
    else:
        assert kind == IPV6
        source, destination = (Address(6, int.from_bytes(data[at : at + 16])) for at in (22, 38))
        ttl, protocol, later, payload, sound = data[21], data[20], 0, data[54:], True
    if not later and protocol in (TCP, UDP, ICMP, ICMP6):
        sound = sound and not summed(_pseudo(source, destination, protocol, payload) + payload)
    return Seen(data[:6], data[6:12], source, destination, ttl, sound, payload)


def left_to_hardware(data: bytes) -> bool:
    """Whether the checksum of a UDP packet over IPv4 is that of its pseudo header alone, which the interface that sends it is to complete."""
    seen = decode(data)
    (found,) = struct.unpack_from(">H", seen.payload, 6)
    return found == ~summed(_pseudo(seen.source, seen.destination, UDP, seen.payload)) & 0xFFFF


def arp_request(asked: str, sender: str) -> bytes:
    """Who has this address?"""
    return _arp(1, OWN_MAC, sender, bytes(6), asked, bytes.fromhex("ffffffffffff"))


def arp_reply(mac: bytes, said: str, to: str) -> bytes:
    """What the fabric answers."""
    return OWN_MAC + mac + _arp(2, mac, said, OWN_MAC, to, OWN_MAC)[12:]


def solicitation(asked: str, sender: str) -> bytes:
    """Who has this address? Of IPv6 (RFC 4861 section 4.3)."""
    body = b"\x87\0\0\0" + bytes(4) + packed(Address.parse(asked)) + b"\1\1" + OWN_MAC
    frame = Frame(port=0, source=Address.parse(sender), destination=Address.parse("ff02::1:ff00:1"), protocol=ICMP6, ttl=255)
    return bytes.fromhex("3333ff000001") + OWN_MAC + _ipv6(frame, _with_sum(frame.source, frame.destination, ICMP6, body))


def packed(address: Address) -> bytes:
    """As on the wire."""
    return address.bits.to_bytes(WIDTH[address.version] // 8)


def summed(data: bytes) -> int:
    """The Internet checksum; 0 of data that has its own in it (RFC 1071)."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _arp(operation: int, sender_mac: bytes, sender: str, target_mac: bytes, target: str, to: bytes) -> bytes:
    ends = sender_mac + packed(Address.parse(sender)) + target_mac + packed(Address.parse(target))
    return to + OWN_MAC + struct.pack(">HHHBBH", ARP, 1, IPV4, 6, 4, operation) + ends


def _transport(frame: Frame) -> bytes:
    if frame.protocol == TCP:
        return struct.pack(">HHIIBBHHH", frame.source_port, frame.destination_port, 1, 0, 0x50, 2, 1000, 0, 0)
    if frame.protocol == UDP:
        length = frame.length - (34 if frame.source.version == 4 else 54)
        return struct.pack(">HHHH", frame.source_port, frame.destination_port, length, 0)
    if frame.protocol in (ICMP, ICMP6):
        return struct.pack(">BBHHH", 8 if frame.protocol == ICMP else 128, 0, 0, frame.identifier, 1)
    return b""


def _with_sum(source: Address, destination: Address, protocol: int, body: bytes) -> bytes:
    at = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}.get(protocol)
    if at is None:
        return body
    value = summed(_pseudo(source, destination, protocol, body) + body)
    return body[:at] + struct.pack(">H", value) + body[at + 2 :]


def _pseudo(source: Address, destination: Address, protocol: int, body: bytes) -> bytes:
    if protocol == ICMP:
        return b""
    return packed(source) + packed(destination) + struct.pack(">II", len(body), protocol)


def _ipv4(frame: Frame, body: bytes) -> bytes:
    fragment = 100 if frame.fragment else 0
    fields = (0x45, 0, 20 + len(body), 7, fragment, frame.ttl, frame.protocol, 0, packed(frame.source), packed(frame.destination))
    head = struct.pack(">BBHHHBBH4s4s", *fields)
    return struct.pack(">H", IPV4) + head[:10] + struct.pack(">H", summed(head)) + head[12:] + body


def _ipv6(frame: Frame, body: bytes) -> bytes:
    head = struct.pack(">IHBB", 0x60000000, len(body), frame.protocol, frame.ttl)
    return struct.pack(">H", IPV6) + head + packed(frame.source) + packed(frame.destination) + body
