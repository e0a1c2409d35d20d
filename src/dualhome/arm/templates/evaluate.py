"""What expressions are worth: `evaluate` a template's value in a `Scope`.

A scope says what parameters(), variables() and the rest mean at a place. References to what is deployed can only be answered while the deployment runs:
`partly` evaluates all else, and leaves a `Later` in the place of each expression that must wait; `settled` fills them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from dualhome.arm.templates.faults import TemplateFault, invalid, not_here, unknown_function, wrong_argument
from dualhome.arm.templates.reading import Text, member
from dualhome.arm.templates.syntax import LISTS, Access, Call, Expression, Literal, Node, expression_of, plain

MOST_STEPS: Final = 1_000_000  # calls in one deployment
LONGEST_TEXT: Final = 4 * 1024 * 1024
LONGEST_LIST: Final = 200_000
LARGEST: Final = 2_000_000  # values within one value
MOST_COPIES: Final = 10_000  # Differs: Azure allows 800


class Around(Protocol):
    """What functions ask of the deployment they are evaluated for; each raises TemplateFault where it makes no sense there."""

    def subscription(self) -> dict[str, Any]: ...
    def resource_group(self) -> dict[str, Any]: ...
    def tenant(self) -> dict[str, Any]: ...
    def deployment(self) -> dict[str, Any]: ...
    def providers(self, namespace: str, type_: str | None) -> dict[str, Any]: ...
    def now(self) -> float: ...
    def new_guid(self) -> str: ...


class References(Protocol):
    """Answers about resources, while a deployment runs."""

    def reference(self, scope: Scope, name: str, version: str | None, full: bool) -> Any: ...
    def references(self, scope: Scope, name: str, full: bool) -> list[Any]: ...
    def act(self, scope: Scope, name: str, action: str, version: str, body: Any) -> Any: ...


@dataclass(slots=True)
class Budget:
    """How much may still be computed, so that no template holds the server up."""

    left: int = MOST_STEPS

    def step(self) -> None:
        """One call more."""
        self.left -= 1
        if self.left < 0:
            raise TemplateFault(f"The template takes more than {MOST_STEPS} function calls to evaluate")


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function of the template's own: names of its parameters, and its output's value."""

    parameters: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean at a place. Keys of mappings are in lower case.

    `loops`: index of each copy loop around, the innermost also as ""; `local`: lambda variables; `references`: None where nothing may be looked up;
    `names`: what bare and symbolic names stand for (the expansion's own); `fresh`: whether newGuid and utcNow may be used (defaults of parameters).
    """

    around: Around
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    functions: Mapping[str, UserFunction] = field(default_factory=dict)
    loops: Mapping[str, int] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)
    references: References | None = None
    names: Any = None
    fresh: bool = False
    budget: Budget = field(default_factory=Budget)

    def looped(self, name: str, index: int, *, inner: bool = True) -> Scope:
        """Within a turn of a copy loop. `inner`: copyIndex() without a name means it."""
        return replace(self, loops={**self.loops, name.lower(): index, **({"": index} if inner else {})})


@dataclass(frozen=True, slots=True)
class Later:
    """An expression that waits until what it refers to is there."""

    expression: Expression
    scope: Scope


Lazy = Callable[[Scope, tuple[Node, ...]], Any]
Eager = Callable[[Scope, list[Any]], Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language; a lazy one evaluates its arguments itself."""

    least: int
    most: int | None
    eager: Eager | None = None
    lazy: Lazy | None = None


def value_of(node: Node, scope: Scope) -> Any:
    """What a part of an expression is worth.

    Raises:
        TemplateFault: it makes no sense.
    """
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Call):
        return _call(node, scope)
    of = value_of(node.of, scope)
    return _access(of, value_of(node.index, scope), node)


