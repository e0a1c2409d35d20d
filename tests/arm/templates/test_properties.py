"""Whatever comes as an expression or a template is evaluated or refused in Azure's words; nothing else is ever raised."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.arm.errors import ArmError
from dualhome.arm.templates.evaluate import evaluate
from dualhome.arm.templates.faults import TemplateFault
from dualhome.arm.templates.functions import FUNCTIONS
from tests.arm.templates.resources import World, body, template
from tests.arm.templates.test_functions import scope

ATOMS = st.sampled_from(
    ["'a'", "''", "'10.0.0.0/8'", "'x/y'", "'2020-01-01T00:00:00Z'", "'P1D'", "0", "1", "-3", "9223372036854775807", "true()", "null()", "createArray()",
     "createArray(1,'b')", "createObject('a',1)", "lambda('x', lambdaVariables('x'))", "lambda('x','y', true())", "'{0:D9}{1}'", "'[]'", "1.5", "'%%%'"]
)  # fmt: skip
NAMES = [*sorted(FUNCTIONS), "listkeys", "contoso.f", "nothing"]


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    made = st.builds(lambda name, arguments: f"{name}({', '.join(arguments)})", st.sampled_from(NAMES), st.lists(inner, max_size=4))
    return made | st.builds(lambda of, how: of + how, inner, st.sampled_from([".a", "[0]", "['a']", ".?a", "[?9]", "[-1]"]))


EXPRESSIONS = st.recursive(ATOMS, calls, max_leaves=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6) | EXPRESSIONS.map(lambda each: f"[{each}]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "copy", "count", "input", "value", "properties", "x"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
RESOURCES = st.fixed_dictionaries(
    {"type": st.just("Microsoft.Network/virtualNetworks") | JSON, "apiVersion": st.just("2025-07-01"), "name": st.just("v") | JSON},
    optional={"dependsOn": JSON, "condition": JSON, "copy": JSON, "properties": JSON, "scope": JSON, "resources": JSON, "tags": JSON},
)
TEMPLATES = st.fixed_dictionaries(
    {"$schema": st.just("x"), "contentVersion": st.just("1"), "resources": st.lists(RESOURCES, max_size=3) | JSON},
    optional={
        "parameters": JSON,
        "variables": JSON,
        "functions": JSON,
        "outputs": JSON,
        "languageVersion": st.just("2.0") | JSON,
        "definitions": JSON,
    },
)


def judged(value: Any) -> None:
    try:
        evaluate(value, scope(fresh=True))
    except TemplateFault as fault:
        assert str(fault)  # noqa: PT017  # either way is right


@given(st.text())
def test_any_text_as_an_expression(text: str) -> None:
    judged(f"[{text}]")


@given(st.text(alphabet="()[]'.,?ab1 -\\{}"))
def test_marks_as_an_expression(text: str) -> None:
    judged(f"[{text}]")


@settings(max_examples=1000, deadline=None)
@given(EXPRESSIONS)
def test_any_call_of_any_function(expression: str) -> None:
    judged(f"[{expression}]")


@settings(max_examples=300, deadline=None)
@given(TEMPLATES | JSON)
def test_any_template(wanted: Any) -> None:
    world = World()

    async def work() -> None:
        try:
            await world.deployments.begin(world.id(), body(wanted))
        except ArmError as error:
            assert error.status in (400, 404)  # noqa: PT017  # either way is right
        else:
            found = await world.deployments.finished(world.id())
            assert found.error is None or found.error["code"] != "InternalServerError", found.error

    asyncio.run(work())


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_body(value: Any) -> None:
    world = World()
    for given_ in (value, {"properties": value}, {"properties": {"mode": "Incremental", "template": template([]), "parameters": value}}):
        try:
            asyncio.run(world.deployments.validate(world.id(), given_))
        except ArmError as error:
            assert error.status in (400, 404)  # noqa: PT017  # either way is right
