"""A second fake plugin: what breaks in ways that only the worker or the pool can see."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from fakes import Fake, draw_png
from loupette.frames import LENGTH, Crashed, encode
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
    BATCHES,
    BREAKS_BATCHES,
    LEAKS,
    MENDED,
    HANGS,
    MEETS,
    WAITS,
    ONE_BY_ONE,
    VAST,
    FLOODS,
    ENDS_LATER,
) = range(60101, 60129)

HOLD = threading.Event()
"""Until it is set, HANGS hangs; for tests with threads, where it can be set."""
MEETING = threading.Barrier(2)
"""Where two threads of MEETS meet."""


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
    return Answer(str(challenge.options.get("number", "x")), 0.9)


def _die_once(challenge: Challenge) -> Answer:
    flag = challenge.options.get("flag")
    if flag and not Path(str(flag)).exists():
        Path(str(flag)).write_text(str(os.getpid()))
        os._exit(11)
    return Answer("x", 0.9, {"pid": os.getpid()})


def _garble(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        os.write(int(sys.argv[1]), b"\x00\x00\x00\x01\xc1")
    return Answer("x", 0.9)


def _answer_vastly(challenge: Challenge) -> Answer:
    return Answer("x", 0.9, {"text": "x" * int(challenge.options.get("number", 0))})


def _flood(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        os.write(int(sys.argv[1]), LENGTH.pack(2**31))
        time.sleep(600)
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


class Batches:
    """Tells how many it was asked at once; the option ``do`` says what else happens."""

    def solve(self, challenge: Challenge) -> Answer:
        (answer,) = self.solve_batch([challenge])
        if isinstance(answer, Unsolvable):
            raise answer
        return answer

    def solve_batch(self, challenges: Sequence[Challenge]) -> Sequence[Answer | Unsolvable]:
        for challenge in challenges:
            _misbehave(challenge)
        return [self._read(challenge, len(challenges)) for challenge in challenges]

    def _read(self, challenge: Challenge, size: int) -> Answer | Unsolvable:
        if challenge.options.get("do") == "refuse":
            return Unsolvable("blank", "as it was told")
        text = str(challenge.options.get("number", "x"))
        return Answer(text, 0.9, {"size": size, "pid": os.getpid()})


def _misbehave(challenge: Challenge) -> None:
    match challenge.options.get("do"):
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)
        case "work":
            time.sleep(0.4)
        case "raise":
            raise ZeroDivisionError("as it was told")


class BreaksBatches(Batches):
    """Reads one, and gives too few answers to several."""

    def solve(self, challenge: Challenge) -> Answer:
        _misbehave(challenge)
        return Answer(str(challenge.options.get("number", "x")), 0.9)

    def solve_batch(self, challenges: Sequence[Challenge]) -> Sequence[Answer | Unsolvable]:
        return []


_leaked: list[bytes] = []


def _leak(challenge: Challenge) -> Answer:
    _leaked.append(b"x" * int(challenge.options.get("number", 0)))
    return Answer("x", 0.9, {"pid": os.getpid()})


def _wait(challenge: Challenge) -> Answer:
    if flag := challenge.options.get("flag"):
        Path(str(flag)).with_suffix(".seen").touch()
        while not Path(str(flag)).exists():
            time.sleep(0.01)  # a poll; the deadline decides
    return Answer("x", 0.9, {"pid": os.getpid()})


def _hang(challenge: Challenge) -> Answer:
    if not _is_sample(challenge):
        HOLD.wait(60)
    return Answer("x", 0.9)


class Meets:
    """Answers once two threads are here, each with a solver of its own."""

    def solve(self, challenge: Challenge) -> Answer:
        if not _is_sample(challenge):
            MEETING.wait(60)
        return Answer("x", 0.9, {"solver": id(self), "thread": threading.get_ident()})


def _load_when_mended() -> Solver:
    if not Path(os.environ["HOSTILE_MENDED"]).exists():
        os._exit(12)
    return Fake(_see)


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


def _load_and_end_later() -> Solver:
    threading.Timer(0.4, os._exit, [5]).start()
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
    LEAKS: _leak,
    HANGS: _hang,
    VAST: _answer_vastly,
    FLOODS: _flood,
    WAITS: _wait,
}


def _spec(
    type_id: int,
    load: Callable[[], Solver],
    sample: Callable[[], bytes] = draw_png,
    *,
    batch: bool = False,
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
        batch=batch,
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
        _spec(ENDS_LATER, _load_and_end_later),
        _spec(BATCHES, Batches, batch=True),
        _spec(BREAKS_BATCHES, BreaksBatches, batch=True),
        _spec(ONE_BY_ONE, Batches),
        _spec(MENDED, _load_when_mended),
        _spec(MEETS, Meets),
        *(_spec(type_id, _loader(solve)) for type_id, solve in _SOLVERS.items()),
    ]
