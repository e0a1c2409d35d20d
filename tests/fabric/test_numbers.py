"""Numbers stay what they are."""

from __future__ import annotations

import json

from dualhome.fabric.numbers import Numbers


def test_names_have_numbers_of_their_own_kind_from_the_first_on() -> None:
    numbers = Numbers()
    assert [numbers.port(name) for name in ("a", "b", "a")] == [16, 17, 16]
    assert [numbers.network("a"), numbers.table("a"), numbers.balancer("a"), numbers.table("b")] == [1, 2, 1, 3]


def test_they_outlive_the_process_as_plain_data() -> None:
    numbers = Numbers()
    numbers.port("a"), numbers.port("b"), numbers.table("t")
    again = Numbers.of_data(json.loads(json.dumps(numbers.data())))
    assert (again.port("b"), again.table("t"), again.port("c")) == (17, 2, 18)
    assert numbers.data()["ports"] == {"a": 16, "b": 17}


def test_what_is_forgotten_is_free_again() -> None:
    numbers = Numbers()
    for name in "abc":
        numbers.port(name)
    numbers.keep("ports", ["a", "c"])
    assert (numbers.port("d"), numbers.port("c"), numbers.port("b")) == (17, 18, 19)
