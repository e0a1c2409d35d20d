"""The command line of a router's image (Cisco's IOS and those like it): its configuration is the machine. No program runs, so it needs no privilege.

Custom data is its startup configuration; run-command types lines at its prompt, as one would paste them into the serial console.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from dualhome.arm.guests.configs import read
from dualhome.engine.views import RouteView, SessionView

PUBLISHERS: Final = ("cisco", "arista-networks")
SHORTEST: Final = {  # words of the prompt, each by what it may be cut to
    "enable": 2, "configure": 4, "disable": 4, "write": 2, "copy": 3, "terminal": 4, "show": 2, "clear": 3, "end": 3, "exit": 2, "logout": 4,
    "do": 2, "ping": 2, "traceroute": 2, "reload": 3,
}  # fmt: skip
Ask = Callable[[], Awaitable[tuple[Iterable[SessionView], Iterable[RouteView]]]]


def is_console(image: Mapping[str, Any]) -> bool:
    """Whether an image (publisher, offer, …) has such a command line."""
    return str(image.get("publisher", "")).lower() in PUBLISHERS


def kept(startup: str) -> dict[str, Any]:
    """What a record keeps of a router with this configuration."""
    config = read(startup, "ios")
    return {"startup": startup, "router": config.data() if config is not None else None, "program": None, "configuration": None}


async def typed(startup: str, lines: str, ask: Ask) -> tuple[str, str]:
    """The configuration once these lines were typed, and what the console says; `ask` gives the router's sessions and its table."""
    taken, said = [], []
    for line in lines.splitlines():
        word, rest = _command(line)
        if word is None:
            taken.append(line)
        elif word == "do" or (word == "show" and rest):
            inner = _command(rest)[1] if word == "do" else rest
            said.append(await _shown(inner, "\n".join([startup, *taken]), ask))
        elif word in ("write", "copy"):
            said.append("Building configuration...\n[OK]")
    fresh = [line for line in taken if line.strip()]
    after = "\n".join([*([startup.rstrip(), "!"] if startup.strip() else []), *taken]) + "\n" if fresh else startup
    known = set(_unread(startup))
    said += [f"% not understood, and without effect: {line}" for line in _unread(after) if line not in known]
    return after, "\n".join(said) + "\n" * bool(said)


def _command(line: str) -> tuple[str | None, str]:
    """A word of the prompt, whole, and what follows it; None for a line of configuration, which is in its columns."""
    first, _, rest = line.strip().partition(" ")
    low = first.lower()
    word = next((each for each, least in SHORTEST.items() if len(low) >= least and each.startswith(low)), None)
    if word in ("end", "exit"):
        return None, rest  # they end blocks
    return word, rest.strip()


def _unread(text: str) -> list[str]:
    config = read(text, "ios")
    return [each.partition(": ")[2] for each in config.unread] if config is not None else []


async def _shown(what: str, config: str, ask: Ask) -> str:
    words = what.lower().split()
    match [word[:3] for word in words]:
        case ["run", *_] | ["sta", *_]:
            return f"Building configuration...\n\n{config.strip()}\nend"
        case ["ip" | "bgp", "bgp" | "ipv", *_] | ["bgp", *_] if words[-1].startswith("sum"):
            return _summary(config, (await ask())[0])
        case ["ip", "bgp", *_] | ["bgp", *_]:
            return _table((await ask())[1])
        case _:
            return f"% show {what}: this console shows running-config, ip bgp summary and ip bgp"


def _summary(config: str, sessions: Iterable[SessionView]) -> str:
    read_ = read(config, "ios")
    asn = read_.asn if read_ is not None else None
    rows = [f"BGP local AS number {asn}", f"{'Neighbor':<18}{'AS':<8}State/PfxRcd"]
    for each in sessions:
        rows.append(
            f"{each.peer_address!s:<18}{each.peer_asn!s:<8}{each.routes_learned if str(each.state) == 'Established' else each.state}"
        )
    return "\n".join(rows)


def _table(routes: Iterable[RouteView]) -> str:
    rows = [f"{'':3}{'Network':<20}{'Next Hop':<18}Path"]
    rows += [
        f"{'*>' if each.best else '*':<3}{each.prefix!s:<20}{each.next_hop!s:<18}{each.as_path} {each.origin[:1].lower()}"
        for each in routes
    ]
    return "\n".join(rows)
