"""The ledger is complete and true: no rule is missing from it, no rule of behaviour is without implementation or test."""

from __future__ import annotations

import os
import re

from tests.ledger import LEDGER, NOT_BEHAVIOUR, TEXTS, page, rules

KNOWN = rules()


def test_every_rule_is_in_the_ledger() -> None:
    assert [*KNOWN] == [f"R{number}" for number in range(1, 195)]
    held = re.findall(r"^\| (R\d+) \|", LEDGER.read_text("utf-8"), re.MULTILINE)
    assert held == [*KNOWN]


def test_every_rule_of_behaviour_is_implemented_and_proved() -> None:
    missing = {rule.name: rule.status for rule in KNOWN.values() if rule.name not in NOT_BEHAVIOUR and rule.status != "proved"}
    assert not missing, "\n".join(f"{name}: {status}" for name, status in missing.items())


def test_what_is_said_not_to_be_behaviour_is_a_rule() -> None:
    assert {*NOT_BEHAVIOUR} <= {*KNOWN}
    assert all(reason for reason in NOT_BEHAVIOUR.values())
    assert all(f"**{name}**" in TEXTS.read_text("utf-8") for name in NOT_BEHAVIOUR)


def test_the_page_is_golden() -> None:
    if os.environ.get("REGENERATE"):
        LEDGER.write_text(page(), "utf-8")
    assert page() == LEDGER.read_text("utf-8"), "run `make goldens`"
