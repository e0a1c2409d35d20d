"""From a template to the resources that it wants: loops unrolled, conditions decided, ids made, what must come before what.

Begin at `expand`. What only the running deployment can tell stays within the bodies as `Later`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dualhome.arm.ids import key_of
from dualhome.arm.templates.evaluate import (
    LazyMapping,
    Scope,
    check_size,
    copies_of,
    evaluate,
    lookups_in,
    partly,
    value_of,
)
from dualhome.arm.templates.faults import TemplateFault, invalid, invalid_at
from dualhome.arm.templates.reading import Text, member, place_of
from dualhome.arm.templates.syntax import Call
from dualhome.arm.templates.template import Data, Template, checked

CONTROL: Final = frozenset(
    ("type", "name", "apiversion", "dependson", "copy", "condition", "resources", "scope", "resourcegroup", "subscriptionid", "comments", "metadata",
     "existing", "import", "asserts", "extension", "@options")
)  # fmt: skip
DEPLOYMENTS: Final = "microsoft.resources/deployments"
GROUPS: Final = "microsoft.resources/resourcegroups"
MOST_RESOURCES: Final = 50_000
DEEPEST: Final = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment goes: a resource group, or a subscription (`group` is "" then)."""

    subscription: str
    group: str = ""

    @property
    def id(self) -> str:
        """`/subscriptions/S/resourceGroups/G`."""
        return f"/subscriptions/{self.subscription}" + (f"/resourceGroups/{self.group}" if self.group else "")


@dataclass(slots=True)
class Resource:
    """One that is wanted. `body`: what is put, with `Later`s; `raw`: as the template has it; `inner`: the nested template and its settings, unevaluated.

    `active`: its condition holds; `existing`: it is only referred to. `before`: keys of those that must be done first.
    """

    id: str
    type: str
    name: str
    api_version: str
    body: Data
    scope: Scope
    raw: Data
    symbol: str = ""
    loop: str = ""
    index: int = -1
    active: bool = True
    existing: bool = False
    place: Place | None = None
    depends: tuple[str, ...] = ()
    before: dict[str, None] = field(default_factory=dict)
    key: str = field(init=False)  # of its id, for comparison

    def __post_init__(self) -> None:
        self.key = key_of(self.id)

    @property
    def is_deployment(self) -> bool:
        """Whether it is a deployment within this one."""
        return self.type.lower() == DEPLOYMENTS


class Names:
    """What dependsOn and reference may call resources: symbolic names, names of loops, ids, types with names, names. `above`: those of the template around."""

    def __init__(self, above: Names | None = None) -> None:
        self.above = above
        self._symbols: dict[str, list[Resource]] = {}
        self._others: dict[str, list[Resource]] = {}
        self._loops: dict[str, list[Resource]] = {}
        self._names: dict[str, list[Resource]] = {}
        self._declared: dict[str, None] = {}

    def enter(self, resource: Resource) -> None:
        """Make it known."""
        if resource.symbol:
            self._symbols.setdefault(resource.symbol.lower(), []).append(resource)
            if resource.index >= 0:
                self._symbols.setdefault(f"{resource.symbol}[{resource.index}]".lower(), []).append(resource)
        if resource.loop:
            self._loops.setdefault(resource.loop.lower(), []).append(resource)
        relative = resource.key.rpartition("/providers/")[2] or resource.key
        for each in dict.fromkeys((resource.key, relative, f"{resource.type}/{resource.name}".lower())):
            self._others.setdefault(each, []).append(resource)
        self._names.setdefault(resource.name.lower(), []).append(resource)

    def declare(self, *words: str) -> None:
        """Names of a loop, which may run zero times."""
        self._declared.update((word.lower(), None) for word in words if word)

    def knows(self, name: str) -> bool:
        """Whether a name means something here, be it a loop of nothing."""
        return name.lower() in self._declared or bool(self.find(name))

    def find(self, name: str) -> list[Resource]:
        """All that a name may mean here; [] where it means nothing."""
        low = name.lower().rstrip("/")
        for where in (self._symbols, self._others, self._loops, self._names):
            if low in where:
                return where[low]
        return self._others.get(key_of(low), []) if low.startswith("/") else []

    def loop(self, symbol: str) -> list[Resource]:
        """Those of a loop with this symbolic name."""
        found = self._symbols.get(symbol.lower(), [])
        return found or (self.above.loop(symbol) if self.above else [])

    def anywhere(self, name: str) -> list[Resource]:
        """As `find`; then in the templates around."""
        return self.find(name) or (self.above.anywhere(name) if self.above else [])


