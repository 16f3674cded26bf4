"""What a process takes of its machine: memory in RAM, and time, whatever else runs there."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PROC = Path("/proc")


@dataclass(frozen=True)
class Took:
    """How long something took.

    Attributes:
        cpu_s: in which a processor worked for it, all threads together.
        elapsed_s: by the clock, less what the process waited for a processor that others had;
            where the system does not say that, which Linux does, none is taken off.
    """

    cpu_s: float
    elapsed_s: float

    @property
    def longest_s(self) -> float:
        """What a limit of time is held against: neither work nor sleep goes uncounted."""
        return max(self.cpu_s, self.elapsed_s)


def timed(call: Callable[[], T]) -> tuple[T, Took]:
    """Call, and measure it."""
    began_s, waited = time.perf_counter(), _waits_ns()
    worked_s = time.process_time()
    result = call()
    cpu_s = time.process_time() - worked_s
    # The clock is looked at first and last, so that no wait is taken off that it did not see.
    waited_ns = sum(ns - waited.get(thread, 0) for thread, ns in _waits_ns().items())
    return result, Took(cpu_s, time.perf_counter() - began_s - waited_ns / 1e9)


def _waits_ns() -> dict[str, int]:
    """For each thread of this process, how long it was ready to run and had no processor."""
    waits = {}
    for file in (_PROC / "self" / "task").glob("*/schedstat"):
        with suppress(OSError):  # the thread ended meanwhile
            waits[file.parent.name] = int(file.read_text(encoding="ascii").split()[1])
    return waits


def resident_bytes(pid: int | None = None) -> int:
    """What a process has in RAM; 0 if it has ended, or the system does not say it so.

    Args:
        pid: the process; this one if None.
    """
    try:
        statm = (_PROC / str(pid or "self") / "statm").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
