"""Addresses that the file leaves out: the next free ones in the order of the file, given ones set aside first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

from dualhome.model import GATEWAY_SUBNET, ROUTE_SERVER_SUBNET
from dualhome.net import Address, Prefix
from dualhome.topology.site import Site, usable
from dualhome.topology.words import CIRCUITS, GATEWAYS, NVAS, ROUTERS, SERVERS, Wrong, entries, items

MADE_UP_LINKS = Prefix.parse("169.254.0.0/17")


class Pool:
    """The free addresses of a range, lowest first."""

    def __init__(self, free: Iterable[Address], taken: set[Address]) -> None:
        self._free = iter(free)
        self._taken = taken

    def next(self) -> Address | None:
        """The next free one, set aside from now on."""
        for address in self._free:
            if address not in self._taken:
                self._taken.add(address)
                return address
        return None


class Assignment:
    """Every address of a site, given or assigned; `wrongs` are subnets that ran out of them.

    A route server's instances take the two lowest free addresses of their subnet (R9), gateways' the next ones of theirs (R14), others may be given.
    """

    def __init__(self, site: Site) -> None:
        self.wrongs: list[Wrong] = []
        self.machines: dict[str, Address] = {}
        self.pairs: dict[str, tuple[Address, Address]] = {}
        self._site = site
        self._pools: dict[str, Pool] = {}
        self._taken: dict[str, set[Address]] = {}
        specials = ((SERVERS, ROUTE_SERVER_SUBNET), (GATEWAYS, GATEWAY_SUBNET))
        for section, subnet in specials:
            for _, key, given, _ in site.pairs(section, subnet):
                self._taken.setdefault(key, set()).update(given)
        for machine in site.machines():
            if machine.address:
                self._taken.setdefault(machine.subnet, set()).add(machine.address)
        for section, subnet in specials:
            for name, key, given, path in site.pairs(section, subnet):
                found = [*given, *(self._next(key, name, (*path, "virtual_network")) for _ in range(2 - len(given)))]
                self.pairs[name] = found[0], found[1]
        for machine in site.machines():
            self.machines[machine.name] = machine.address or self._next(machine.subnet, machine.name, (*machine.path[:-1], "subnet"))

    def _next(self, key: str, name: str, path: tuple[str | int, ...]) -> Address:
        prefix = self._site.subnets[key].prefix
        if key not in self._pools:
            self._pools[key] = Pool((prefix.address(place) for place in usable(prefix)), self._taken.setdefault(key, set()))
        found = self._pools[key].next()
        if found is None:
            self.wrongs.append(Wrong(path, f"no free address is left in subnet '{key}', {prefix}, for {name!r}", "choose a larger subnet"))
        return found or prefix.address(0)


def link_subnets(site: Site) -> dict[str, tuple[Prefix, Prefix]]:
    """Each circuit's two links; made-up ones keep clear of every address that the file gives inside 169.254.0.0/17."""
    given = {name: [*map(Prefix.parse, items(x, "link_subnets"))] for name, x in entries(site.net, CIRCUITS)}
    busy = {prefix for prefixes in given.values() for prefix in prefixes}
    for section in (NVAS, ROUTERS):
        for _, x in entries(site.net, section):
            busy |= {Address.parse(text).host_prefix for session in items(x, "sessions") for text in session.get("addresses", [])}
    busy = {prefix for prefix in busy if prefix.overlaps(MADE_UP_LINKS)}
    links = (Prefix(4, MADE_UP_LINKS.bits + 4 * place, 30) for place in count())
    free = (link for link in links if not any(link.overlaps(each) for each in busy))
    return {name: (prefixes[0], prefixes[1]) if prefixes else (next(free), next(free)) for name, prefixes in given.items()}


def routers(site: Site, link: Callable[[str], Address | None]) -> dict[str, Address | None]:
    """On-premises routers: given, else the next free one of the first LAN, else that of a link to a circuit, else none."""
    found = entries(site.net, ROUTERS)
    taken = {
        Address.parse(text) for section in (NVAS, ROUTERS) for _, x in entries(site.net, section) for text in x.get("hosts", {}).values()
    }
    taken |= {Address.parse(x["address"]) for _, x in found if "address" in x}
    pools: dict[Prefix, Pool] = {}
    return {name: _router(x, pools, taken) or link(name) for name, x in found}


def _router(x: Mapping[str, object], pools: dict[Prefix, Pool], taken: set[Address]) -> Address | None:
    if "address" in x:
        return Address.parse(str(x["address"]))
    for text in items(x, "prefixes")[:1]:
        lan = Prefix.parse(text)
        return pools.setdefault(lan, Pool(_lan(lan), taken)).next()
    return None


def _lan(prefix: Prefix) -> Iterator[Address]:
    """A LAN's usable addresses: all of a pair or a single one, else all but the first and the last."""
    places = range(prefix.size) if prefix.size <= 2 else range(1, prefix.size - 1)
    return (prefix.address(place) for place in places)
