"""Date functions: utcNow (in defaults of parameters), dateTimeAdd, dateTimeFromEpoch, dateTimeToEpoch; formats as .NET's."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope
from dualhome.arm.templates.faults import not_here, wrong_argument
from dualhome.arm.templates.functions.arguments import integer, text

DURATION: Final = re.compile(
    r"([+-]?)P(?=.)(?:(\d{1,5})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?(?:T(?=.)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10}(?:\.\d+)?)S)?)?"
)
STANDARD: Final = {
    "d": "MM/dd/yyyy", "D": "dddd, dd MMMM yyyy", "f": "dddd, dd MMMM yyyy HH:mm", "F": "dddd, dd MMMM yyyy HH:mm:ss", "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss", "m": "MMMM dd", "M": "MMMM dd", "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ", "O": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "s": "yyyy-MM-ddTHH:mm:ss", "t": "HH:mm", "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ", "y": "yyyy MMMM", "Y": "yyyy MMMM",
}  # fmt: skip
PIECE: Final = re.compile(r"'[^']*'|\\.|y+|M+|d+|H+|h+|m+|s+|f+|t+|K|z+|.", re.DOTALL)
BASIC: Final = "yyyyMMddTHHmmssZ"


def shown(when: datetime, how: str) -> str:
    """A time by a .NET format."""
    how = STANDARD.get(how, how)
    if len(how) > 200:
        raise wrong_argument("utcNow", "the format is longer than 200 characters")
    return "".join(_piece(when, found) for found in PIECE.findall(how))


def _piece(when: datetime, piece: str) -> str:
    count = len(piece)
    if piece[0] in "'\\":
        return piece.strip("'") if piece[0] == "'" else piece[1:]
    match piece[0]:
        case "y":
            return f"{when.year:0{count}d}" if count > 2 else f"{when.year % 100:0{count}d}"
        case "M":
            return _number(when.month, count) if count < 3 else _name(calendar.month_name[when.month], count)
        case "d":
            return _number(when.day, count) if count < 3 else _name(calendar.day_name[when.weekday()], count)
        case "H":
            return _number(when.hour, count)
        case "h":
            return _number(when.hour % 12 or 12, count)
        case "m":
            return _number(when.minute, count)
        case "s":
            return _number(when.second, count)
        case "f":
            return f"{when.microsecond:06d}0"[:count]
        case "t":
            return ("AM" if when.hour < 12 else "PM")[:count]
        case "K":
            return "Z"
        case "z":
            return "+00:00" if count > 2 else "+00"[: count + 1]
        case _:
            return piece


def _number(value: int, count: int) -> str:
    return f"{value:0{min(count, 2)}d}"


def _name(value: str, count: int) -> str:
    return value[:3] if count == 3 else value


def _utc_now(scope: Scope, arguments: list[Any]) -> str:
    if not scope.fresh:
        raise not_here("utcNow", "It can be used in the default value of a parameter only.")
    return shown(datetime.fromtimestamp(scope.around.now(), UTC), text("utcNow", arguments[0]) if arguments else BASIC)


def _parsed(name: str, given: str) -> datetime:
    basic = re.fullmatch(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z?", given)
    try:
        if basic:
            year, month, day, hour, minute, second = map(int, basic.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", given.strip()))
    except (ValueError, OverflowError) as error:
        raise wrong_argument(name, f"'{given[:60]}' is no date and time in ISO 8601") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _add(_: Scope, arguments: list[Any]) -> str:
    when, given = _parsed("dateTimeAdd", text("dateTimeAdd", arguments[0])), text("dateTimeAdd", arguments[1])
    found = DURATION.fullmatch(given)
    if found is None:
        raise wrong_argument("dateTimeAdd", f"'{given[:60]}' is no duration in ISO 8601")
    sign = -1 if found[1] == "-" else 1
    years, months, weeks, days, hours, minutes = (int(each or 0) for each in found.groups()[1:7])
    span = timedelta(
        days=years * 365 + months * 30 + weeks * 7 + days, seconds=hours * 3600 + minutes * 60 + float(found[8] or 0)
    )  # as XmlConvert.ToTimeSpan: 365 and 30 days
    try:
        moved = when + sign * span
    except OverflowError as error:
        raise wrong_argument("dateTimeAdd", f"{given[:60]} leads beyond the calendar") from error
    return shown(moved, text("dateTimeAdd", arguments[2]) if len(arguments) > 2 else "yyyy-MM-ddTHH:mm:ssZ")


def _from_epoch(_: Scope, arguments: list[Any]) -> str:
    seconds = integer("dateTimeFromEpoch", arguments[0])
    if not -62135596800 <= seconds <= 253402300799:
        raise wrong_argument("dateTimeFromEpoch", f"{seconds} is beyond the calendar")
    return shown(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), "yyyy-MM-ddTHH:mm:ssZ")


def _to_epoch(_: Scope, arguments: list[Any]) -> int:
    return int(_parsed("dateTimeToEpoch", text("dateTimeToEpoch", arguments[0])).timestamp())


FAMILY: Final = {
    "utcNow": Function(0, 1, _utc_now),
    "dateTimeAdd": Function(2, 3, _add),
    "dateTimeFromEpoch": Function(1, 1, _from_epoch),
    "dateTimeToEpoch": Function(1, 1, _to_epoch),
}