@dataclass(slots=True)
class Expansion:
    """What a template wants, in an order in which it can be done."""

    template: Template
    scope: Scope
    place: Place
    resources: list[Resource]
    names: Names


def variables_of(template: Template, scope: Scope) -> LazyMapping:
    """Variables, with their copy loops; evaluated when first asked for."""
    current = scope

    def maker(name: str, value: Any) -> Any:
        try:
            return evaluate(value, current)
        except TemplateFault as fault:
            raise TemplateFault(
                f"The template variable '{name}' is not valid: {fault}. Please see https://aka.ms/arm-syntax-variables for usage details."
            ) from fault

    makers: dict[str, Any] = {}
    for name, value in template.variables.items():
        if name.lower() == "copy" and isinstance(value, list):
            for each in value:
                makers[_loop_name(each)] = lambda each=each: maker("copy", {"copy": [each]})[evaluate(member(each, "name"), current)]
        else:
            makers[name.lower()] = lambda name=name, value=value: maker(name, value)
    found = LazyMapping(makers, "variable")
    current = replace(scope, variables=found, references=None, fresh=False)
    return found


def _loop_name(loop: Any) -> str:
    name = member(loop, "name")
    if not isinstance(loop, dict) or not isinstance(name, str) or "count" not in loop:
        raise invalid("The template copy definition of a variable needs 'name', 'count' and 'input'")
    return name.lower()


def scope_of(template: Template, parameters: LazyMapping, base: Scope) -> Scope:
    """Where a template's own expressions are evaluated."""
    scope = replace(base, parameters=parameters, functions=template.functions, loops={}, local={}, references=None, fresh=False)
    return replace(scope, variables=variables_of(template, scope))


def expand(template: Template, scope: Scope, place: Place) -> Expansion:
    """All resources of a template, in the order in which they can be made.

    Raises:
        ArmError: 400 InvalidTemplate.
    """
    names = Names(scope.names)
    scope = replace(scope, names=names)
    for name in template.variables:
        if name.lower() != "copy":
            _try("variable", name, template.variables[name], lambda name=name: scope.variables.get(name.lower()))
    resources: list[Resource] = []
    for symbol, raw in template.resources:
        for each in _unrolled(symbol, raw, scope, place, "", "", 0):
            resources.append(each)
            names.enter(each)
            if len(resources) > MOST_RESOURCES:
                raise invalid(f"The template has more than {MOST_RESOURCES} resources")
    _check_doubled(resources)
    for each in resources:
        if each.active and not each.existing:
            each.before = _before(each, names)
    return Expansion(template, scope, place, ordered(resources), names)


def _try(what: str, name: str, value: Any, make: Any, usage: str = "arm-syntax") -> Any:
    try:
        return make()
    except TemplateFault as fault:
        raise invalid_at(what, name, value, fault, usage) from fault


# --- one resource -----------------------------------------------------------------------------------------------------


def _unrolled(symbol: str, raw: Data, scope: Scope, place: Place, type_: str, above: str, depth: int) -> Iterator[Resource]:
    """A resource, each turn of its loop, and what is nested within."""
    if depth > DEEPEST:
        raise invalid(f"Resources are nested more than {DEEPEST} levels deep")
    loop = member(raw, "copy")
    if loop is None:
        yield from _with_children(symbol, raw, scope, place, type_, above, depth, "", -1)
        return
    name = member(loop, "name")
    if not isinstance(loop, dict) or not isinstance(name, str) or member(loop, "count") is None:
        raise invalid_at("resource", str(member(raw, "name")), raw, "its 'copy' needs a 'name' and a 'count'", "arm-copy")
    shown = str(member(raw, "name"))
    word = _try("resource", shown, raw, lambda: evaluate(name, scope), "arm-copy")
    scope.names.declare(str(word), symbol)
    count = _try("resource", shown, raw, lambda: copies_of(member(loop, "count"), scope), "arm-copy")
    for at in range(count):
        yield from _with_children(symbol, raw, scope.looped(str(word), at), place, type_, above, depth, str(word), at)


def _with_children(
    symbol: str, raw: Data, scope: Scope, place: Place, type_: str, above: str, depth: int, loop: str, index: int
) -> Iterator[Resource]:
    resource = _one(symbol, raw, scope, place, type_, above, loop, index)
    yield resource
    children = member(raw, "resources") or []
    pairs = children.items() if isinstance(children, dict) else [("", each) for each in children] if isinstance(children, list) else None
    if pairs is None:
        raise invalid_at("resource", resource.name, raw, "its 'resources' are no array", "arm-syntax-resources")
    for child_symbol, each in pairs:
        checked(child_symbol, each)
        yield from _unrolled(child_symbol, each, scope, place, resource.type, resource.name, depth + 1)


