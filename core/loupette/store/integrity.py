"""Is a database file whole: its version, SQLite's structures, references, and the money."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from loupette.store.audit import Audit, audit
from loupette.store.database import connect_read_only, wal_of
from loupette.store.migrations import missing_steps, unknown_steps


@dataclass(frozen=True)
class Condition:
    """What is the matter with a file.

    Attributes:
        problems: damage, or money that does not add up; one line each.
        unknown_steps: of the schema, made by a newer loupette; nothing else was looked at then.
        missing_steps: of the schema, which the next start makes.
        checked: the money, where it could be read.
    """

    problems: tuple[str, ...] = ()
    unknown_steps: tuple[str, ...] = ()
    missing_steps: tuple[str, ...] = ()
    checked: Audit | None = None


def inspect(path: Path) -> Condition:
    """Look at a database that may be in use, damaged or none at all; the file is only read."""
    # Where there is no WAL nobody writes, and an ordinary reader would leave an empty one behind.
    if not wal_of(path).exists():
        found = _look(path, is_immutable=True)
        if not wal_of(path).exists():
            return found
    return _look(path, is_immutable=False)


def _look(path: Path, *, is_immutable: bool) -> Condition:
    try:
        with closing(connect_read_only(path, is_immutable=is_immutable)) as connection:
            unknown = unknown_steps(connection)
            if unknown:
                return Condition(unknown_steps=unknown)
            missing = missing_steps(connection)
            problems = _structure_problems(connection)
            checked = audit(connection)
    except sqlite3.Error as error:
        return Condition((f"it cannot be read as a database of loupette: {error}",))
    return Condition(
        (*problems, *map(str, checked.problems)), missing_steps=missing, checked=checked
    )


def _structure_problems(connection: sqlite3.Connection) -> list[str]:
    lines = [str(line) for (line,) in connection.execute("PRAGMA integrity_check(20)")]
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
    problems = [] if lines == ["ok"] else lines
    return problems + [
        f"{table} row {row} refers to a missing {parent}" for table, row, parent, _ in broken
    ]
