"""What is wrong with a template or an expression, and the words in which Azure says so."""

from __future__ import annotations

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.templates.reading import place_of
from dualhome.errors import DualhomeError

USAGE = "Please see https://aka.ms/arm-functions for usage details."


class TemplateFault(DualhomeError):  # noqa: N818  # said of the template, whose fault it is
    """An expression, or a part of a template, that can't be; who catches it says of what (`invalid`)."""


class Needed(Exception):  # noqa: N818  # no fault: an answer that must be fetched first
    """An expression wants what must be awaited: POST …/{action} of a resource."""

    def __init__(self, key: tuple[str, str, str, str]) -> None:
        super().__init__(key)
        self.key = key


def invalid(message: str) -> ArmError:
    """400 InvalidTemplate."""
    return bad_request("InvalidTemplate", f"Deployment template validation failed: '{message}'.")


def invalid_at(what: str, name: str, value: object, why: object, usage: str = "arm-syntax") -> ArmError:
    """400 InvalidTemplate, of a `what` (resource, variable, parameter, output) and its place."""
    line, column = place_of(value)
    return invalid(
        f"The template {what} '{name}' at line '{line}' and column '{column}' is not valid: {why}. "
        f"Please see https://aka.ms/{usage} for usage details."
    )


def unknown_function(name: str) -> TemplateFault:
    """There is none of that name."""
    return TemplateFault(f"The template function '{name}' is not valid. {USAGE}")


def not_here(name: str, why: str = "") -> TemplateFault:
    """A function that can't be used at that place."""
    return TemplateFault(f"The template function '{name}' is not expected at this location.{' ' + why if why else ''} {USAGE}")


def wrong_argument(name: str, why: str) -> TemplateFault:
    """An argument of the wrong type or out of range."""
    return TemplateFault(
        f"Unable to evaluate template language function '{name}': {why}. {USAGE.replace('arm-functions', 'arm-functions#' + name.lower())}"
    )