def _one(symbol: str, raw: Data, scope: Scope, place: Place, type_: str, above: str, loop: str, index: int) -> Resource:
    shown = str(member(raw, "name"))

    def make() -> Resource:
        name, own_type = _text(raw, "name", scope), _text(raw, "type", scope)
        if type_ and not own_type.lower().startswith(type_.lower() + "/"):
            own_type, name = f"{type_}/{own_type}", f"{above}/{name}"
        where = _where(raw, own_type, scope, place)
        id_ = _id(own_type, name, where, raw, scope, place)
        existing = member(raw, "existing") is True
        active = existing or _condition(raw, scope)
        made = Resource(id_, own_type, name, _text(raw, "apiVersion", scope), {}, scope, raw, symbol, loop, index, active, existing, where)
        if active:
            made.depends = tuple(_depends(raw, scope, loop, index))
            if not existing:
                made.body = _body(made, scope)
        return made

    return _try("resource", shown, raw, make, "arm-syntax-resources")  # type: ignore[no-any-return]


def _text(raw: Data, name: str, scope: Scope) -> str:
    found = evaluate(member(raw, name), scope)
    if not isinstance(found, str) or not found:
        raise TemplateFault(f"its '{name}' is no string, or empty")
    return str(found)


def _condition(raw: Data, scope: Scope) -> bool:
    written = member(raw, "condition")
    found = True if written is None else evaluate(written, scope)
    if isinstance(found, str) and found.lower() in ("true", "false"):
        return found.lower() == "true"
    if not isinstance(found, bool):
        raise TemplateFault("its 'condition' is no boolean")
    return found


def _where(raw: Data, type_: str, scope: Scope, place: Place) -> Place:
    """The group that a nested deployment goes to; else the deployment's own."""
    if type_.lower() != DEPLOYMENTS:
        return place
    group, subscription = (member(raw, name) for name in ("resourceGroup", "subscriptionId"))
    if group is None and subscription is None:
        above = member(raw, "scope")
        return place if above is None else _place_of(str(evaluate(above, scope)))
    to = str(evaluate(subscription, scope)) if subscription is not None else place.subscription
    return Place(to, str(evaluate(group, scope)) if group is not None else "")


def _place_of(id_: str) -> Place:
    parts = [part for part in id_.split("/") if part]
    lower = [part.lower() for part in parts]
    if lower[:1] == ["subscriptions"] and (len(parts) == 2 or (len(parts) == 4 and lower[2] == "resourcegroups")):
        return Place(parts[1], parts[3] if len(parts) == 4 else "")
    raise TemplateFault(f"the scope '{id_}' is no subscription and no resource group")


def _id(type_: str, name: str, where: Place, raw: Data, scope: Scope, place: Place) -> str:
    namespace, *types = type_.split("/")
    names = name.split("/")
    if len(types) != len(names) or not types or "" in names:
        raise TemplateFault(
            f"The template resource '{name}' for type '{type_}' has incorrect segment lengths. A nested resource type must have identical number of segments "
            "as its resource name. A root resource type must have segment length one greater than its resource name"
        )
    if type_.lower() == GROUPS:
        return f"/subscriptions/{place.subscription}/resourceGroups/{name}"
    pairs = "/".join(f"{a}/{b}" for a, b in zip(types, names, strict=True))
    above = member(raw, "scope")
    if above is not None and type_.lower() != DEPLOYMENTS:
        return f"{_scope_id(str(evaluate(above, scope)), place)}/providers/{namespace}/{pairs}"
    return f"{where.id}/providers/{namespace}/{pairs}"


def _scope_id(written: str, place: Place) -> str:
    """`Microsoft.Network/virtualNetworks/v` of an extension resource's scope, as an id."""
    if written == "/":
        return ""
    return written.rstrip("/") if written.startswith("/") else f"{place.id}/providers/{written.rstrip('/')}"


def _body(resource: Resource, scope: Scope) -> Data:
    """What is put, without what only the engine reads; a nested deployment's template stays as it is."""
    found: Data = {}
    for name, value in resource.raw.items():
        if name.lower() in CONTROL:
            continue
        if name.lower() == "properties" and resource.is_deployment:
            found[name] = nested_properties(value, scope)
        else:
            found[name] = partly(value, scope)
    check_size(found, f"The resource '{resource.id}'")
    return found


