"""What performance.md takes from the figures of ``make bench-load`` and ``make bench-logs``."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generate import ROOT, table

LOAD = ROOT / "bench" / "load.json"
"""Written by ``make bench-load JSON=bench/load.json``."""
LOGS = ROOT / "bench" / "logs.json"
"""Written by ``make bench-logs JSON=bench/logs.json``."""

_SUBJECTS = {
    "echo": "Starlette and uvicorn, the same body sent back",
    "instant": "the documented endpoint, a solver that returns at once",
    "alnum": "the documented endpoint, `50200`",
    "half": "the same at half that load",
    "loop": "the solver of `50200` in bare loops",
    "ddddocr": "ddddocr behind FastAPI",
    "decoder": "of such a request, opening the picture alone, in a loop",
    "ledger": "of such a request, holding and charging alone, in a loop",
    "alnum on all cores": "the documented endpoint, `50200`, a worker on every core",
    "loop on all cores": "bare loops on every core",
    "ddddocr on all cores": "ddddocr, a worker on every core",
}
_PARTS = ("loop_us", "threads_us", "workers_us")
_OURS = ("echo", "instant", "alnum", "half", "alnum on all cores")
"""What has an event loop, a writer and workers, or the first alone."""


def load_when() -> str:
    """The day, the command and the machine of the load."""
    measured = read(LOAD)
    count = measured["workers"]
    return (
        f"Measured {measured['date']} with `{measured['command']}`: {count}"
        f" {'worker' if count == 1 else 'workers'}, {measured['cores']} cores"
        f" ({measured['processor']}), {measured['connections']}"
        f" connections, {measured['seconds']:g} s each.\n"
    )


def load_subjects() -> str:
    """Requests a second, processor time and waiting of each."""
    return table(
        ("served", "requests/s", "CPU µs each", "p50 ms", "p99 ms"),
        (
            (
                said,
                f"{figure['rate']:.0f}",
                f"{figure['cpu_us']:.0f}",
                *(f"{figure[key]:.1f}" if figure[key] else "" for key in ("p50_ms", "p99_ms")),
            )
            for said, figure in _measured(_SUBJECTS)
        ),
    )


def _measured(names: Iterable[str]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What was measured of these, with its figures; on all cores nothing may have been."""
    subjects = read(LOAD)["subjects"]
    return ((_SUBJECTS[name], subjects[name]) for name in names if name in subjects)


def load_parts() -> str:
    """Whose processor time a request of each server takes, where it was told apart."""
    return table(
        ("CPU µs of a request", "event loop", "other threads", "workers"),
        (
            (said, *(f"{figure[part]:.0f}" for part in _PARTS))
            for said, figure in _measured(_OURS)
            if "loop_us" in figure
        ),
    )


def load_beside() -> str:
    """The ratios with a worker on every core, which are not judged."""
    return table(
        ("not judged", "median", "rounds"),
        (
            (ratio["text"], f"{ratio['median']:.2f}", _spread(ratio))
            for ratio in read(LOAD)["beside"]
        ),
    )


def logs_when() -> str:
    """The day, the command and the size of the log."""
    measured = read(LOGS)
    return (
        f"Measured {measured['date']} with `{measured['command']}` ({measured['processor']}),"
        f" {measured['bytes_a_row']} bytes a row.\n"
    )


def goals(path: Path) -> str:
    """Each goal with the median and the spread of the rounds."""
    return table(
        ("goal", "bound", "median", "rounds", ""),
        (
            (
                goal["text"],
                f"{'≤' if goal['at_most'] else '≥'} {goal['bound']:g}",
                f"{goal['median']:.2f}",
                _spread(goal),
                "met" if goal["is_met"] else "not met",
            )
            for goal in read(path)["goals"]
        ),
    )


def _spread(numbers: Mapping[str, Any]) -> str:
    return f"{min(numbers['numbers']):.2f}–{max(numbers['numbers']):.2f}"


def read(path: Path) -> Mapping[str, Any]:
    """The figures that a bench wrote."""
    measured: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return measured
