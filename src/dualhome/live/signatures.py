"""TCP segments that are signed, so that nobody but the peer can speak or end a connection in its name: TCP MD5 (RFC 2385), TCP-AO (RFC 5925).

Both are the kernel's work: what isn't signed as it should be is thrown away before a program sees it.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass, field
from typing import Final

from dualhome.errors import SystemRefused
from dualhome.net import WIDTH, Prefix

TCP_MD5SIG: Final = 14  # of <linux/tcp.h>, as all that follows
TCP_MD5SIG_EXT: Final = 32
TCP_AO_ADD_KEY: Final = 38
TCP_AO_DEL_KEY: Final = 39
LONGEST: Final = 80
"""Octets of a key (TCP_MD5SIG_MAXKEYLEN, TCP_AO_MAXKEYLEN)."""
ALGORITHMS: Final = {"hmac-sha-1-96": b"hmac(sha1)", "aes-128-cmac-96": b"cmac(aes128)"}
"""Those of RFC 5926, in the kernel's words."""
_PREFIX: Final = 1  # TCP_MD5SIG_FLAG_PREFIX
_MAC_OCTETS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Md5:
    """A password for TCP MD5."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ao:
    """A master key of TCP-AO, of which both ends use the same number."""

    key: bytes = field(repr=False)
    key_id: int
    algorithm: str = "hmac-sha-1-96"


Secret = Md5 | Ao


def sign(each: socket.socket, of: Prefix, secret: Secret) -> None:
    """From now on segments from and to these addresses are signed; for a socket that listens, or isn't connected yet.

    Raises:
        SystemRefused: the kernel can't do it, or not for so many; the message says which.
    """
    try:
        if isinstance(secret, Md5):
            each.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, _md5(of, secret.key))
        else:
            each.setsockopt(socket.IPPROTO_TCP, TCP_AO_ADD_KEY, _ao(of, secret))
    except OSError as error:
        what = "TCP MD5" if isinstance(secret, Md5) else "TCP-AO"
        raise SystemRefused(f"can't sign what is sent to {_who(of)} by {what}: {_why(error, secret)}") from error


def unsign(each: socket.socket, of: Prefix, secret: Secret) -> None:
    """Forget a secret. OSError where the socket has none of the kind for these addresses."""
    if isinstance(secret, Md5):
        each.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, _md5(of, b""))
    else:
        each.setsockopt(socket.IPPROTO_TCP, TCP_AO_DEL_KEY, _ao_end(of, secret))


def _who(of: Prefix) -> str:
    text = str(of)
    return text.partition("/")[0] if of.length == WIDTH[of.version] else text


def _why(error: OSError, secret: Secret) -> str:
    match error.errno:
        case errno.ENOPROTOOPT | errno.EOPNOTSUPP:
            option = "CONFIG_TCP_MD5SIG" if isinstance(secret, Md5) else "CONFIG_TCP_AO, Linux 6.7 and later"
            return f"this kernel has none ({option})"
        case errno.ENOMEM | errno.ENOBUFS:
            return "there are more keys than a socket may have (sysctl net.core.optmem_max)"
        case errno.EINVAL | errno.ENOENT:
            return "the kernel doesn't take the key or its algorithm (FIPS mode has no MD5)"
        case _:
            return error.strerror or str(error)


def _address(of: Prefix) -> bytes:
    """As a sockaddr_storage, of 128 octets."""
    if of.version == 4:
        return struct.pack("=HH4s120x", socket.AF_INET, 0, of.bits.to_bytes(4))
    return struct.pack("=HHI16sI100x", socket.AF_INET6, 0, 0, of.bits.to_bytes(16), 0)


def _md5(of: Prefix, key: bytes) -> bytes:
    """A tcp_md5sig; one without a key takes the key away."""
    return _address(of) + struct.pack("=BBHi80s", _PREFIX, of.length, len(key), 0, key)


def _ao(of: Prefix, secret: Ao) -> bytes:
    """A tcp_ao_add."""
    name, number = ALGORITHMS[secret.algorithm], secret.key_id
    rest = struct.pack("=64siIHBBBBBB80s", name, 0, 0, 0, of.length, number, number, _MAC_OCTETS, 0, len(secret.key), secret.key)
    return _padded(_address(of) + rest)


def _ao_end(of: Prefix, secret: Ao) -> bytes:
    """A tcp_ao_del."""
    return _padded(_address(of) + struct.pack("=iIHBBBBBB", 0, 0, 0, of.length, secret.key_id, secret.key_id, 0, 0, 0))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