def _call(node: Call, scope: Scope) -> Any:
    scope.budget.step()
    function = function_of(node)
    check_count(node, function)
    if function.lazy is not None:
        return function.lazy(scope, node.arguments)
    assert function.eager is not None, "a function is lazy or eager"
    found = function.eager(scope, [value_of(each, scope) for each in node.arguments])
    if isinstance(found, str):
        if len(found) > LONGEST_TEXT:
            raise wrong_argument(node.written, f"the result is longer than {LONGEST_TEXT} characters")
    elif isinstance(found, (list, dict)) and len(found) > LONGEST_LIST:
        raise wrong_argument(node.written, f"the result has more than {LONGEST_LIST} items")
    return found


def function_of(node: Call) -> Function:
    """The function that a call means. Raises TemplateFault where there is none."""
    from dualhome.arm.templates.functions import FUNCTIONS, list_function, user_function

    found = FUNCTIONS.get(node.name)
    if found is not None:
        return found
    if "." in node.name:
        return user_function(node.name, node.written)
    if LISTS.match(node.name):
        return list_function(node.written)
    raise unknown_function(node.written)


def check_count(node: Call, function: Function) -> None:
    """Whether a call has as many arguments as its function takes."""
    given = len(node.arguments)
    if given < function.least or (function.most is not None and given > function.most):
        wanted = (
            f"{function.least} argument(s)"
            if function.least == function.most
            else (
                f"at least {function.least} argument(s)"
                if function.most is None
                else f"between {function.least} and {function.most} arguments"
            )
        )
        raise wrong_argument(node.written, f"function requires {wanted} while {given} were provided")


def _access(of: Any, index: Any, node: Access) -> Any:
    if isinstance(of, dict) and isinstance(index, str):
        found = member(of, index, _NOTHING)
        if found is not _NOTHING:
            return found
        if node.safe:
            return None
        known = ", ".join(str(each) for each in list(of)[:40])
        raise TemplateFault(f"The language expression property '{index}' doesn't exist, available properties are '{known}'")
    if isinstance(of, list) and isinstance(index, int) and not isinstance(index, bool):
        if 0 <= index < len(of):
            return of[index]
        if node.safe:
            return None
        raise TemplateFault(f"The language expression property array index '{index}' is out of bounds")
    if node.safe and of is None:
        return None
    raise TemplateFault(f"The language expression property '{index}' can't be evaluated: {_kind(of)} has no such thing")


_NOTHING: Final = object()


def _kind(value: Any) -> str:
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        Text: "a string",
        list: "an array",
    }
    return names.get(type(value), "an object")


# --- whole values -----------------------------------------------------------------------------------------------------


def evaluate(value: Any, scope: Scope) -> Any:
    """A template's value, every expression within worked out; `copy` of properties is unrolled.

    Raises:
        TemplateFault: an expression makes no sense.
    """
    return _walk(value, scope, wait=False)


def partly(value: Any, scope: Scope) -> Any:
    """As `evaluate`, but what looks resources up stays as a `Later`."""
    return _walk(value, scope, wait=True)


def settled(value: Any, references: References) -> Any:
    """What `partly` left, filled in."""
    if isinstance(value, Later):
        return value_of(value.expression.node, replace(value.scope, references=references))
    if isinstance(value, dict):
        return {name: settled(each, references) for name, each in value.items()}
    return [settled(each, references) for each in value] if isinstance(value, list) else value


def waits(value: Any) -> bool:
    """Whether a `Later` is within."""
    if isinstance(value, Later):
        return True
    if isinstance(value, dict):
        return any(waits(each) for each in value.values())
    return isinstance(value, list) and any(waits(each) for each in value)


def lookups_in(value: Any) -> Iterator[tuple[Call, Scope]]:
    """Every call of a reference or list function that is left within."""
    if isinstance(value, Later):
        for call in value.expression.lookups:
            yield call, value.scope
    elif isinstance(value, dict):
        for each in value.values():
            yield from lookups_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from lookups_in(each)


