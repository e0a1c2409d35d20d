"""Where resources are kept so that they outlive the process: rows of text by table and key, changed by transactions that are durable when they return."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from dualhome.errors import SystemRefused


class Store(Protocol):
    """Rows of text."""

    def rows(self, table: str) -> Iterator[tuple[str, str]]:
        """Key and text of every row of a table, in the order of their keys' first writing."""
        ...

    def write(self, puts: Mapping[tuple[str, str], str], deletes: Collection[tuple[str, str]] = ()) -> None:
        """Rows by (table, key) that shall be there, and those that shall not: all or none, durable on return."""
        ...

    def close(self) -> None:
        """No more."""
        ...


class MemoryStore:
    """Forgets all when the process ends."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, str]] = {}

    def rows(self, table: str) -> Iterator[tuple[str, str]]:
        """Key and text of every row."""
        yield from list(self._tables.get(table, {}).items())

    def write(self, puts: Mapping[tuple[str, str], str], deletes: Collection[tuple[str, str]] = ()) -> None:
        """All at once."""
        for table, key in deletes:
            self._tables.get(table, {}).pop(key, None)
        for (table, key), text in puts.items():
            self._tables.setdefault(table, {})[key] = text

    def close(self) -> None:
        """Nothing to close."""


class SqliteStore:
    """A file of SQLite's, with a write-ahead log. One process at a time has it."""

    def __init__(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, place TEXT, key TEXT, text TEXT, UNIQUE (place, key))"
            )
        except (sqlite3.Error, OSError) as error:
            raise SystemRefused(f"state file {file}: {error}; another `dualhome serve` may be using it") from error

    def rows(self, table: str) -> Iterator[tuple[str, str]]:
        """Key and text of every row."""
        yield from self._db.execute("SELECT key, text FROM rows WHERE place = ? ORDER BY number", (table,)).fetchall()

    def write(self, puts: Mapping[tuple[str, str], str], deletes: Collection[tuple[str, str]] = ()) -> None:
        """One transaction; it is on the disk when this returns."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM rows WHERE place = ? AND key = ?", list(deletes))
            self._db.executemany(
                "INSERT INTO rows (place, key, text) VALUES (?, ?, ?) ON CONFLICT (place, key) DO UPDATE SET text = excluded.text",
                [(table, key, text) for (table, key), text in puts.items()],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise SystemRefused(f"the state can't be written: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()
