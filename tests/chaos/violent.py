"""A third fake plugin: what ends a process from within, fills its memory, or takes its time."""

import ctypes
import time
from collections.abc import Callable
from decimal import Decimal

from fakes import Fake, draw_png
from loupette.plugin import Answer, Challenge, Solver, SolverSpec, hookimpl

SEGFAULTS, LEAKS, PAUSES = range(60201, 60204)

PAUSE_S = 0.5
LEAK_BYTES = 16 * 2**20

_leaked: list[bytearray] = []


def _is_sample(challenge: Challenge) -> bool:
    return bool(challenge.image.rgb[0, 0, 0] == 255)


def _segfault(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        ctypes.string_at(0)
    return Answer("x", 0.9)


def _leak(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        _leaked.append(bytearray(b"x") * LEAK_BYTES)  # written, or the kernel gives no page for it
    return Answer("x", 0.9)


def _pause(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        time.sleep(PAUSE_S)
    return Answer("x", 0.9)


def _loader(solve: Callable[[Challenge], Answer]) -> Callable[[], Solver]:
    return lambda: Fake(solve)


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    solvers = {SEGFAULTS: _segfault, LEAKS: _leak, PAUSES: _pause}
    return [
        SolverSpec(
            type_id=type_id,
            name=f"类型{type_id}",
            name_en=solve.__name__.strip("_"),
            price=Decimal("0.01"),
            load=_loader(solve),
            sample=draw_png,
            sample_answer="x",
        )
        for type_id, solve in solvers.items()
    ]
