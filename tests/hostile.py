"""A second fake plugin: what breaks in ways that only the worker or the pool can see."""

import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from fakes import Fake, draw_png
from loupette.frames import Crashed, encode
from loupette.plugin import Answer, Challenge, Option, Solver, SolverSpec, Unsolvable, hookimpl

(
    NO_SAMPLE,
    NO_LOAD,
    MISREADS,
    ODD_DETAIL,
    ODD_KEYS,
    ODD_REFUSAL,
    SAYS_OK,
    UNBOUNDED,
    DIES_ONCE,
    GARBLES,
    EXITS,
    TRANSPARENT,
    DIES_IN_LOAD,
    HANGS_IN_LOAD,
    GARBLES_IN_LOAD,
    DIES_IN_SECOND_LOAD,
    PRINTS,
) = range(60101, 60118)


def _is_sample(challenge: Challenge) -> bool:
    return bool(challenge.image.rgb[0, 0, 0] == 255)


def _refuse_always(challenge: Challenge) -> Answer:
    raise Unsolvable("blank", "it does not even read its own sample")


def _odd_detail(challenge: Challenge) -> Answer:
    return Answer("x", 0.9, {} if _is_sample(challenge) else {"object": object()})  # type: ignore[dict-item]  # wrong on purpose


def _odd_keys(challenge: Challenge) -> Answer:
    return Answer("x", 0.9, {} if _is_sample(challenge) else {1: 2})  # type: ignore[dict-item]  # wrong on purpose


def _odd_refusal(challenge: Challenge) -> Answer:
    if _is_sample(challenge):
        return Answer("x", 0.9)
    raise Unsolvable("odd", "with a detail nobody can send", detail={"object": object()})


def _say_ok(challenge: Challenge) -> Answer:
    if _is_sample(challenge):
        return Answer("x", 0.9)
    raise Unsolvable("ok", "a reason that the log uses for success")


def _echo_number(challenge: Challenge) -> Answer:
    return Answer(str(challenge.options.get("number", "none")), 0.9)


def _die_once(challenge: Challenge) -> Answer:
    flag = challenge.options.get("flag")
    if flag and not Path(str(flag)).exists():
        Path(str(flag)).write_text(str(os.getpid()))
        os._exit(11)
    return Answer("risen", 0.9, {"pid": os.getpid()})


def _garble(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        os.write(int(sys.argv[1]), b"\x00\x00\x00\x01\xc1")
    return Answer("x", 0.9)


def _exit(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        sys.exit(4)
    return Answer("x", 0.9)


def _see(challenge: Challenge) -> Answer:
    return Answer("x", 0.9, {"pixel": challenge.image.rgba[0, 0].tolist()})


def _print(challenge: Challenge) -> Answer:
    os.write(2, b"words of a library\n")
    return Answer("x", 0.9)


def _raise_in_sample() -> bytes:
    raise RuntimeError("no sample today")


def _exit_in_load() -> Solver:
    sys.exit("the model is missing")


def _die_in_load() -> Solver:
    os._exit(12)


def _hang_in_load() -> Solver:
    time.sleep(600)
    return Fake(_see)


def _die_in_second_load() -> Solver:
    loads = Path(os.environ["HOSTILE_LOADS"])
    with loads.open("a") as file:
        file.write("x")
    if loads.read_text() == "xx":
        os._exit(12)
    return Fake(_see)


def _garble_in_load() -> Solver:
    os.write(int(sys.argv[1]), encode(Crashed("an answer to nothing")))
    return Fake(_see)


_SOLVERS = {
    MISREADS: _refuse_always,
    ODD_DETAIL: _odd_detail,
    ODD_KEYS: _odd_keys,
    ODD_REFUSAL: _odd_refusal,
    SAYS_OK: _say_ok,
    UNBOUNDED: _echo_number,
    DIES_ONCE: _die_once,
    GARBLES: _garble,
    EXITS: _exit,
    TRANSPARENT: _see,
    PRINTS: _print,
}


def _spec(
    type_id: int,
    load: Callable[[], Solver],
    sample: Callable[[], bytes] = draw_png,
) -> SolverSpec:
    return SolverSpec(
        type_id=type_id,
        name=f"类型{type_id}",
        name_en=f"type {type_id}",
        price=Decimal("0.01"),
        load=load,
        sample=sample,
        sample_answer="x",
        options=(Option("number", "integer", "数", "any integer"),),
    )


def _loader(solve: Callable[[Challenge], Answer]) -> Callable[[], Solver]:
    return lambda: Fake(solve)


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    return [
        _spec(NO_SAMPLE, _loader(_see), _raise_in_sample),
        _spec(NO_LOAD, _exit_in_load),
        _spec(DIES_IN_LOAD, _die_in_load),
        _spec(HANGS_IN_LOAD, _hang_in_load),
        _spec(GARBLES_IN_LOAD, _garble_in_load),
        _spec(DIES_IN_SECOND_LOAD, _die_in_second_load),
        *(_spec(type_id, _loader(solve)) for type_id, solve in _SOLVERS.items()),
    ]
