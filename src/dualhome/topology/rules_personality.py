"""What only route servers of other makers take (`behaves_like`); a function for each key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualhome.model import AZURE_ASN, PERSONALITIES, Personality
from dualhome.topology.site import Site
from dualhome.topology.words import NVAS, ROUTERS, SERVERS, Wrong, entries


def behaves_like(net: object, server: Mapping[str, Any]) -> str:
    """Whose route server it is: its own word, else the file's, else azure."""
    whole = net.get("behaves_like", "azure") if isinstance(net, Mapping) else "azure"
    return str(server.get("behaves_like", whole))


def _servers(site: Site) -> Iterator[tuple[str, Mapping[str, Any], str, Personality]]:
    for name, x in entries(site.net, SERVERS):
        word = behaves_like(site.net, x)
        yield name, x, word, PERSONALITIES[word]


def _who(holds: Mapping[str, Personality]) -> str:
    return "only route servers of " + " and ".join(holds) + " take it (behaves_like)"


def own_asn(site: Site) -> Iterator[Wrong]:
    """R72: Azure's route servers are 65515; AWS and Google let the user choose, Google among the private ASNs of RFC 6996."""
    choosers = {word: each for word, each in PERSONALITIES.items() if each.asns}
    for name, x, word, personality in _servers(site):
        asn = int(x.get("asn", AZURE_ASN))
        if "asn" in x and word not in choosers and asn != AZURE_ASN:
            yield Wrong(
                (SERVERS, name, "asn"), f"{name!r} has ASN {asn}, and a route server of {word} is {AZURE_ASN} (R72)", _who(choosers)
            )
        elif "asn" in x and personality.asns and not any(asn in block for block in personality.asns):
            right = "64512 to 65534, or 4200000000 to 4294967294"
            yield Wrong((SERVERS, name, "asn"), f"{name!r} has ASN {asn}, and a route server of {word} takes private ones only", right)


def peers_of_its_own_asn(site: Site) -> Iterator[Wrong]:
    """R79: a peer with the route server's own ASN would make the session iBGP, without routes. Of Azure's route servers `R79` is told elsewhere."""
    routers = {name: x for section in (NVAS, ROUTERS) for name, x in entries(site.net, section)}
    for name, x, _, personality in _servers(site):
        asn = int(x.get("asn", AZURE_ASN))
        for place, peer in enumerate(() if personality.has_azures_rules else x.get("peers", [])):
            given: Mapping[str, Any] = peer if isinstance(peer, Mapping) else {"name": peer}
            if given.get("asn", routers.get(given["name"], {}).get("asn")) == asn:
                text = f"the peer {given['name']!r} has ASN {asn}, which is {name!r}'s own (R79)"
                yield Wrong((SERVERS, name, "peers", place), text, "a peer has another one")


def persistence(site: Site) -> Iterator[Wrong]:
    """Routes that stay when all sessions have ended are AWS's."""
    for name, x, word, personality in _servers(site):
        if "persist_routes_minutes" in x and not personality.may_persist_routes:
            persisting = {other: each for other, each in PERSONALITIES.items() if each.may_persist_routes}
            yield Wrong((SERVERS, name, "persist_routes_minutes"), f"a route server of {word} does not persist routes", _who(persisting))


def detection(site: Site) -> Iterator[Wrong]:
    """BFD at the maker's own intervals is AWS's, "peer liveness detection"."""
    for name, x, word, personality in _servers(site):
        if "peer_liveness_detection" in x and personality.bfd is None:
            path = (SERVERS, name, "peer_liveness_detection")
            yield Wrong(path, f"a route server of {word} has no BFD of its own", "go beyond it, as bfd: {interval_ms: 100, multiplier: 3}")


RULES = (own_asn, peers_of_its_own_asn, persistence, detection)
