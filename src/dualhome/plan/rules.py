"""Rules of the file (topology-format.md, section 3) as terms of a policy."""

from __future__ import annotations

from collections.abc import Iterable

from dualhome.bgp.policy import Action, Policy, Term
from dualhome.model import Match, RouteMapActions, Rule


def policy_of(rules: Iterable[Rule], source: str) -> Policy:
    """Rules in their order; the end of the list permits (R120). `source` says where they stand, for `why`."""
    return tuple(_term(rule, source) for rule in rules)


def _term(rule: Rule, source: str) -> Term:
    return Term(
        name=rule.name,
        match=_criteria(rule.match),
        do=tuple(_changes(rule.actions)),
        then="reject" if rule.actions.drop else "continue" if rule.proceed else "accept",
        source=source,
    )


def _criteria(match: Match) -> dict[str, object]:
    """All that are given must hold; `contains` of a prefix means equal or beneath, of paths and communities any of the list."""
    lists = {
        "prefix_equals": match.prefix_equals and [str(p) for p in match.prefix_equals],
        "prefix_within": match.prefix_contains and [str(p) for p in match.prefix_contains],
        "as_path_equals": match.as_path_equals,
        "as_path_contains": match.as_path_contains,
        "community_all": match.community_equals,
        "community_any": match.community_contains,
        "from": match.learned_from,
    }
    return {key: list(value) for key, value in lists.items() if value is not None}


def _changes(actions: RouteMapActions) -> Iterable[Action]:
    """Actions in the order in which the format names them."""
    if actions.prefix_replace is not None:
        yield {"prefix_replace": [str(p) for p in actions.prefix_replace]}
    lists = {
        "prepend": actions.as_path_add,
        "path_replace": actions.as_path_replace,
        "path_remove": actions.as_path_remove,
        "community_add": actions.community_add,
        "community_replace": actions.community_replace,
        "community_remove": actions.community_remove,
    }
    yield from ({key: list(value)} for key, value in lists.items() if value is not None)
    if actions.local_preference is not None:
        yield {"local_preference": actions.local_preference}
    if actions.med is not None:
        yield {"med": actions.med}
