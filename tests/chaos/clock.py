"""A plugin without types that lets a test set the wall clock of the server's processes.

It moves what `time.time` and `time.time_ns` say and leaves the monotonic clock alone, as a step of
the system's clock does. The step is in a file, so that it can come at any moment.
"""

import mmap
import os
import struct
import time
from pathlib import Path

from loupette.plugin import SolverSpec, hookimpl

VARIABLE = "CHAOS_CLOCK"
_STEP = struct.Struct("<q")


def set_clock(path: Path, ahead_s: int) -> None:
    """Have the clock of every server that follows the file go that much ahead, or behind."""
    mode = "r+b" if path.exists() else "wb"
    with path.open(mode) as file:  # in place: servers have it mapped
        file.write(_STEP.pack(ahead_s))


def _follow(path: Path) -> None:
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), _STEP.size, access=mmap.ACCESS_READ)
    seconds, nanoseconds = time.time, time.time_ns

    def ahead_s() -> int:
        return int(_STEP.unpack_from(shared)[0])

    time.time = lambda: seconds() + ahead_s()
    time.time_ns = lambda: nanoseconds() + ahead_s() * 10**9


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    return []


if VARIABLE in os.environ:
    _follow(Path(os.environ[VARIABLE]))