def nested_properties(value: Any, scope: Scope) -> Data:
    """A nested deployment's settings, without its template."""
    if not isinstance(value, dict):
        raise TemplateFault("its 'properties' are no object")
    return {name: partly(each, scope) for name, each in value.items() if name.lower() != "template"}


def _depends(raw: Data, scope: Scope, loop: str, index: int) -> Iterator[str]:
    written = member(raw, "dependsOn")
    found = evaluate(written, scope) if written is not None else []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TemplateFault("its 'dependsOn' is no array of strings")
    yield from found
    settings = member(raw, "copy")
    if index > 0 and str(member(settings, "mode", "")).lower() == "serial":
        size = evaluate(member(settings, "batchSize", 1), scope)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise TemplateFault("the batchSize of its 'copy' is no positive integer")
        first = index - index % size
        yield from (f"\0{loop}\0{each}" for each in range(max(0, first - size), first))


# --- what comes before what -------------------------------------------------------------------------------------------


def _before(resource: Resource, names: Names) -> dict[str, None]:
    """Keys of those that must be done before it: dependsOn, earlier batches, and what it refers to by name."""
    found: dict[str, None] = {}
    for each in resource.depends:
        if each.startswith("\0"):
            _, loop, at = each.split("\0")
            known = [one for one in names.find(loop) if one.index == int(at) and one.raw is resource.raw]
        else:
            known = names.find(each)
            if not known and not names.knows(each):
                line, column = place_of(_written(resource.raw, each))
                raise invalid(
                    f"The resource '{each}' is not defined in the template (dependsOn of '{resource.name}' at line '{line}' and column '{column}'). "
                    "Please see https://aka.ms/arm-syntax for usage details."
                )
        found.update((one.key, None) for one in known if one.active and not one.existing)
    for call, scope in lookups_in(resource.body):
        found.update((one.key, None) for one in referred(call, scope, names) if one.active and not one.existing and one is not resource)
    return found


def _written(raw: Data, name: str) -> Any:
    items = member(raw, "dependsOn")
    return next((each for each in items if isinstance(each, Text) and each == name), raw) if isinstance(items, list) else raw


def referred(call: Call, scope: Scope, names: Names) -> Iterable[Resource]:
    """What a reference waits for: a name, or an id without an api-version, of the same template.

    Source: reference, "Implicit dependencies" (Azure's documentation).
    """
    try:
        name = value_of(call.arguments[0], scope)
    except (TemplateFault, IndexError):  # it depends on another lookup, or on a lambda's variable
        return ()
    if not isinstance(name, str) or (name.startswith("/") and len(call.arguments) > 1 and call.name == "reference"):
        return ()
    return names.find(name)


def _check_doubled(resources: list[Resource]) -> None:
    seen: set[str] = set()
    for each in resources:
        if not each.active or each.existing:
            continue
        if each.key in seen:
            line, column = place_of(each.raw)
            raise invalid(
                f"The resource '{each.id}' at line '{line}' and column '{column}' is defined multiple times in a template. "
                "Please see https://aka.ms/arm-syntax-resources for usage details."
            )
        seen.add(each.key)


def ordered(resources: list[Resource]) -> list[Resource]:
    """As they stand, but each after those that must come before it.

    Raises:
        ArmError: 400 InvalidTemplate, they wait for each other.
    """
    wanted = {each.key: each for each in resources if each.active and not each.existing}
    left = {key: sum(before in wanted for before in each.before) for key, each in wanted.items()}
    after: dict[str, list[str]] = {}
    for key, each in wanted.items():
        for before in each.before:
            after.setdefault(before, []).append(key)
    ready = [key for key, count in left.items() if count == 0]
    found: list[Resource] = []
    for key in ready:  # grows while it is gone through
        found.append(wanted[key])
        for later in after.get(key, ()):
            left[later] -= 1
            if left[later] == 0:
                ready.append(later)
    if len(found) < len(wanted):
        raise invalid(
            f"Circular dependency detected on resource: '{_in_circle(wanted, left).id}'. "
            "Please see https://aka.ms/arm-syntax-resources for usage details."
        )
    return found


def _in_circle(wanted: dict[str, Resource], left: dict[str, int]) -> Resource:
    """One of those that wait for each other, and not only for a circle."""
    at = next(key for key, count in left.items() if count > 0)
    seen: set[str] = set()
    while at not in seen:
        seen.add(at)
        at = next(each for each in wanted[at].before if left.get(each, 0) > 0)
    return wanted[at]
