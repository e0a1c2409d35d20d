"""What a policy would do with a route that isn't there: as far as prefix, source and communities decide."""

from __future__ import annotations

from dualhome.bgp.policy import Policy
from dualhome.net import Prefix, covered


def permits(stage: Policy, prefix: Prefix, tags: tuple[str, ...], communities: list[str]) -> bool:
    """Whether a stage lets a route pass, as far as prefix, source and communities decide; criteria on paths count as unmatched."""
    for term in stage:
        match = {key: value if isinstance(value, list | tuple) else [value] for key, value in term.match.items()}
        tests = {
            "prefix_equals": lambda values: str(prefix) in values,
            "prefix_within": lambda values: covered(prefix, [Prefix.parse(v) for v in values]),
            "from": lambda values: any(tag in values for tag in tags),
            "community_any": lambda values: any(c in values for c in communities),
            "community_all": lambda values: all(v in communities for v in values),
        }
        if all(key in tests and tests[key](values) for key, values in match.items()):
            if term.then == "reject":
                return False
            if term.then == "accept":
                return True
    return True
