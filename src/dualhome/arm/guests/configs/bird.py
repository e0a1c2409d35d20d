"""Configurations of BIRD 1 and 2, as far as labs with route servers go: blocks of braces, statements that end in semicolons."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from dualhome.arm.guests.configs.router import Data, Neighbor, RouterConfig
from dualhome.fabric.state import NEXT_HOP

TOKEN: Final = re.compile(r'"[^"]*"|[{};]|[^\s{};"]+')
COMMENT: Final = re.compile(r"/\*.*?\*/|(?://|#)[^\n]*", re.DOTALL)
Statement = tuple[list[str], "list[Statement] | None"]


def read(text: str) -> RouterConfig:
    """The router that a text describes; never raises, what it does not know is in `unread`."""
    config = RouterConfig("bird")
    statements = list(_statements(iter(TOKEN.findall(COMMENT.sub(" ", text)))))
    filters = {words[1]: body or [] for words, body in statements if words[:1] == ["filter"] and len(words) > 1}
    templates = {words[2]: body or [] for words, body in statements if words[:2] == ["template", "bgp"] and len(words) > 2}
    for words, body in statements:
        try:
            _statement(config, words, body or [], filters, templates)
        except (ValueError, IndexError):
            config.unread.append(" ".join(words))
    return config


def _statements(tokens: Iterator[str], depth: int = 0) -> Iterator[Statement]:
    words: list[str] = []
    for token in tokens:
        if token == "{":
            inner = list(_statements(tokens, depth + 1)) if depth < 50 else []
            yield words, inner
            words = []
        elif token in (";", "}"):
            if words:
                yield words, None
            words = []
            if token == "}" and depth:
                return
        else:
            words.append(token)


def _statement(
    config: RouterConfig,
    words: list[str],
    body: list[Statement],
    filters: dict[str, list[Statement]],
    templates: dict[str, list[Statement]],
) -> None:
    match words:
        case ["router", "id", address]:
            config.router_id = str(ipaddress.ip_address(address))
        case ["protocol", "static", *_]:
            for inner, _more in _flat(body):
                if inner[:1] == ["route"]:
                    hop = inner[inner.index("via") + 1] if "via" in inner else ""
                    config.static.append((str(ipaddress.ip_network(inner[1], strict=False)), hop.strip('"')))
                    if "static" not in config.redistribute:
                        config.redistribute.append("static")
        case ["protocol", "bgp", *rest]:
            base = templates.get(rest[rest.index("from") + 1], []) if "from" in rest else []
            _session(config, [*base, *body], filters)


def _flat(body: list[Statement]) -> Iterator[Statement]:
    """Statements, those within channels too."""
    for words, inner in body:
        yield words, inner
        if inner is not None and words[:1] in (["ipv4"], ["ipv6"]):
            yield from _flat(inner)


def _session(config: RouterConfig, body: list[Statement], filters: dict[str, list[Statement]]) -> None:
    one, address = Neighbor(), ""
    for words, inner in _flat(body):
        match words:
            case ["local", *rest]:
                if "as" in rest:
                    config.asn = int(rest[rest.index("as") + 1])
            case ["neighbor", where, *rest]:
                address = str(ipaddress.ip_address(where))
                if "as" in rest:
                    one.asn = int(rest[rest.index("as") + 1])
            case ["multihop", *_]:
                one.multihop = True
            case ["hold", "time", value]:
                one.hold_s, one.keepalive_s = int(value), one.keepalive_s or int(value) // 3
            case ["keepalive", "time", value]:
                one.keepalive_s = int(value)
            case ["next", "hop", "self", *_]:
                one.next_hop = "self"
            case ["next", "hop", "keep"]:
                one.next_hop = "unchanged"
            case ["import" | "export" as way, *rest]:
                _filter(config, one, way, rest, inner, filters)
    if address:
        config.neighbors[address] = one


def _filter(
    config: RouterConfig, one: Neighbor, way: str, rest: list[str], inner: list[Statement] | None, filters: dict[str, list[Statement]]
) -> None:
    rules: list[Data] | None = None
    if rest == ["none"]:
        rules = [{"actions": {"prefix": "drop"}}]
    elif rest[:1] == ["where"]:
        rules = [*([{"match": match}] if (match := _condition(rest[1:])) else []), {"actions": {"prefix": "drop"}}]
    elif rest[:1] == ["filter"]:
        body = inner if inner is not None else filters.get(rest[1] if len(rest) > 1 else "", [])
        rules = _body(config, one, body, way)
    if way == "import":
        one.imports = rules
    else:
        one.exports = rules


def _body(config: RouterConfig, one: Neighbor, body: list[Statement], way: str) -> list[Data] | None:
    """A filter: what stands alone holds for all; `if … then` becomes a rule."""
    rules: list[Data] = []
    ended = False
    for words, inner in body:
        if words[:1] == ["if"]:
            at = words.index("then") if "then" in words else len(words)
            tail: list[Statement] = [(words[at + 1 :], None)] if words[at + 1 :] else inner or []
            rules.append(_rule(config, one, _condition(words[1:at]), tail))
        elif words[:1] == ["else"]:
            tail = [(words[1:], None)] if words[1:] else inner or []
            rules.append(_rule(config, one, {}, tail))
        elif words[0] in ("accept", "reject"):
            rules.append({"actions": {"prefix": "drop"}} if words[0] == "reject" else {})
            ended = True
        elif way == "export":
            _alone(config, one, words[0] if len(words) == 1 else "".join(words))
    plain = all(not rule.get("match") and not rule.get("actions") for rule in rules)
    if plain:
        return None
    return (
        [rule for rule in rules if rule]
        if ended or rules[-1].get("actions", {}).get("prefix") == "drop"
        else [*rules, {"actions": {"prefix": "drop"}}]
    )


def _rule(config: RouterConfig, one: Neighbor, match: Data, tail: list[Statement]) -> Data:
    rule: Data = {"match": match} if match else {}
    for words, _ in tail:
        text = "".join(words)
        if words[:1] == ["reject"]:
            rule["actions"] = {"prefix": "drop"}
        elif found := re.search(r"bgp_path\.prepend\((\d+)\)", text):
            rule.setdefault("actions", {}).setdefault("as_path", {"add": []})["add"].append(int(found[1]))
        elif found := re.search(r"bgp_path\.delete\(\[?(\d+)\]?\)", text):
            rule.setdefault("actions", {})["as_path"] = {"remove": [int(found[1])]}
        elif words[:1] != ["accept"]:
            config.unread.append(" ".join(words))
    return rule


def _alone(config: RouterConfig, one: Neighbor, text: str) -> None:
    """A statement that holds for all that is exported."""
    if found := re.search(r"bgp_path\.prepend\((\d+)\)", text):
        one.prepend += 1
    elif found := re.search(r"bgp_path\.delete\(\[?([\d,]+)\]?\)", text):
        one.strip += [int(each) for each in found[1].split(",") if each]
    elif found := re.search(r"bgp_path\.(?:empty|filter)", text):
        one.as_override = True
    elif found := re.search(r"bgp_community\.add\(\((\d+),(\d+)\)\)", text):
        one.communities.append(f"{found[1]}:{found[2]}")
    elif found := re.search(r"bgp_next_hop=([\d.]+)", text):
        one.next_hop = found[1]
    else:
        config.unread.append(text)


def _condition(words: list[str]) -> Data:
    """`net ~ [ 10.0.0.0/8+, … ]`."""
    text = "".join(words)
    exact: list[str] = []
    within: list[str] = []
    if "net" in text and ("~" in text or "=" in text) and "!" not in text:
        for prefix, mark in re.findall(r"(\d+\.\d+\.\d+\.\d+/\d+)(\+|\{[^}]*\})?", text):
            (within if mark else exact).append(str(ipaddress.ip_network(prefix, strict=False)))
    if within:
        return {"prefix": {"contains": [*within, *exact]}}
    return {"prefix": {"equals": exact}} if exact else {}


def for_namespace(text: str) -> str:
    """The same for a machine that is a namespace: next hops of its subnet are behind its one gateway."""
    return re.sub(r"\bvia\s+\d+\.\d+\.\d+\.\d+(?=\s*;)", f"via {NEXT_HOP[4]}%eth0 onlink", text)


def is_one(text: str) -> bool:
    """Whether a text looks like such a configuration."""
    return bool(re.search(r"^\s*protocol\s+bgp\b", text, re.MULTILINE))


__all__: list[Any] = ["is_one", "read"]
