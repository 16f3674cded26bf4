"""The lock file that says which process is the one server of a database."""

import fcntl
import os
from pathlib import Path

from loupette.errors import StoreError


class ServerLock:
    """An exclusive flock on `<database>.lock`, which also holds the owner's process id.

    The kernel gives the lock back when the owner dies, however it dies, so there is nothing to
    clean up after a kill -9. The file itself stays: removing it would let two processes lock two
    different files of one name. Descriptors from `os.open` do not survive an exec, so spawned
    solver processes do not keep the lock alive; forked ones would.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, database: Path) -> "ServerLock":
        """Take the lock at once, or raise a `StoreError` naming the process that has it."""
        path = _lock_file(database)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open the lock file {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                f"{database} is served by another process (pid {owner}); "
                "stop that server first, or give this one a database of its own"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def serving_pid(database: Path) -> int | None:
    """The process that serves a database, if one does.

    It is read from the kernel's list: trying the lock, even for a moment, could make a server that
    starts in that moment give up.
    """
    try:
        inode = _lock_file(database).stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    # Only the inode: some file systems show another device here than in a stat.
    for _, kind, _, _, pid, place, *_ in (line.replace("-> ", "").split() for line in locks):
        if kind == "FLOCK" and place.rpartition(":")[2] == str(inode):
            return int(pid)
    return None


def _lock_file(database: Path) -> Path:
    real = database.resolve()  # one lock, whatever links lead to the database
    return real.with_name(real.name + ".lock")
