"""Command lines of ssh and scp, as far as they say who is meant and what is to be run."""

from __future__ import annotations

import shlex
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

FLAGS: Final = "46AaCfGgKkMNnqsTtVvXxYy"
VALUES: Final = "BbcDEeFIiJLlmOoPpQRSWw"
COPY_FLAGS: Final = "346ABCOpqRrsTv"
COPY_VALUES: Final = "cDFiJloPSX"


@dataclass(slots=True)
class Target:
    """Whom a command line means. `via`: the last machine on the way, "" where there is none."""

    host: str
    user: str = ""
    port: int = 22
    via: str = ""


@dataclass(slots=True)
class Options:
    """Letters that were given, with their values; `-o` by lower-case names. The first of several counts, as with ssh."""

    letters: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def target(self, text: str) -> Target:
        """Of `user@host`, `ssh://user@host:port`, or a name that options explain."""
        user, port = "", ""
        if text.startswith("ssh://"):
            parts = urllib.parse.urlsplit(text)
            user, text, port = parts.username or "", parts.hostname or "", str(parts.port or "")
        elif "@" in text:
            user, _, text = text.rpartition("@")
        user = self.letters.get("l") or user or self.named.get("user", "")
        port = self.letters.get("p") or self.letters.get("P") or port or self.named.get("port", "")
        host = self.named.get("hostname", text).strip("[]")
        return Target(host, user, int(port) if port.isdigit() else 22, self._via())

    def _via(self) -> str:
        jumps = self.letters.get("J") or self.named.get("proxyjump", "")
        if jumps and jumps != "none":
            return Options().target(jumps.split(",")[-1] if "://" in jumps else jumps.split(",")[-1].partition(":")[0]).host
        words = _words(self.named.get("proxycommand", ""))
        if words and words[0].rpartition("/")[2] == "ssh":
            inner = ssh(words[1:])
            return inner.target(inner.words[0]).host if inner.words else ""
        return ""


def ssh(arguments: Sequence[str]) -> Options:
    """Options before the host, and between the host and the command; `words` begin with the host.

    Raises:
        ValueError: an option that ssh doesn't have.
    """
    found = Options()
    rest = _options(found, list(arguments), FLAGS, VALUES)
    if rest:
        found.words = [rest[0], *_options(found, rest[1:], FLAGS, VALUES)]
    return found


def scp(arguments: Sequence[str]) -> Options:
    """`words` are sources and the destination."""
    found = Options()
    found.words = _options(found, list(arguments), COPY_FLAGS, COPY_VALUES)
    return found


def _options(found: Options, rest: list[str], flags: str, values: str) -> list[str]:
    """Take options off the front."""
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in flags:
                found.letters[letter] = str(found.letters.get(letter, "") + letter)
            elif letter in values:
                value = letters or (rest.pop(0) if rest else "")
                letters = ""
                if letter == "o":
                    name, _, text = value.strip().replace("=", " ", 1).partition(" ")
                    found.named.setdefault(name.lower(), text.strip().strip('"'))
                else:
                    found.letters.setdefault(letter, value)
            else:
                raise ValueError(f"unknown option -- {letter}")
    return rest


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []
