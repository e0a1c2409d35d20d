"""NOTIFICATIONs in words, and the text that a shutdown may carry."""

from __future__ import annotations

from typing import Final

CEASE: Final = 6
COMMUNICATIVE: Final = ((6, 2), (6, 4))  # may carry a text (RFC 9003 section 2)
TEXT_LIMIT_BYTES: Final = 255

CODES: Final = {
    1: "Message Header Error",
    2: "OPEN Message Error",
    3: "UPDATE Message Error",
    4: "Hold Timer Expired",
    5: "Finite State Machine Error",
    6: "Cease",
    7: "ROUTE-REFRESH Message Error",
    8: "Send Hold Timer Expired",
}
"""Error codes (RFC 4271 section 4.5, RFC 7313 section 5, RFC 9687 section 5)."""

SUBCODES: Final = {
    (1, 1): "Connection Not Synchronized",
    (1, 2): "Bad Message Length",
    (1, 3): "Bad Message Type",
    (2, 1): "Unsupported Version Number",
    (2, 2): "Bad Peer AS",
    (2, 3): "Bad BGP Identifier",
    (2, 4): "Unsupported Optional Parameter",
    (2, 6): "Unacceptable Hold Time",
    (2, 7): "Unsupported Capability",
    (2, 11): "Role Mismatch",
    (3, 1): "Malformed Attribute List",
    (3, 2): "Unrecognized Well-known Attribute",
    (3, 3): "Missing Well-known Attribute",
    (3, 4): "Attribute Flags Error",
    (3, 5): "Attribute Length Error",
    (3, 6): "Invalid ORIGIN Attribute",
    (3, 8): "Invalid NEXT_HOP Attribute",
    (3, 9): "Optional Attribute Error",
    (3, 10): "Invalid Network Field",
    (3, 11): "Malformed AS_PATH",
    (5, 1): "Unexpected Message in OpenSent State",
    (5, 2): "Unexpected Message in OpenConfirm State",
    (5, 3): "Unexpected Message in Established State",
    (6, 1): "Maximum Number of Prefixes Reached",
    (6, 2): "Administrative Shutdown",
    (6, 3): "Peer De-configured",
    (6, 4): "Administrative Reset",
    (6, 5): "Connection Rejected",
    (6, 6): "Other Configuration Change",
    (6, 7): "Connection Collision Resolution",
    (6, 8): "Out of Resources",
    (6, 9): "Hard Reset",
    (6, 10): "BFD Down",
    (7, 1): "Invalid Message Length",
}
"""Subcodes (RFC 4271 section 4.5, RFC 4486 section 4, RFC 5492 section 5, RFC 6608 section 3, RFC 7313 section 5, RFC 8538, RFC 9234, RFC 9384)."""


def describe(code: int, subcode: int, data: bytes = b"") -> str:
    """In words, with numbers: "Cease, Administrative Shutdown (6/2): maintenance at 9"; what is within a Hard Reset too (RFC 8538 section 3.1)."""
    if (code, subcode) == (6, 9) and len(data) > 1:
        return f"{_words(code, subcode, b'')}: {_words(data[0], data[1], data[2:])}"
    return _words(code, subcode, data)


def _words(code: int, subcode: int, data: bytes) -> str:
    name = CODES.get(code, "unknown error")
    detail = SUBCODES.get((code, subcode))
    text = shutdown_text(code, subcode, data)
    return f"{name}{f', {detail}' if detail else ''} ({code}/{subcode}){f': {text}' if text else ''}"


def shutdown_data(text: str) -> bytes:
    """Data field of Cease/2 and Cease/4 that carries this text, cut to 255 octets at a whole character (RFC 9003 section 2)."""
    octets = text.encode()[:TEXT_LIMIT_BYTES].decode(errors="ignore").encode()
    return bytes([len(octets)]) + octets if octets else b""


def shutdown_text(code: int, subcode: int, data: bytes) -> str:
    """The text in such a Data field on one printable line; "" where there is none or it doesn't fill its length (RFC 9003 section 2)."""
    if (code, subcode) not in COMMUNICATIVE or not data or len(data) - 1 < data[0]:
        return ""
    text = data[1 : 1 + data[0]].decode(errors="replace")
    return "".join(each if each.isprintable() else " " for each in text)