def _walk(value: Any, scope: Scope, *, wait: bool) -> Any:
    if isinstance(value, str):
        if not value.startswith("["):
            return value
        expression = expression_of(str(value))
        if expression is None:
            return plain(value)
        if wait and expression.lookups:
            _check_names(expression.node)
            return Later(expression, scope)
        return value_of(expression.node, scope)
    if isinstance(value, dict):
        copies: Any = value.get("copy")
        made = {
            _name(name, scope): _walk(each, scope, wait=wait) for name, each in value.items() if not (name == "copy" and _is_copy(copies))
        }
        if _is_copy(copies):
            made.update(_copied(copies, scope, wait=wait))
        return made
    return [_walk(each, scope, wait=wait) for each in value] if isinstance(value, list) else value


def _name(name: str, scope: Scope) -> str:
    """Names of properties may be expressions too."""
    if not name.startswith("["):
        return name
    found = evaluate(name, scope)
    if not isinstance(found, str):
        raise TemplateFault(f"The property name '{name}' isn't a string when evaluated")
    return found


def _check_names(node: Node) -> None:
    """Functions that don't exist are told at once, whenever they would be evaluated."""
    if isinstance(node, Call):
        check_count(node, function_of(node))
        for each in node.arguments:
            _check_names(each)
    elif isinstance(node, Access):
        _check_names(node.of)
        _check_names(node.index)


def _is_copy(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "name" in each and "count" in each for each in value)


def _copied(copies: list[dict[str, Any]], scope: Scope, *, wait: bool) -> dict[str, Any]:
    """`copy` in an object: each loop becomes a property that is an array."""
    made = {}
    for each in copies:
        name = evaluate(each["name"], scope)
        if not isinstance(name, str):
            raise TemplateFault("The name of a copy loop isn't a string")
        count = copies_of(each["count"], scope)
        made[name] = [_walk(member(each, "input"), scope.looped(name, at, inner="" not in scope.loops), wait=wait) for at in range(count)]
    return made


def copies_of(value: Any, scope: Scope) -> int:
    """How often a copy loop runs."""
    count = evaluate(value, scope)
    if isinstance(count, bool) or not isinstance(count, int):
        raise TemplateFault("The template copy count must evaluate to an integer. Please see https://aka.ms/arm-copy for usage details.")
    if count < 0:
        raise TemplateFault(
            f"The copy count '{count}' is invalid. The copy count must not be negative. Please see https://aka.ms/arm-copy for usage details."
        )
    if count > MOST_COPIES:
        raise TemplateFault(
            f"The number of template copies '{count}' exceeded the limit of '{MOST_COPIES}'. Please see https://aka.ms/arm-copy for usage details."
        )
    return count


def check_size(value: Any, what: str) -> None:
    """Refuse values that are small only as long as their parts are shared. Raises ArmError InvalidTemplate."""
    left, waiting = LARGEST, [value]
    while waiting:
        each = waiting.pop()
        left -= 1 + (len(each) // 64 if isinstance(each, str) else 0)
        if left < 0:
            raise invalid(f"{what} is too large when evaluated")
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


class LazyMapping(Mapping[str, Any]):
    """Variables or parameters, each evaluated when first asked for; in a circle they are refused."""

    def __init__(self, names: Mapping[str, Callable[[], Any]], what: str) -> None:
        self._makers, self._what = dict(names), what
        self._made: dict[str, Any] = {}
        self._going: list[str] = []

    def __getitem__(self, name: str) -> Any:
        if name in self._made:
            return self._made[name]
        maker = self._makers[name]
        if name in self._going:
            raise TemplateFault(f"Circular dependency detected: the {self._what} '{name}' refers to itself")
        if len(self._going) > 60:
            raise TemplateFault(f"The {self._what}s refer to each other more than 60 deep, at '{name}'")
        self._going.append(name)
        try:
            self._made[name] = maker()
        finally:
            self._going.pop()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


__all__ = ["Function", "Later", "Scope", "evaluate", "not_here", "partly", "settled"]
