"""Copy the database while it is in use, and check that the copy is whole."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from loupette.errors import StoreError
from loupette.store.audit import Audit
from loupette.store.database import connect_read_only
from loupette.store.integrity import inspect
from loupette.store.migrations import describe_newer


def backup(db_path: Path, target: Path) -> Audit:
    """Write a checked copy of the database to a new file; a server may be running.

    Under its final name the copy exists only once it was checked.

    Args:
        db_path: the database to copy.
        target: the new file; it must not exist, its folder must.

    Returns:
        What was checked in the copy.

    Raises:
        StoreError: the target exists, cannot be written, or the copy does not add up.
    """
    if target.exists():
        raise StoreError(f"{target} exists already; backups are never overwritten")
    partial = target.with_name(target.name + ".partial")
    try:
        write_copy(db_path, partial)
        checked = check_backup(partial)
        os.replace(partial, target)
        sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"cannot back up {db_path} to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return checked


def check_backup(path: Path) -> Audit:
    """Check a copy: SQLite's own structures, references between tables, and the money.

    Raises:
        StoreError: it is no database, is of a newer version, or does not add up; the message says
            where.
    """
    if not path.exists():
        raise StoreError(f"there is no backup {path}")
    found = inspect(path)
    if found.unknown_steps:
        raise StoreError(f"{path}: {describe_newer(found.unknown_steps)}")
    if found.problems or found.checked is None:
        raise StoreError(f"{path} is damaged, do not restore it: " + "; ".join(found.problems))
    return found.checked


def write_copy(db_path: Path, target: Path, *, is_immutable: bool = False) -> None:
    """Copy a database, in use or not, to a file of its own; one that is there is written over.

    Args:
        db_path: the database to copy.
        target: the new file.
        is_immutable: nobody writes the database, and nothing may be made beside it.

    Raises:
        sqlite3.Error, OSError: the copy is not to be used.
    """
    target.unlink(missing_ok=True)
    # VACUUM INTO takes an empty file; made here so that it is never readable by others.
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(connect_read_only(db_path, is_immutable=is_immutable)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    sync(target)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
