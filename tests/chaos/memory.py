"""How much memory the processes of a server have, and whether that stays the same."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from serving import Server

FLAT = 0.10
"""Growth that is still called flat."""


def resident_mib(pid: int) -> float:
    """What a process has in RAM, less the pages of the files it maps.

    Those are the kernel's cache: of a database that grows, more and more.
    """
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["RssAnon"].split()[0]) / 1024


def workers_mib(server: Server) -> float:
    """Of all workers together."""
    return sum(resident_mib(pid) for pid in server.workers())


def growth(samples: Sequence[float]) -> float:
    """Of the last quarter over the second one, by their medians; the first is the warm-up."""
    quarter = max(1, len(samples) // 4)
    before, after = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return statistics.median(after) / statistics.median(before) - 1
