"""A plugin that behaves in every way a stranger's might; loaded by name, here and in workers."""

import io
import os
import time
from collections.abc import Callable
from decimal import Decimal

from PIL import Image

from loupette.plugin import (
    TEXT_OPTIONS,
    Answer,
    Challenge,
    Json,
    Option,
    SolverSpec,
    Unsolvable,
    hookimpl,
)

ECHO, SLOW, DIES, REFUSES, RAISES, WRONG, UNSURE, CLOSED = range(60001, 60009)


CARD: dict[str, Json] = {
    "sha256": "0" * 64,
    "model_file": "echo.tflite",
    "date": "2026-01-02",
    "further": [{"sha256": "1" * 64}],
    "measured": {
        "right": 0.9,
        "interval": [0.8256, 0.9448],
        "n": 100,
        "refused": 0.1,
        "median_ms": 12.3,
        "date": "2026-01-02",
        "command": "make measure",
    },
}


def draw_png(width: int = 40, height: int = 20, colour: str = "white") -> bytes:
    """A plain image; its colour tells the fakes what to do."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


class Fake:
    """A solver made of one function."""

    def __init__(self, solve: Callable[[Challenge], object]) -> None:
        self._solve = solve

    def solve(self, challenge: Challenge) -> Answer:
        return self._solve(challenge)  # type: ignore[return-value]  # some are wrong on purpose


def _echo(challenge: Challenge) -> Answer:
    text = challenge.options.get("charset", f"{challenge.image.width}x{challenge.image.height}")
    second = challenge.image2.width if challenge.image2 else None
    detail = {"options": dict(challenge.options), "image2_width": second, "pid": os.getpid()}
    return Answer(str(text), 0.9, detail)


def _is_sample(challenge: Challenge) -> bool:
    return bool(challenge.image.rgb[0, 0, 0] == 255)


def _slow(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        time.sleep(30)
    return Answer("slow", 0.9)


def _die(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        os._exit(11)
    return Answer("alive", 0.9)


def _refuse(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        raise Unsolvable("no_text", "there is nothing to read", detail={"candidates": [1, 2]})
    return Answer("text", 0.9)


def _raise(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        raise ZeroDivisionError("a plugin's own mistake")
    return Answer("fine", 0.9)


def _wrong(challenge: Challenge) -> object:
    return Answer("right", 0.9) if _is_sample(challenge) else {"result": "a dict"}


def _unsure(challenge: Challenge) -> Answer:
    return Answer("perhaps", 0.9 if _is_sample(challenge) else 0.30004)


def _closed(challenge: Challenge) -> Answer:
    return Answer("FIXED", 0.9, {"plugin": "another", "confidence": 7, "note": "kept"})


_SOLVERS = {
    ECHO: ("回声", _echo, "40x20"),
    SLOW: ("慢", _slow, "slow"),
    DIES: ("崩溃", _die, "alive"),
    REFUSES: ("拒绝", _refuse, "text"),
    RAISES: ("异常", _raise, "fine"),
    WRONG: ("错误类型", _wrong, "right"),
    UNSURE: ("不确定", _unsure, "perhaps"),
    CLOSED: ("固定", _closed, "FIXED"),
}


def _spec(type_id: int) -> SolverSpec:
    name, solve, answer = _SOLVERS[type_id]
    return SolverSpec(
        type_id=type_id,
        name=name,
        name_en=solve.__name__.strip("_"),
        price=Decimal("0.01"),
        load=lambda: Fake(solve),
        sample=draw_png,
        sample_answer=answer,
        options=(*TEXT_OPTIONS, Option("width", "integer", "宽度", "width", minimum=1, maximum=9)),
        second_image="optional" if type_id == ECHO else "no",
        card=(lambda: CARD) if type_id == ECHO else None,
    )


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    return [_spec(type_id) for type_id in _SOLVERS]
