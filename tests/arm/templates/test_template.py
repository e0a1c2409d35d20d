"""Templates: parameters, variables, loops, conditions, dependencies, nested resources and deployments, outputs; the messages are Azure's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dualhome.arm.errors import ArmError
from dualhome.arm.templates import Links
from tests.arm.templates.resources import GROUP, NETWORK, ROOT, SCHEMA, World, template, vnet

NESTED = {"type": "Microsoft.Resources/deployments", "apiVersion": "2024-11-01"}
SUBNET = {"type": "Microsoft.Network/virtualNetworks/subnets", "apiVersion": "2025-07-01"}


@pytest.fixture
def world() -> World:
    return World()


def names(world: World) -> list[str]:
    return [each.removeprefix(NETWORK + "/").removeprefix(ROOT) for each in world.resources.log]


def nested(name: str, inner: dict[str, Any], *, scope: str = "", **more: Any) -> dict[str, Any]:
    options = {"expressionEvaluationOptions": {"scope": scope}} if scope else {}
    parameters = {"parameters": more.pop("parameters")} if "parameters" in more else {}
    return {**NESTED, "name": name, **more, "properties": {"mode": "Incremental", **options, "template": inner, **parameters}}


# --- parameters -------------------------------------------------------------------------------------------------------


def test_parameters_have_values_or_defaults_that_may_use_others(world: World) -> None:
    parameters = {
        "name": {"type": "string", "defaultValue": "[concat(parameters('prefix'), '-x')]"},
        "prefix": {"type": "String"},
        "n": {"type": "int", "defaultValue": 3, "minValue": 1, "maxValue": 5},
        "on": {"type": "bool", "defaultValue": False},
        "secret": {"type": "securestring", "defaultValue": "hidden"},
        "more": {"type": "object", "defaultValue": {"a": "[parameters('n')]"}},
        "list": {"type": "array", "allowedValues": ["a", "b", "c"], "defaultValue": ["a"]},
    }
    found = world.made(template([], parameters=parameters), prefix="p", n=5, LIST=["c", "b"])
    assert found.shown(0)["properties"]["parameters"] == {
        "name": {"type": "String", "value": "p-x"},
        "prefix": {"type": "String", "value": "p"},
        "n": {"type": "Int", "value": 5},
        "on": {"type": "Bool", "value": False},
        "secret": {"type": "SecureString"},
        "more": {"type": "Object", "value": {"a": 5}},
        "list": {"type": "Array", "value": ["c", "b"]},
    }


@pytest.mark.parametrize(
    ("definition", "value", "why"),
    [
        ({"type": "string"}, ..., "The value for the template parameter 'p' at line '1' and column '1' is not provided"),
        ({"type": "string"}, 5, "Expected 'String, Uri'. Actual 'Integer'"),
        ({"type": "int"}, "5", "Expected 'Integer'. Actual 'String'"),
        ({"type": "int"}, True, "Expected 'Integer'. Actual 'Boolean'"),
        ({"type": "bool"}, "true", "Expected 'Boolean'. Actual 'String'"),
        ({"type": "object"}, [], "Expected 'Object'. Actual 'Array'"),
        ({"type": "array"}, {}, "Expected 'Array'. Actual 'Object'"),
        ({"type": "string"}, None, "The value of deployment parameter 'p' is null"),
        ({"type": "string", "allowedValues": ["a", "b"]}, "c", "The value 'c' is not part of the allowed value(s): 'a,b'"),
        ({"type": "int", "minValue": 3}, 2, "should be greater than or equal to '3'"),
        ({"type": "string", "maxLength": 3}, "abcd", "should be less than or equal to '3'"),
        ({"type": "string", "minLength": 3}, "ab", "Length of the value should be greater than or equal to '3'"),
        ({"type": "array", "minLength": 1}, [], "Length of the value should be greater"),
        ({"type": "nothing"}, "a", "the type 'nothing' is not one of"),
        ({"type": "string", "defaultValue": "[reference('x')]"}, ..., "'reference' is not expected at this location"),
        ({"type": "string", "defaultValue": "[parameters('p')]"}, ..., "Circular dependency"),
        ({"type": "string", "defaultValue": "[variables('v')]"}, ..., "The template variable 'v' is not found"),
    ],
)
def test_parameters_that_dont_fit_are_refused(world: World, definition: dict[str, Any], value: Any, why: str) -> None:
    given = {} if value is ... else {"p": value}
    message = world.refused(template([], parameters={"p": definition}), **given)
    assert why in message


def test_unknown_parameters_are_refused(world: World) -> None:
    message = world.refused(template([], parameters={"a": {"type": "int", "defaultValue": 1}}), b=2, c=3)
    assert message.startswith("Deployment template validation failed: 'The template parameters 'b, c' in the parameters file are not valid")
    assert "The only supported parameters for this template are 'a'" in message


def test_null_takes_the_default_and_nullable_ones_may_be_nothing(world: World) -> None:
    parameters = {"a": {"type": "string", "defaultValue": "x"}, "b": {"type": "int", "nullable": True}}
    outputs = {"a": {"type": "string", "value": "[parameters('a')]"}, "b": {"type": "bool", "value": "[equals(parameters('b'), null())]"}}
    assert world.made(template([], parameters=parameters, outputs=outputs), a=None).outputs == {
        "a": {"type": "String", "value": "x"},
        "b": {"type": "Bool", "value": True},
    }


def test_types_of_the_users_own(world: World) -> None:
    wanted = template(
        {},
        languageVersion="2.0",
        definitions={"port": {"type": "int", "minValue": 1}},
        parameters={"p": {"$ref": "#/definitions/port"}},
        outputs={"p": {"type": "int", "value": "[parameters('p')]"}},
    )
    assert world.made(wanted, p=7).outputs == {"p": {"type": "Int", "value": 7}}
    assert "greater than or equal to '1'" in world.refused(wanted, p=0)


# --- variables and functions ------------------------------------------------------------------------------------------


def test_variables_use_each_other_and_have_loops(world: World) -> None:
    variables = {
        "a": "[concat(variables('b'), '!')]",
        "b": "x",
        "copy": [{"name": "disks", "count": 3, "input": {"lun": "[copyIndex('disks')]", "name": "[concat('d', copyIndex('disks', 1))]"}}],
        "inside": {"copy": [{"name": "numbers", "count": 2, "input": "[mul(copyIndex('numbers'), 10)]"}], "other": 1},
    }
    outputs = {
        "a": {"type": "string", "value": "[variables('a')]"},
        "disks": {"type": "array", "value": "[variables('disks')]"},
        "inside": {"type": "object", "value": "[variables('inside')]"},
    }
    found = world.made(template([], variables=variables, outputs=outputs)).outputs
    assert found is not None
    assert found["a"]["value"] == "x!"
    assert found["disks"]["value"] == [{"lun": 0, "name": "d1"}, {"lun": 1, "name": "d2"}, {"lun": 2, "name": "d3"}]
    assert found["inside"]["value"] == {"numbers": [0, 10], "other": 1}


def test_variables_that_make_no_sense_are_told_with_their_name(world: World) -> None:
    assert "The template variable 'v' at line '1' and column '1' is not valid" in world.refused(template([], variables={"v": "[add(1)]"}))
    message = world.refused(template([], variables={"v": "[variables('w')]", "w": "[variables('v')]"}))
    assert "Circular dependency detected" in message
    assert "'reference' is not expected" in world.refused(template([], variables={"v": "[reference('x')]"}))


def test_functions_of_the_users_own_see_their_parameters_alone(world: World) -> None:
    functions = [
        {
            "namespace": "contoso",
            "members": {
                "unique": {
                    "parameters": [{"name": "of", "type": "string"}],
                    "output": {"type": "string", "value": "[concat(toLower(parameters('of')), '-1')]"},
                },
                "bad": {"parameters": [], "output": {"type": "string", "value": "[variables('v')]"}},
            },
        }
    ]
    good = {"x": {"type": "string", "value": "[Contoso.Unique('ABC')]"}}
    assert world.made(template([], functions=functions, outputs=good)).outputs == {"x": {"type": "String", "value": "abc-1"}}
    assert "'contoso.bad' is not valid" in world.refused(template([], functions=functions, variables={"v": "1", "w": "[contoso.bad()]"}))
    assert "requires 1 argument(s) while 0" in world.refused(template([], functions=functions, variables={"w": "[contoso.unique()]"}))


# --- loops and conditions ---------------------------------------------------------------------------------------------


def test_loops_make_resources_with_their_index(world: World) -> None:
    wanted = vnet("[concat('v', copyIndex(1))]", copy={"name": "vnets", "count": "[parameters('n')]"})
    wanted["properties"] = {"addressSpace": {"addressPrefixes": ["[format('10.{0}.0.0/16', copyIndex('vnets'))]"]}}
    world.made(template([wanted], parameters={"n": {"type": "int"}}), n=3)
    assert names(world) == ["virtualNetworks/v1", "virtualNetworks/v2", "virtualNetworks/v3"]
    assert world.resources.all[f"{NETWORK}/virtualNetworks/v3".lower()]["properties"]["addressSpace"]["addressPrefixes"] == ["10.2.0.0/16"]


def test_loops_of_properties(world: World) -> None:
    subnets = {"copy": [{"name": "subnets", "count": 2, "input": {"name": "[concat('s', copyIndex('subnets'))]"}}], "addressSpace": {}}
    world.made(template([vnet("v", properties=subnets)]))
    assert world.resources.all[f"{NETWORK}/virtualNetworks/v".lower()]["properties"]["subnets"] == [{"name": "s0"}, {"name": "s1"}]


def test_a_serial_loop_waits_for_each_batch(world: World) -> None:
    loop = {"name": "l", "count": 5, "mode": "serial", "batchSize": 2}
    world.made(template([vnet("[concat('v', copyIndex())]", copy=loop)]))
    assert world.resources.most == 2
    assert sorted(names(world)) == names(world)


def test_a_parallel_loop_goes_on_at_once(world: World) -> None:
    world.made(template([vnet("[concat('v', copyIndex())]", copy={"name": "l", "count": 5})]))
    assert world.resources.most == 5


@pytest.mark.parametrize(
    ("count", "why"),
    [
        (-1, "must not be negative"),
        ("x", "must evaluate to an integer"),
        (100_000, "exceeded the limit"),
        ("[reference('x')]", "not expected"),
    ],
)
def test_counts_that_are_none(world: World, count: Any, why: str) -> None:
    assert why in world.refused(template([vnet("[concat('v', copyIndex())]", copy={"name": "l", "count": count})]))


def test_nothing_is_made_zero_times(world: World) -> None:
    world.made(template([vnet("[concat('v', copyIndex())]", copy={"name": "l", "count": 0}), vnet("w", dependsOn=["l"])]))
    assert names(world) == ["virtualNetworks/w"]


def test_conditions_leave_resources_out_and_whoever_waits_for_them_doesnt(world: World) -> None:
    world.made(
        template(
            [vnet("a", condition="[parameters('on')]", properties="[fail('not evaluated')]"), vnet("b", dependsOn=["a"])],
            parameters={"on": {"type": "bool"}},
        ),
        on=False,
    )
    assert names(world) == ["virtualNetworks/b"]
    assert "'condition' is no boolean" in world.refused(template([vnet("a", condition="[createArray()]")]))


# --- dependencies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "v",
        "Microsoft.Network/virtualNetworks/v",
        "[resourceId('Microsoft.Network/virtualNetworks', 'v')]",
        "[concat('Microsoft.Network/virtualNetworks/', 'V')]",
        "loop",
    ],
)
def test_dependencies_by_all_their_names(world: World, written: str) -> None:
    waiting = {**SUBNET, "name": "v/s", "dependsOn": [written], "properties": {}}
    world.made(template([waiting, vnet("v", copy={"name": "loop", "count": 1})]))
    assert names(world) == ["virtualNetworks/v", "virtualNetworks/v/subnets/s"]


def test_a_dependency_on_a_child(world: World) -> None:
    for written in (
        "v/s",
        "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
        "Microsoft.Network/virtualNetworks/v/subnets/s",
    ):
        world.resources.log.clear()
        world.made(template([vnet("w", dependsOn=[written]), {**SUBNET, "name": "v/s", "dependsOn": ["v"], "properties": {}}, vnet("v")]))
        assert names(world) == ["virtualNetworks/v", "virtualNetworks/v/subnets/s", "virtualNetworks/w"]


def test_unknown_dependencies_circles_and_doubles(world: World) -> None:
    assert "The resource 'none' is not defined in the template" in world.refused(template([vnet("a", dependsOn=["none"])]))
    message = world.refused(template([vnet("z"), vnet("a", dependsOn=["b"]), vnet("b", dependsOn=["c"]), vnet("c", dependsOn=["b", "z"])]))
    assert f"Circular dependency detected on resource: '{NETWORK}/virtualNetworks/" in message
    assert "virtualNetworks/a'" not in message
    assert "Circular dependency" in world.refused(template([vnet("a", dependsOn=["a"])]))
    assert "is defined multiple times in a template" in world.refused(template([vnet("a"), vnet("A")]))
    assert names(world) == []


def test_references_by_name_wait_for_what_they_mean(world: World) -> None:
    first = vnet("first", tags={"space": "[reference('second').addressSpace.addressPrefixes[0]]"})
    world.made(template([first, vnet("second")]))
    assert names(world) == ["virtualNetworks/second", "virtualNetworks/first"]
    assert world.resources.all[f"{NETWORK}/virtualNetworks/first".lower()]["tags"] == {"space": "10.0.0.0/16"}


def test_references_that_go_round_in_a_circle(world: World) -> None:
    a, b = vnet("a", tags={"x": "[reference('b').x]"}), vnet("b", tags={"x": "[reference('a').x]"})
    assert "Circular dependency" in world.refused(template([a, b]))


def test_references_to_what_is_there_already(world: World) -> None:
    world.resources.enter(f"{NETWORK}/virtualNetworks/old", {"location": "x", "tags": {"a": "b"}, "properties": {"p": 1}})
    id_ = f"{NETWORK}/virtualNetworks/old"
    assert world.output(f"[reference('{id_}', '2020-01-01').p]", type="int") == 1
    full = world.output(f"[reference('{id_}', '2020-01-01', 'Full')]")
    assert (full["tags"], full["location"], full["apiVersion"], full["resourceGroupName"]) == ({"a": "b"}, "x", "2020-01-01", "rg1")
    assert world.output(f"[listKeys('{id_}', '2020-01-01').keys[0].value]", type="string") == "listKeys of old"


def test_a_reference_to_nothing_fails_the_resource(world: World) -> None:
    found = world.deploy(template([vnet("a", tags={"x": f"[reference('{NETWORK}/virtualNetworks/none', '2020-01-01').p]"}), vnet("b")]))
    assert found.state == "Failed"
    assert found.error is not None
    assert (found.error["code"], [each["code"] for each in found.error["details"]]) == ("DeploymentFailed", ["ResourceNotFound"])
    assert names(world) == ["virtualNetworks/b"]


def test_an_expression_that_fails_while_it_runs(world: World) -> None:
    found = world.deploy(template([vnet("a", tags={"x": "[reference('b').nothing]"}), vnet("b")]))
    assert found.error is not None
    (detail,) = found.error["details"]
    assert detail["code"] == "InvalidTemplate"
    assert detail["message"].startswith(
        f"Unable to process template language expressions for resource '{NETWORK}/virtualNetworks/a' at line '1'"
    )
    assert "property 'nothing' doesn't exist, available properties are 'addressSpace, provisioningState'" in detail["message"]


# --- children and scopes ----------------------------------------------------------------------------------------------


def test_children_nested_within_their_parents(world: World) -> None:
    child = {"type": "subnets", "apiVersion": "2025-07-01", "name": "s", "dependsOn": ["v"], "properties": {}}
    deep = {"type": "things", "apiVersion": "2025-07-01", "name": "t", "dependsOn": ["v/s"], "properties": {}}
    world.made(template([vnet("v", resources=[{**child, "resources": [deep]}])]))
    assert names(world) == ["virtualNetworks/v", "virtualNetworks/v/subnets/s", "virtualNetworks/v/subnets/s/things/t"]


def test_names_and_types_have_as_many_parts(world: World) -> None:
    assert "has incorrect segment lengths" in world.refused(template([{**SUBNET, "name": "s", "properties": {}}]))
    assert "the required property 'apiVersion' is missing" in world.refused(template([{"type": "A/b", "name": "x"}]))


def test_extension_resources_have_a_scope(world: World) -> None:
    lock = {
        "type": "Microsoft.Authorization/locks",
        "apiVersion": "2020-05-01",
        "name": "keep",
        "dependsOn": ["v"],
        "properties": {"level": "CanNotDelete"},
    }
    old = {**lock, "type": "Microsoft.Network/virtualNetworks/providers/locks", "name": "v/Microsoft.Authorization/old"}
    world.made(template([vnet("v"), {**lock, "scope": "Microsoft.Network/virtualNetworks/v"}, old]))
    assert names(world)[1:] == [f"virtualNetworks/v/providers/Microsoft.Authorization/locks/{each}" for each in ("keep", "old")]


# --- language version 2.0 ---------------------------------------------------------------------------------------------


def test_symbolic_names_and_existing_resources(world: World) -> None:
    world.resources.enter(f"{NETWORK}/virtualNetworks/there", {"properties": {"space": "10.9.0.0/16"}})
    resources = {
        "spokes": vnet("[format('s{0}', copyIndex())]", copy={"name": "spokes", "count": 2}, dependsOn=["hub"]),
        "hub": vnet("h", tags={"from": "[reference('old').space]"}),
        "old": {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2025-07-01", "name": "there", "existing": True},
        "last": vnet("last", dependsOn=["spokes[1]", "old"]),
    }
    outputs = {
        "one": {"type": "string", "value": "[reference('spokes[1]', '2025-07-01', 'full').name]"},
        "all": {"type": "array", "value": "[map(references('spokes', 'full'), lambda('s', lambdaVariables('s').name))]"},
        "ids": {
            "type": "array",
            "copy": {"count": 2, "input": "[resourceId('Microsoft.Network/virtualNetworks', format('s{0}', copyIndex()))]"},
        },
    }
    found = world.made(template(resources, languageVersion="2.0", outputs=outputs)).outputs
    assert found is not None
    assert names(world) == ["virtualNetworks/h", "virtualNetworks/s0", "virtualNetworks/s1", "virtualNetworks/last"]
    assert found["one"]["value"] == "s1"
    assert found["all"]["value"] == ["s0", "s1"]
    assert found["ids"]["value"] == [f"{NETWORK}/virtualNetworks/s0", f"{NETWORK}/virtualNetworks/s1"]
    assert world.resources.all[f"{NETWORK}/virtualNetworks/h".lower()]["tags"] == {"from": "10.9.0.0/16"}


# --- deployments within deployments -----------------------------------------------------------------------------------


def test_a_nested_template_of_outer_scope_sees_what_is_around_it(world: World) -> None:
    inner = template(
        [vnet("[variables('name')]")], variables={"name": "inner"}, outputs={"n": {"type": "string", "value": "[parameters('p')]"}}
    )
    wanted = template(
        [nested("n", inner)],
        variables={"name": "outer"},
        parameters={"p": {"type": "string", "defaultValue": "q"}},
        outputs={"x": {"type": "string", "value": "[reference('n').outputs.n.value]"}},
    )
    assert world.made(wanted).outputs == {"x": {"type": "String", "value": "q"}}
    assert names(world) == ["virtualNetworks/outer"]


def test_a_nested_template_of_inner_scope_sees_itself(world: World) -> None:
    inner = template(
        [vnet("[variables('name')]")],
        variables={"name": "[parameters('p')]"},
        parameters={"p": {"type": "string"}},
        outputs={"n": {"type": "string", "value": "[reference(variables('name')).addressSpace.addressPrefixes[0]]"}},
    )
    wanted = template(
        [nested("n", inner, scope="inner", parameters={"p": {"value": "[variables('name')]"}})],
        variables={"name": "given"},
        outputs={"x": {"type": "string", "value": "[reference('n').outputs.n.value]"}},
    )
    found = world.made(wanted)
    assert found.outputs == {"x": {"type": "String", "value": "10.0.0.0/16"}}
    assert names(world) == ["virtualNetworks/given"]
    assert found.made == [f"{NETWORK}/virtualNetworks/given"]
    assert world.deployments.get(world.id("n"))["properties"]["provisioningState"] == "Succeeded"  # type: ignore[index]


def test_outputs_of_one_nested_deployment_feed_the_next(world: World) -> None:
    first = template([vnet("a")], outputs={"id": {"type": "string", "value": "[resourceId('Microsoft.Network/virtualNetworks', 'a')]"}})
    second = template([vnet("b", tags={"peer": "[parameters('peer')]"})], parameters={"peer": {"type": "string"}})
    world.made(
        template(
            [
                nested("two", second, scope="inner", parameters={"peer": {"value": "[reference('one').outputs.id.value]"}}),
                nested("one", first, scope="inner"),
            ]
        )
    )
    assert names(world) == ["virtualNetworks/a", "virtualNetworks/b"]
    assert world.resources.all[f"{NETWORK}/virtualNetworks/b".lower()]["tags"] == {"peer": f"{NETWORK}/virtualNetworks/a"}


def test_nested_faults_are_told_before_anything_is_made(world: World) -> None:
    inner = template([vnet("[parameters('p')]")], parameters={"p": {"type": "string"}})
    assert "'p' at line '1' and column '1' is not provided" in world.refused(template([vnet("a"), nested("n", inner, scope="inner")]))
    assert "neither a 'template' nor a 'templateLink'" in world.refused(
        template([{**NESTED, "name": "n", "properties": {"mode": "Incremental"}}])
    )
    assert names(world) == []


def test_a_failure_within_is_told_outside(world: World) -> None:
    world.resources.refuse[f"{NETWORK}/virtualNetworks/a".lower()] = ArmError(409, "Conflict", "no")
    found = world.deploy(template([nested("n", template([vnet("a")])), vnet("after", dependsOn=["n"])]))
    assert found.error is not None
    assert found.error["details"][0]["code"] == "DeploymentFailed"
    assert found.error["details"][0]["details"][0]["message"] == "no"
    assert names(world) == []


def test_deployments_into_other_groups(world: World) -> None:
    world.resources.enter(f"{ROOT}/resourceGroups/rg2", {"location": "northeurope"})
    inner = template([vnet("a", tags={"group": "[resourceGroup().name]"})])
    world.made(template([nested("n", inner, scope="inner", resourceGroup="rg2"), nested("m", inner, resourceGroup="rg2", dependsOn=["n"])]))
    assert world.resources.log == [f"{ROOT}/resourceGroups/rg2/providers/Microsoft.Network/virtualNetworks/a"] * 2
    assert world.resources.all[world.resources.log[0].lower()]["tags"] == {"group": "rg1"}  # the outer scope's group, as Azure documents it


def test_groups_made_by_a_deployment_into_the_subscription(world: World) -> None:
    group = {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2024-11-01", "name": "new", "location": "westeurope"}
    inner = template([vnet("a", location="[resourceGroup().location]")])
    world.made(template([nested("n", inner, scope="inner", resourceGroup="new", dependsOn=["new"]), group]), above=ROOT)
    assert names(world) == ["/resourceGroups/new", "/resourceGroups/new/providers/Microsoft.Network/virtualNetworks/a"]
    message = world.refused(template([vnet("[resourceGroup().name]")]), above=ROOT)
    assert "'resourceGroup' is not expected at this location" in message


def test_linked_templates_beside_the_one_that_links(tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "vnet.json").write_text(
        f'{{"$schema": "{SCHEMA}", "contentVersion": "1.0.0.0", "parameters": {{"n": {{"type": "string"}}}}, // a comment\n'
        ' "resources": [{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2025-07-01", "name": "[parameters(\'n\')]", "properties": {}}]}'
    )
    world = World(links=Links(tmp_path))
    link = {
        **NESTED,
        "name": "n",
        "properties": {"mode": "Incremental", "templateLink": {"relativePath": "linked/vnet.json"}, "parameters": {"n": {"value": "x"}}},
    }
    world.made(template([link]))
    assert names(world) == ["virtualNetworks/x"]
    for uri in ("../outside.json", "file:///etc/hostname", "https://raw.githubusercontent.com/a/b.json", "linked/none.json"):
        link["properties"]["templateLink"] = {"uri": uri}
        found = world.deploy(template([link]))
        assert found.error is not None
        assert found.error["details"][0]["code"] == "InvalidContentLink", uri


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_outputs_have_conditions_types_and_secrets(world: World) -> None:
    outputs = {
        "on": {"type": "int", "condition": True, "value": 1},
        "off": {"type": "int", "condition": "[equals(1, 2)]", "value": "[fail('never')]"},
        "secret": {"type": "securestring", "value": "x"},
    }
    assert world.made(template([], outputs=outputs)).outputs == {"on": {"type": "Int", "value": 1}, "secret": {"type": "SecureString"}}


def test_outputs_that_fail_fail_the_deployment(world: World) -> None:
    found = world.deploy(
        template([vnet("a")], outputs={"x": {"type": "string", "value": 5}, "y": {"type": "int", "value": "[reference('a').none]"}})
    )
    assert found.state == "Failed"
    assert found.error is not None
    assert found.error["code"] == "DeploymentOutputEvaluationFailed"
    assert [each["target"] for each in found.error["details"]] == ["x", "y"]
    assert "Expected 'String, Uri'. Actual 'Integer'" in found.error["details"][0]["message"]
    assert names(world) == ["virtualNetworks/a"]


def test_what_has_no_template(world: World) -> None:
    for wrong, why in (
        ([], "no JSON object"),
        ({"contentVersion": "1", "resources": []}, "Required property '$schema'"),
        ({"$schema": SCHEMA, "contentVersion": "1"}, "Required property 'resources'"),
        ({"$schema": SCHEMA, "contentVersion": "1", "resources": 5}, "'resources' must be an array"),
        (template([5]), "A resource is no object"),
        (template([], parameters=[]), "'parameters' must be an object"),
        (template([], outputs={"x": 1}), "it is an object with a 'type'"),
    ):
        message = world.refused(wrong)
        assert why in message


def test_the_group_stays_as_it_was(world: World) -> None:
    """A refused template has made nothing, and there is no deployment of it."""
    world.refused(template([vnet("a"), vnet("b", dependsOn=["none"])]))
    assert world.deployments.all(GROUP) == []
    assert names(world) == []
