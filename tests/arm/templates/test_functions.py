"""The functions of the language; the values are those of the examples in Azure's documentation, where it has some."""

from __future__ import annotations

from typing import Any

import pytest

from dualhome.arm.templates.around import Frame
from dualhome.arm.templates.evaluate import Scope, evaluate
from dualhome.arm.templates.expand import Place
from dualhome.arm.templates.faults import TemplateFault
from dualhome.arm.templates.functions import FUNCTIONS
from tests.arm.templates.resources import GROUP, ROOT, SUBSCRIPTION, TENANT, Resources

SEED = "11111111-2222-4333-8444-555555555555"


def scope(fresh: bool = False, group: str = "rg1", **values: Any) -> Scope:
    frame = Frame(Resources(), Place(SUBSCRIPTION, group), "d1", {"mode": "Incremental"}, 1_600_000_000.0, SEED)
    return Scope(frame, parameters={name.lower(): value for name, value in values.items()}, fresh=fresh)


def value(expression: str, **values: Any) -> Any:
    return evaluate(f"[{expression}]", scope(**values))


EXAMPLES: list[tuple[str, Any]] = [
    # strings
    ("base64('one, two, three')", "b25lLCB0d28sIHRocmVl"),
    ("base64ToString('b25lLCB0d28sIHRocmVl')", "one, two, three"),
    ("base64ToJson(base64('{''one'': ''a'', ''two'': ''b''}'))", {"one": "a", "two": "b"}),
    ("concat('prefix', '-', 'x')", "prefix-x"),
    ("concat('a', 5, true())", "a5True"),
    ("concat(createArray('1-1', '1-2'), createArray('2-1'))", ["1-1", "1-2", "2-1"]),
    ("contains('OneTwoThree', 'e')", True),
    ("contains('OneTwoThree', 'z')", False),
    ("contains(json('{''one'': 1}'), 'ONE')", True),
    ("contains(createArray('one', 'two'), 'three')", False),
    ("dataUri('Hello')", "data:text/plain;charset=utf8;base64,SGVsbG8="),
    ("dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", "Hello, World!"),
    ("empty('')", True),
    ("empty(createArray())", True),
    ("empty(createObject())", True),
    ("empty(null())", True),
    ("endsWith('abcdef', 'EF')", True),
    ("endsWith('abcdef', 'e')", False),
    ("startsWith('abcdef', 'AB')", True),
    ("first('One Two Three')", "O"),
    ("last('One Two Three')", "e"),
    ("first('')", ""),
    ("first(createArray())", None),
    ("last(createArray('one', 'two', 'three'))", "three"),
    ("format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)", "Hello, User. Formatted number: 8,175,133"),
    ("format('{0:D3}|{0:000}|{0,5}|{0,-5}|{1:X2}|{{}}', 7, 255)", "007|007|    7|7    |FF|{}"),
    ("indexOf('test', 't')", 0),
    ("indexOf('abcdef', 'CD')", 2),
    ("indexOf('abcdef', 'z')", -1),
    ("lastIndexOf('test', 't')", 3),
    ("lastIndexOf('abcdef', 'AB')", 0),
    ("indexOf(createArray('one', 'two', 'two'), 'two')", 1),
    ("lastIndexOf(createArray('one', 'two', 'two'), 'two')", 2),
    ("join(createArray('one', 'two', 'three'), ',')", "one,two,three"),
    ("json('null')", None),
    ("json('{\"a\": [1, true]}')", {"a": [1, True]}),
    ("length('One Two Three')", 13),
    ("length(createObject('a', 1, 'b', 2))", 2),
    ("padLeft('123', 10, '0')", "0000000123"),
    ("padLeft(5, 3)", "  5"),
    ("replace('123-123-1234', '-', '')", "1231231234"),
    ("replace('123-123-1234', '1234', 'xxxx')", "123-123-xxxx"),
    ("skip('one two three', 4)", "two three"),
    ("skip(createArray('one', 'two', 'three'), 2)", ["three"]),
    ("take('one two three', 2)", "on"),
    ("take(createArray('one', 'two', 'three'), 2)", ["one", "two"]),
    ("take('a', 9)", "a"),
    ("split('one,two,three', ',')", ["one", "two", "three"]),
    ("split('one;two,three', createArray(',', ';'))", ["one", "two", "three"]),
    ("string(createArray('a', 'b', 'c'))", '["a","b","c"]'),
    ("string(5)", "5"),
    ("string(true())", "True"),
    ("string(json('{''valueA'':10,''valueB'':''Example Text''}'))", '{"valueA":10,"valueB":"Example Text"}'),
    ("substring('one two three', 4, 3)", "two"),
    ("substring('one two three', 4)", "two three"),
    ("toLower('One Two Three')", "one two three"),
    ("toUpper('One Two Three')", "ONE TWO THREE"),
    ("trim('    one two three   ')", "one two three"),
    ("uniqueString('test')", "rbgf3xv4ufgzg"),
    ("uniqueString('hello', 'world')", "a7wkljktk6wne"),
    ("uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg')", "bmg7c6xu4tw46"),
    ("uri('http://contoso.org/firstpath', 'myscript.sh')", "http://contoso.org/myscript.sh"),
    ("uri('http://contoso.org/firstpath/', 'myscript.sh')", "http://contoso.org/firstpath/myscript.sh"),
    ("uri('http://contoso.org/firstpath/azuredeploy.json', 'myscript.sh')", "http://contoso.org/firstpath/myscript.sh"),
    ("uriComponent('http://contoso.com/resources/nested/azuredeploy.json')", "http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json"),
    ("uriComponentToString('http%3A%2F%2Fcontoso.com')", "http://contoso.com"),
    ("'it''s'", "it's"),
    # numbers
    ("add(5, 3)", 8),
    ("sub(7, 3)", 4),
    ("mul(5, 3)", 15),
    ("div(8, 3)", 2),
    ("div(-8, 3)", -2),
    ("mod(7, 3)", 1),
    ("mod(-7, 3)", -1),
    ("int('4')", 4),
    ("int(-12)", -12),
    ("float('1.5')", 1.5),
    ("min(0, 3, 2, 5, 4)", 0),
    ("max(createArray(0, 3, 2, 5, 4))", 5),
    # logic
    ("and(bool('true'), bool('false'))", False),
    ("or(bool('true'), bool('false'))", True),
    ("not(bool('true'))", False),
    ("bool(1)", True),
    ("bool(0)", False),
    ("if(equals('a', 'a'), 'yes', 'no')", "yes"),
    ("if(false(), fail('never'), 'no')", "no"),
    ("or(true(), bool('this is not evaluated'))", True),
    ("coalesce(null(), null(), 'one')", "one"),
    ("equals(1, 1)", True),
    ("equals('a', 'A')", False),
    ("equals(1, true())", False),
    ("equals(createArray('a', 'b'), createArray('a', 'b'))", True),
    ("equals(createObject('a', 'b'), createObject('a', 'c'))", False),
    ("less(1, 2)", True),
    ("lessOrEquals('b', 'a')", False),
    ("greater('b', 'a')", True),
    ("greaterOrEquals(2, 2)", True),
    # arrays and objects
    ("array('a')", ["a"]),
    ("array(createArray(1))", [1]),
    ("createArray(1, 'b')", [1, "b"]),
    ("createObject('intProp', 1, 'nullProp', null())", {"intProp": 1, "nullProp": None}),
    ("flatten(createArray(createArray('one', 'two'), createArray('three')))", ["one", "two", "three"]),
    ("intersection(createArray('one', 'two', 'three'), createArray('two', 'three', 'four'))", ["two", "three"]),
    ("intersection(json('{''one'': ''a'', ''two'': ''b''}'), json('{''one'': ''a'', ''two'': ''z''}'))", {"one": "a"}),
    ("items(createObject('b', 1, 'a', 2))", [{"key": "a", "value": 2}, {"key": "b", "value": 1}]),
    ("objectKeys(createObject('b', 1, 'a', 2))", ["a", "b"]),
    ("range(5, 3)", [5, 6, 7]),
    ("shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2))))", {"a": {"y": 2}}),
    ("tryGet(createObject('a', createObject('b', 5)), 'a', 'b')", 5),
    ("tryGet(createObject('a', 1), 'c', 'd')", None),
    ("indexFromEnd(createArray('a', 'b', 'c'), 1)", "c"),
    ("tryIndexFromEnd(createArray('a'), 2)", None),
    ("union(createArray('one', 'two', 'three'), createArray('three', 'four'))", ["one", "two", "three", "four"]),
    (
        "union(json('{''p'': {''one'': ''a'', ''two'': ''b''}}'), json('{''p'': {''two'': ''x'', ''three'': ''c''}}'))",
        {"p": {"one": "a", "two": "x", "three": "c"}},
    ),
    # access
    ("createObject('Name', 'x').name", "x"),
    ("createArray('a', 'b')[1]", "b"),
    ("createObject('a', createArray(createObject('b', 3))).a[0].b", 3),
    ("createObject('a', 1)['A']", 1),
    ("createObject('a', 1).?b", None),
    ("createObject('a', 1).?b.?c", None),
    ("createArray(1)[?5]", None),
    # lambdas
    ("map(createArray('a', 'b'), lambda('x', toUpper(lambdaVariables('x'))))", ["A", "B"]),
    ("map(createArray('a', 'b'), lambda('x', 'i', concat(lambdaVariables('x'), string(lambdaVariables('i')))))", ["a0", "b1"]),
    ("filter(range(0, 6), lambda('n', less(lambdaVariables('n'), 2)))", [0, 1]),
    ("reduce(range(1, 4), 0, lambda('sum', 'n', add(lambdaVariables('sum'), lambdaVariables('n'))))", 10),
    ("sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))", [1, 2, 3]),
    ("toObject(createArray('a', 'b'), lambda('x', lambdaVariables('x')), lambda('x', length(lambdaVariables('x'))))", {"a": 1, "b": 1}),
    ("groupBy(createArray('aa', 'b', 'ac'), lambda('x', first(lambdaVariables('x'))))", {"a": ["aa", "ac"], "b": ["b"]}),
    ("mapValues(createObject('a', 1), lambda('x', add(lambdaVariables('x'), 1)))", {"a": 2}),
    # CIDR
    (
        "parseCidr('10.144.0.0/20')",
        {"network": "10.144.0.0", "netmask": "255.255.240.0", "broadcast": "10.144.15.255", "firstUsable": "10.144.0.1",
         "lastUsable": "10.144.15.254", "cidr": 20},
    ),
    (
        "parseCidr('fdad:3236:5555::/48')",
        {"network": "fdad:3236:5555::", "netmask": "ffff:ffff:ffff::", "firstUsable": "fdad:3236:5555::1",
         "lastUsable": "fdad:3236:5555:ffff:ffff:ffff:ffff:ffff", "cidr": 48},
    ),
    ("map(range(0, 5), lambda('i', cidrSubnet('10.144.0.0/20', 24, lambdaVariables('i'))))",
     ["10.144.0.0/24", "10.144.1.0/24", "10.144.2.0/24", "10.144.3.0/24", "10.144.4.0/24"]),
    ("cidrSubnet('fdad:3236:5555::/48', 52, 1)", "fdad:3236:5555:1000::/52"),
    ("map(range(0, 5), lambda('i', cidrHost('10.144.3.0/24', lambdaVariables('i'))))",
     ["10.144.3.1", "10.144.3.2", "10.144.3.3", "10.144.3.4", "10.144.3.5"]),
    ("cidrHost('fdad:3236:5555:3000::/52', 0)", "fdad:3236:5555:3000::1"),
    # dates
    ("dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')", "2023-04-07T14:53:14Z"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", "2020-03-29T14:53:14Z"),
    ("dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')", "2020-04-07T15:53:14Z"),
    ("dateTimeAdd('20200407T145314Z', 'PT1H', 'yyyy-MM')", "2020-04"),
    ("dateTimeFromEpoch(1683040573)", "2023-05-02T15:16:13Z"),
    ("dateTimeToEpoch('2023-05-02T15:16:13Z')", 1683040573),
    # ids
    ("resourceId('Microsoft.Network/virtualNetworks', 'v')", f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"),
    ("resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')", f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/s"),
    ("resourceId('other', 'Microsoft.Network/virtualNetworks', 'v')", f"{ROOT}/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v"),
    (f"resourceId('{TENANT}', 'other', 'Microsoft.Network/virtualNetworks', 'v')",
     f"/subscriptions/{TENANT}/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v"),
    ("subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'r')", f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/r"),
    ("subscriptionResourceId('Microsoft.Resources/resourceGroups', 'x')", f"{ROOT}/resourceGroups/x"),
    ("tenantResourceId('Microsoft.Authorization/policyDefinitions', 'p')", "/providers/Microsoft.Authorization/policyDefinitions/p"),
    ("extensionResourceId('/subscriptions/s', 'Microsoft.Authorization/locks', 'l')", "/subscriptions/s/providers/Microsoft.Authorization/locks/l"),
    # around
    ("subscription().subscriptionId", SUBSCRIPTION),
    ("resourceGroup().location", "westeurope"),
    ("resourceGroup().name", "rg1"),
    ("tenant().tenantId", TENANT),
    ("deployment().name", "d1"),
    ("environment().resourceManager", "https://management.azure.com/"),
    ("environment().suffixes.storage", "core.windows.net"),
    ("providers('Microsoft.Network', 'virtualNetworks').locations[0]", "West Europe"),
    ("pickZones('Microsoft.Compute', 'virtualMachines', 'westus2')", ["1"]),
    ("pickZones('Microsoft.Compute', 'virtualMachines', 'West Europe', 2, 1)", ["2", "3"]),
    ("pickZones('Microsoft.Compute', 'virtualMachines', 'northcentralus')", []),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES)
def test_the_documented_values(expression: str, expected: Any) -> None:
    found = value(expression)
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


def test_a_guid_is_of_version_5_and_always_the_same() -> None:
    assert value("guid('a', 'b')") == value("guid('a-b')")
    assert value("guid('a', 'b')")[14] == "5"


def test_new_guids_and_the_time_are_for_defaults_of_parameters() -> None:
    fresh = scope(fresh=True)
    one, two = evaluate("[newGuid()]", fresh), evaluate("[newGuid()]", fresh)
    assert one != two
    assert evaluate("[utcNow()]", fresh) == "20200913T122640Z"
    assert evaluate("[utcNow('d')]", fresh) == "09/13/2020"
    assert evaluate("[utcNow('yyyy-MM-dd HH:mm')]", fresh) == "2020-09-13 12:26"
    for each in ("newGuid()", "utcNow()"):
        with pytest.raises(TemplateFault, match="is not expected at this location"):
            value(each)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nonsense(1)", "The template function 'nonsense' is not valid"),
        ("add(1)", "'add': function requires 2 argument\\(s\\) while 1 were provided"),
        ("toLower('a', 'b')", "function requires 1 argument"),
        ("concat()", "requires at least 1 argument"),
        ("substring('a')", "requires between 2 and 3 arguments"),
        ("add('1', 2)", "an integer is expected, and '1' was given"),
        ("add(true(), 2)", "an integer is expected, and true was given"),
        ("concat('a', createArray('b'))", "either all arrays or all strings"),
        ("div(1, 0)", "can't be 0"),
        ("mul(9223372036854775807, 2)", "no integer of 64 bits"),
        ("int('x')", "can't be converted to an integer"),
        ("bool('maybe')", "can't be converted to a boolean"),
        ("parameters('none')", "The template parameter 'none' is not found"),
        ("variables('none')", "The template variable 'none' is not found"),
        ("createObject('a', 1, 'b', 2).c", "property 'c' doesn't exist, available properties are 'a, b'"),
        ("createArray(1)[1]", "array index '1' is out of bounds"),
        ("'text'.length", "a string has no such thing"),
        ("copyIndex()", "'copyIndex' is not expected at this location"),
        ("reference('x')", "'reference' is not expected at this location"),
        ("listKeys('x', '2020-01-01')", "'listKeys' is not expected at this location"),
        ("lambda('x', 1)", "'lambda' is not expected"),
        ("lambdaVariables('x')", "lambda variable 'x' is not found"),
        ("map(createArray(1), 2)", "a lambda function is expected"),
        ("cidrSubnet('10.0.0.0/24', 20, 0)", "from 24 to 32, not 20"),
        ("cidrSubnet('10.0.0.0/24', 25, 2)", "has no subnet 2"),
        ("cidrHost('10.0.0.0/30', 2)", "has no host 2"),
        ("parseCidr('10.0.0/24')", "is no CIDR range"),
        ("resourceId('Microsoft.Network/virtualNetworks/subnets', 'v')", "requires '2' resource name argument"),
        ("resourceId('x', 'y')", "a fully qualified resource type"),
        ("json('{')", "isn't JSON"),
        ("base64ToString('?')", "isn't base64"),
        ("substring('abc', 2, 5)", "must refer to a location within the string"),
        ("range(0, 100000)", "between 0 and 10000"),
        ("format('{5}', 1)", "there are 1 value"),
        ("fail('because')", "because"),
        ("concat('a'", "expected token 'RightParenthesis' and actual 'EndOfData'"),
        ("concat('a' 'b')", "expected token 'RightParenthesis'"),
        ("concat('a', #)", "the string character '#' at position '12' is not expected"),
        ("", "expected token 'Identifier'"),
        ("foo.bar('x')", "The template function 'foo.bar' is not valid"),
        ("managementGroup()", "not expected"),
    ],
)
def test_what_makes_no_sense_is_refused_in_azures_words(expression: str, why: str) -> None:
    with pytest.raises(TemplateFault, match=why):
        value(expression)


def test_a_group_is_no_part_of_a_subscriptions_deployment() -> None:
    with pytest.raises(TemplateFault, match="'resourceGroup' is not expected"):
        evaluate("[resourceGroup().id]", scope(group=""))
    assert (
        evaluate("[resourceId('Microsoft.Network/virtualNetworks', 'v')]", scope(group=""))
        == f"{ROOT}/providers/Microsoft.Network/virtualNetworks/v"
    )


def test_names_and_functions_are_known_in_any_case() -> None:
    assert value("CONCAT(Parameters('NAME'), '!')", name="x") == "x!"


def test_brackets_are_escaped_by_doubling_them() -> None:
    assert evaluate(["[[not]", "[[", "plain", "[concat('a')] b", ""], scope()) == ["[not]", "[", "plain", "[concat('a')] b", ""]


def test_names_of_properties_are_evaluated_too() -> None:
    assert evaluate({"[concat('a', 'b')]": 1, "c": {"[parameters('n')]": {}}}, scope(n="x")) == {"ab": 1, "c": {"x": {}}}


def test_bombs_are_defused() -> None:
    """What would take hours or all memory is refused instead."""
    with pytest.raises(TemplateFault, match="function calls"):
        value("map(range(0, 10000), lambda('a', length(map(range(0, 10000), lambda('b', add(1, lambdaVariables('b')))))))")
    with pytest.raises(TemplateFault, match="longer than"):
        value(f"replace(padLeft('', 1000, 'a'), 'a', '{'b' * 10000}')")
    with pytest.raises(TemplateFault, match="levels deep"):
        value("concat(" * 100 + "'a'" + ")" * 100)
    with pytest.raises(TemplateFault, match="length limit"):
        value("concat('" + "a" * 30000 + "')")


def test_every_function_that_network_templates_use_is_there() -> None:
    words = (
        "parameters variables resourceGroup subscription tenant deployment environment resourceId "
        "subscriptionResourceId extensionResourceId reference concat format string int bool json array createArray "
        "createObject union intersection contains empty length first last take skip min max range coalesce if and or "
        "not equals less lessOrEquals greater greaterOrEquals add sub mul div mod toLower toUpper trim replace split "
        "join substring indexOf startsWith endsWith padLeft uniqueString guid newGuid utcNow base64 base64ToString uri "
        "uriComponent copyIndex items map filter reduce sort lambda lambdaVariables cidrSubnet cidrHost parseCidr "
        "pickZones providers null true false "
    )
    assert [each for each in words.split() if each.lower() not in FUNCTIONS] == []
