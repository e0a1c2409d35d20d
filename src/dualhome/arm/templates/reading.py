"""Templates and requests as people write them: JSON with comments, keys without quotes, line ends within strings, commas too many.

az puts a template's text as it is into the body of a deployment request, so its comments, and the bare key `template`, arrive there.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, Final

from dualhome.arm.errors import ArmError, bad_request

DEEPEST: Final = 100
SPACE: Final = re.compile(r"(?:[\s\ufeff]+|//[^\n\r]*|/\*.*?\*/)*", re.DOTALL)
BARE_KEY: Final = re.compile(r"[A-Za-z_$][\w$\-]*")
WORD: Final = re.compile(r"true|false|null", re.IGNORECASE)
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
PLAIN: Final = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
ESCAPES: Final = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS: Final = {"true": True, "false": False, "null": None}


class Text(str):
    """A string that knows where it stood, counted from 1 (0: it doesn't)."""

    __slots__ = ("column", "line")

    line: int
    column: int

    def __new__(cls, text: str, line: int = 0, column: int = 0) -> Text:
        """With its place."""
        self = super().__new__(cls, text)
        self.line, self.column = line, column
        return self


class Object(dict[str, Any]):
    """An object that knows where it began."""

    __slots__ = ("column", "line")

    line: int
    column: int


def place_of(value: object) -> tuple[int, int]:
    """Line and column where a value stood; where that isn't known (1, 1), as Azure says of what came without lines."""
    if isinstance(value, (Text, Object)):
        return getattr(value, "line", 0) or 1, getattr(value, "column", 0) or 1
    return 1, 1


def read(text: str | bytes) -> Any:
    """The value that a text holds.

    Raises:
        ArmError: 400 InvalidRequestContent, with line and position.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refused(f"{error}") from error
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def document(self) -> Any:
        self._skip()
        value = self._value(0)
        self._skip()
        if self.at < len(self.text):
            raise self._unexpected("Additional text encountered after finished reading JSON content")
        return value

    def place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self.starts, at)
        return line, at - self.starts[line - 1] + 1

    def _skip(self) -> None:
        found = SPACE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        if self.text.startswith("/*", self.at):
            raise self._unexpected("Unexpected end while parsing comment")

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise self._unexpected(f"The reader's MaxDepth of {DEEPEST} has been exceeded")
        first = self._peek()
        if first == "{":
            return self._object(depth)
        if first == "[":
            return self._array(depth)
        if first in ('"', "'"):
            return self._string(first)
        for pattern in (WORD, NUMBER):
            found = pattern.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return WORDS[found[0].lower()] if pattern is WORD else self._number(found)
        raise self._unexpected("Unexpected character encountered while parsing value")

    def _number(self, found: re.Match[str]) -> int | float:
        if len(found[0]) > 400:
            raise self._unexpected("The number is too long")
        if found[1] or found[2]:
            return float(found[0])
        return int(found[0])

    def _object(self, depth: int) -> Object:
        made = Object()
        made.line, made.column = self.place(self.at)
        self.at += 1
        while True:
            self._skip()
            first = self._peek()
            if first == "}":
                self.at += 1
                return made
            if first == "," and made:
                self.at += 1
                continue
            key = self._key(first)
            self._skip()
            if self._peek() != ":":
                raise self._unexpected("Invalid character after parsing property name. Expected ':' but got")
            self.at += 1
            self._skip()
            made[key] = self._value(depth + 1)
            self._between("}", "object")

    def _key(self, first: str) -> str:
        if first in ('"', "'"):
            return str(self._string(first))
        found = BARE_KEY.match(self.text, self.at)
        if found is None:
            raise self._unexpected("Invalid property identifier character")
        self.at = found.end()
        return found[0]

    def _array(self, depth: int) -> list[Any]:
        made: list[Any] = []
        self.at += 1
        while True:
            self._skip()
            first = self._peek()
            if first == "]":
                self.at += 1
                return made
            if first == "," and made:
                self.at += 1
                continue
            made.append(self._value(depth + 1))
            self._between("]", "array")

    def _between(self, end: str, what: str) -> None:
        """After a member: a comma, or the end."""
        self._skip()
        if self._peek() not in (",", end) or not self._peek():
            raise self._unexpected(f"After parsing a value an unexpected character was encountered (of an {what})")

    def _string(self, quote: str) -> Text:
        line, column = self.place(self.at)
        self.at += 1
        pieces: list[str] = []
        while True:
            found = PLAIN[quote].match(self.text, self.at)
            assert found is not None, "the pattern matches the empty string"
            pieces.append(found[0])
            self.at = found.end()
            if not self._peek():
                raise self._unexpected("Unterminated string. Expected delimiter: " + quote)
            self.at += 1
            if self.text[self.at - 1] == quote:
                whole = "".join(pieces)
                if not whole.isascii():
                    whole = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                return Text(whole, line, column)
            pieces.append(self._escape())

    def _escape(self) -> str:
        mark = self._peek()
        self.at += 1
        if mark == "u":
            digits = self.text[self.at : self.at + 4]
            if not re.fullmatch(r"[0-9A-Fa-f]{4}", digits):
                raise self._unexpected("Invalid Unicode escape sequence")
            self.at += 4
            return chr(int(digits, 16))
        if mark not in ESCAPES or not mark:
            raise self._unexpected("Bad JSON escape sequence")
        return ESCAPES[mark]

    def _unexpected(self, message: str) -> ArmError:
        line, column = self.place(self.at)
        return _refused(f"{message}: {self._peek()}. Path '', line {line}, position {column}.")


def _refused(message: str) -> ArmError:
    return bad_request("InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{message}'.")


def compact(value: object) -> str:
    """JSON as Azure's `string` function writes it: without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def member(of: object, name: str, default: Any = None) -> Any:
    """A member of an object, whatever its case."""
    if not isinstance(of, dict):
        return default
    if name in of:
        return of[name]
    lower = name.lower()
    return next((value for key, value in of.items() if key.lower() == lower), default)
