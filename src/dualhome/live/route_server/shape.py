"""The form of a route server's file, as a schema; names, addresses and rules are those of topology files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dualhome.live.signatures import ALGORITHMS, LONGEST
from dualhome.topology.form import schema, validator


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties), "required": list(required)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


_YES_NO = {"type": "boolean"}
_TEXT = {"type": "string"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 4294967295}
_WHERE = {"description": "an address and a port, as 127.0.0.1:9179 or [::1]:9179", "type": "string", "pattern": r"^(.*):[0-9]{1,5}$"}

_LIMIT = {
    "if": {"type": "object"},
    "then": _object({"limit": _COUNT, "action": {"enum": ["teardown", "drop", "warn"]}}, ("limit",)),
    "else": _COUNT,
}

_SECONDS = {"type": "integer", "minimum": 1, "maximum": 86400}
_RESTART = {
    "if": {"type": "object"},
    "then": _object({"restart_s": {"type": "integer", "minimum": 1, "maximum": 4095}, "stale_s": _SECONDS, "defer_s": _SECONDS}),
    "else": _YES_NO,
}

# What `defaults` may say of all peers.
_COMMON: Mapping[str, Any] = {
    "port": _PORT,
    "passive": _YES_NO,
    "enabled": _YES_NO,
    "timers": _ref("timers"),
    "multihop": _YES_NO,
    "ttl": {"type": "integer", "minimum": 1, "maximum": 255},
    "ttl_security": {"type": "integer", "minimum": 1, "maximum": 254},
    "families": {"type": "array", "items": {"enum": ["ipv4", "ipv6"]}, "minItems": 1, "uniqueItems": True},
    "max_routes": _LIMIT,
    "next_hop": {"enum": ["self", "unchanged"]},
    "as_override": _YES_NO,
    "allowas_in": {"type": "integer", "minimum": 0, "maximum": 10},
    "import": _ref("rules"),
    "export": _ref("rules"),
    "first_as": _YES_NO,
    "as_sets": {"enum": ["accept", "reject"]},
    "martians": {"enum": ["accept", "reject"]},
    "requires_policy": _YES_NO,
    "password": {"type": "string", "minLength": 1, "maxLength": LONGEST},
    "tcp_ao": _object(
        {
            "key": {"type": "string", "minLength": 1, "maxLength": LONGEST},
            "key_id": {"type": "integer", "minimum": 0, "maximum": 255},
            "algorithm": {"enum": list(ALGORITHMS)},
        },
        ("key", "key_id"),
    ),
    "role": {"enum": ["provider", "customer", "rs", "rs-client", "peer"]},
    "role_strict": _YES_NO,
    "graceful_restart": _RESTART,
    "enhanced_refresh": _YES_NO,
    "extended_messages": _YES_NO,
    "damping": _YES_NO,
    "send_hold_s": {"type": "integer", "minimum": 0, "maximum": 86400},
    "reflect": _YES_NO,
    "route_server_client": _YES_NO,
    "instances": {"type": "array", "items": _ref("name"), "minItems": 1, "uniqueItems": True},
}
_INSTANCE = _object(
    {
        "name": _ref("name"),
        "asn": _ref("asn"),
        "router_id": _ref("address"),
        "listen": {"type": "array", "items": _ref("address"), "minItems": 1, "uniqueItems": True},
        "port": _PORT,
        "namespace": _TEXT,
    },
    ("name", "listen"),
)
_ASNS = {
    "if": {"type": "array"},
    "then": {"type": "array", "items": _ref("asn"), "minItems": 1, "uniqueItems": True},
    "else": {"if": {"type": "string"}, "then": {"const": "any"}, "else": _ref("asn")},
}
_VISITORS = {key: form for key, form in _COMMON.items() if key not in ("port", "passive")}
_PEER = {
    "if": {"type": "object", "required": ["range"]},
    "then": _object(
        {"name": _ref("name"), "range": _ref("prefix"), "asn": _ASNS, "limit": _COUNT, "description": _TEXT, **_VISITORS},
        ("name", "range", "asn"),
    ),
    "else": _object(
        {"name": _ref("name"), "address": _ref("address"), "asn": _ref("asn"), "description": _TEXT, **_COMMON}, ("name", "address", "asn")
    ),
}
_KERNEL = _object({"table": {"type": "integer", "minimum": 1, "maximum": 4294967295}, "metric": _COUNT})
_COLLECTOR = _object(
    {
        "to": _WHERE,
        "monitor": {"type": "array", "items": {"enum": ["pre-policy", "post-policy"]}, "minItems": 1, "uniqueItems": True},
        "mirror": _YES_NO,
        "statistics_s": {"type": "number", "minimum": 0, "maximum": 86400},
        "queue_mb": {"type": "integer", "minimum": 1, "maximum": 4096},
        "retry_s": {"type": "number", "minimum": 1, "maximum": 720},
    },
    ("to",),
)
_MRT = _object({"updates": _TEXT, "rib": _TEXT, "every_s": {"type": "integer", "minimum": 1, "maximum": 86400}})
_FILE = _object(
    {
        "behaves_like": {"enum": ["azure", "ideal"]},
        "instances": {"type": "array", "items": _INSTANCE, "minItems": 1},
        "defaults": _object(_COMMON),
        "peers": {"type": "array", "items": _PEER},
        "originate": _ref("prefixes"),
        "limits": _object(
            {
                "peers": _COUNT,
                "max_routes": _LIMIT,
                "paths": {"type": "integer", "minimum": 1, "maximum": 1024},
                "connections": _COUNT,
                "open_s": _SECONDS,
                "memory_mb": {"type": "integer", "minimum": 1, "maximum": 1048576},
            }
        ),
        "programming": {"if": {"type": "object"}, "then": _object({"kernel": _KERNEL}, ("kernel",)), "else": {"const": "none"}},
        "metrics": _WHERE,
        "log": _object({"format": {"enum": ["json", "text"]}, "level": {"enum": ["debug", "info", "warning", "error"]}}),
        "control": _TEXT,
        "state": _TEXT,
        "history": {"type": "integer", "minimum": 1, "maximum": 10000},
        "bmp": {"type": "array", "items": _COLLECTOR},
        "mrt": _MRT,
    },
    ("instances", "peers"),
)


@lru_cache(maxsize=1)
def form() -> Any:
    """What judges a route server's file."""
    return validator({"$schema": schema()["$schema"], "$defs": schema()["$defs"], **_FILE})
