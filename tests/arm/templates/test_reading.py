"""JSON as people write it, and az sends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome.arm.errors import ArmError
from dualhome.arm.templates.reading import place_of, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert read(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except ArmError as error:
        assert error.code == "InvalidRequestContent"  # noqa: PT017  # either way is right


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except ArmError as error:
        assert error.code == "InvalidRequestContent"  # noqa: PT017  # either way is right


def test_comments_bare_keys_and_commas_too_many() -> None:
    text = """\ufeff{ // a comment
      template: { /* another,
        of two lines */ 'single': 'it is "quoted"', "list": [1, 2,], },
      "url": "https://example.com/a//b /* no comment */", // the end
    }"""
    assert read(text) == {
        "template": {"single": 'it is "quoted"', "list": [1, 2]},
        "url": "https://example.com/a//b /* no comment */",
    }


def test_strings_may_span_lines() -> None:
    assert read('{"script": "first\n  second\\tthird\\u00e9\\ud83d\\ude00"}') == {"script": "first\n  second\tthirdé😀"}


def test_numbers_and_words() -> None:
    assert read("[0, -7, 1.5, 1e3, true, False, NULL]") == [0, -7, 1.5, 1000.0, True, False, None]


def test_values_know_where_they_stood() -> None:
    found = read('{\n  "a": "x",\n  "b": {"c": "y"}}')
    assert place_of(found["a"]) == (2, 8)
    assert place_of(found["b"]) == (3, 8)
    assert place_of(found["b"]["c"]) == (3, 14)
    assert place_of(5) == (1, 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "parsing value"),
        ("{", "Invalid property identifier"),
        ('{"a" 1}', "Expected ':'"),
        ('{"a": 1 "b": 2}', "After parsing a value"),
        ("[1 2]", "After parsing a value"),
        ('"open', "Unterminated string"),
        ('"\\q"', "Bad JSON escape"),
        ('"\\u12"', "Invalid Unicode escape"),
        ("/* open", "Unexpected end while parsing comment"),
        ("{} {}", "Additional text"),
        ("[" * 200, "MaxDepth"),
        ("nope", "parsing value"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ArmError, match=why) as caught:
        read(text)
    assert (caught.value.status, caught.value.code) == (400, "InvalidRequestContent")
    assert "line 1, position" in caught.value.message
