"""What performance.md takes from the figures of ``make bench-load`` and ``make bench-logs``."""

import json
from collections.abc import Mapping
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
}


def load_when() -> str:
    """The day, the command and the machine of the load."""
    measured = read(LOAD)
    return (
        f"Measured {measured['date']} with `{measured['command']}`: {measured['workers']} workers,"
        f" {measured['cores']} cores ({measured['processor']}), {measured['connections']}"
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
            for name, said in _SUBJECTS.items()
            for figure in [read(LOAD)["subjects"][name]]
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
                f"{min(goal['numbers']):.2f}–{max(goal['numbers']):.2f}",
                "met" if goal["is_met"] else "not met",
            )
            for goal in read(path)["goals"]
        ),
    )


def read(path: Path) -> Mapping[str, Any]:
    """The figures that a bench wrote."""
    measured: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return measured
