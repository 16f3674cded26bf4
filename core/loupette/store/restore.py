"""Put a checked backup in the place of a database, and keep what was there."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from loupette.errors import StoreError
from loupette.store.audit import Audit
from loupette.store.backup import check_backup, sync, write_copy
from loupette.store.database import connect_read_only, wal_of
from loupette.store.lock import ServerLock


@dataclass(frozen=True)
class Restored:
    """What was done.

    Attributes:
        checked: what was checked in the new database.
        kept: the database that was there before; None where there was none.
    """

    checked: Audit
    kept: Path | None


def restore(source: Path, db_path: Path, *, now: datetime) -> Restored:
    """Put a copy of a backup in the place of a database that nobody serves.

    The old database stays beside it under a name with the time. At every moment, a power cut
    included, the place has the whole old database or the whole new one; only of one that cannot be
    read at all the WAL goes first, and is kept beside the old database's new name.

    Kept images stay where they are: those of requests that the backup knows are found as before,
    and the server deletes all of them in time, which it would not do beside the old one. One of a
    request that the backup does not know is shown for no other (`ImageFolder.of`).

    Args:
        source: the backup; it stays as it is.
        db_path: where to put it; its folder must exist.
        now: for the old one's name.

    Raises:
        StoreError: the backup is no database, is damaged, is of a newer version or does not add
            up; or the place is being served or used, or cannot be written. All is as it was then.
    """
    place = db_path.resolve()  # beside the file itself, whatever link leads to it
    if source.exists() and place.exists() and source.samefile(place):
        raise StoreError(f"{source} is the database itself; name a backup of it")
    with _not_served(place):
        check_backup(source)
        partial = place.with_name(place.name + ".partial")
        try:
            write_copy(source, partial, is_immutable=not wal_of(source).exists())
            checked = check_backup(partial)
            kept = _replace(place, partial, now) if place.exists() else None
            os.replace(partial, place)
            sync(place.parent)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot restore {source} to {db_path}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
    return Restored(checked, kept)


@contextmanager
def _not_served(place: Path) -> Iterator[None]:
    lock = ServerLock.acquire(place)
    try:
        yield
    finally:
        lock.release()


def _replace(place: Path, partial: Path, now: datetime) -> Path:
    """Make way: give the old database a second name, and the new one the old one's owner."""
    _fold_wal(place)
    owner = place.stat()
    if (partial.stat().st_uid, partial.stat().st_gid) != (owner.st_uid, owner.st_gid):
        os.chown(partial, owner.st_uid, owner.st_gid)  # root restores for the server's user
    kept = place.with_name(f"{place.stem}-{now:%Y%m%d-%H%M%S}{place.suffix}")
    os.link(place, kept)
    wal = wal_of(place)
    if wal.exists():  # of a damaged database alone; the new one must not be read with it
        os.link(wal, wal_of(kept))
        sync(place.parent)
        wal.unlink()
    place.with_name(place.name + "-shm").unlink(missing_ok=True)
    sync(place.parent)
    return kept


def _fold_wal(place: Path) -> None:
    """Have the old database in one file; what is too damaged for that stays as it is.

    Raises:
        StoreError: another process has it open.
    """
    if not _is_readable(place):
        return  # SQLite would throw the WAL of what it takes for no database away
    try:
        with closing(sqlite3.connect(place, timeout=1.0)) as connection:
            # Leaving WAL takes the database for itself alone, and so finds out who else has it.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if "locked" not in str(error):
            return
        raise StoreError(
            f"{place} is in use by another command; wait for it to end, or stop it"
        ) from error


def _is_readable(place: Path) -> bool:
    try:
        with closing(connect_read_only(place)) as connection:
            connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError:
        return False
    return True
