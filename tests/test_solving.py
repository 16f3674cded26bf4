"""Whatever a solver does becomes one of a few outcomes that can be sent."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import fakes
import hostile
from loupette.frames import (
    LENGTH,
    MAX_REPLY_BYTES,
    BadInput,
    Crashed,
    Loading,
    Read,
    Ready,
    Refused,
    Reply,
    Start,
    Task,
    decode_replies,
    decode_reply,
    decode_start,
    decode_tasks,
    encode,
)
from loupette.manager import Plugin, load_plugins
from loupette.plugin import Answer, Challenge, SolverSpec, Unsolvable
from loupette.solving import Solvers

BLACK = fakes.draw_png(colour="black")


@pytest.fixture(scope="module")
def solvers() -> Solvers:
    return Solvers(load_plugins(["fakes", "hostile"]).loaded)


def test_an_answer_is_read(solvers: Solvers) -> None:
    reply = solvers.answer(Task(fakes.ECHO, fakes.draw_png(33, 21), options={"width": 3}))
    assert isinstance(reply, Read)
    assert (reply.result, reply.confidence, reply.detail["options"]) == ("33x21", 0.9, {"width": 3})


def test_a_second_image_reaches_the_solver(solvers: Solvers) -> None:
    reply = solvers.answer(Task(fakes.ECHO, BLACK, fakes.draw_png(7, 5)))
    assert isinstance(reply, Read)
    assert reply.detail["image2_width"] == 7


def test_a_refusal_keeps_reason_and_detail(solvers: Solvers) -> None:
    reply = solvers.answer(Task(fakes.REFUSES, BLACK))
    assert reply == Refused("no_text", "there is nothing to read", {"candidates": [1, 2]})


@pytest.mark.parametrize(
    ("image", "image2", "reason"),
    [
        (b"none", None, "not_an_image"),
        (BLACK[:60], None, "broken_image"),
        (BLACK, b"x", "not_an_image"),
    ],
)
def test_an_image_that_cannot_be_decoded_is_bad_input(
    solvers: Solvers, image: bytes, image2: bytes | None, reason: str
) -> None:
    reply = solvers.answer(Task(fakes.ECHO, image, image2))
    assert isinstance(reply, BadInput)
    assert reply.reason == reason


@pytest.mark.parametrize(
    ("type_id", "told"),
    [
        (fakes.RAISES, "ZeroDivisionError"),
        (fakes.WRONG, "solve gave dict, not Answer"),
        (hostile.ODD_DETAIL, "TypeError"),
        (hostile.ODD_KEYS, "ValidationError"),
        (hostile.ODD_REFUSAL, "TypeError"),
        (hostile.SAYS_OK, "'ok' cannot be a refusal's reason"),
        (hostile.EXITS, "SystemExit"),
        (hostile.NO_LOAD, "SystemExit"),
        (99, "no loaded plugin reads type 99"),
    ],
)
def test_anything_else_is_a_crash_that_says_what_happened(
    solvers: Solvers, type_id: int, told: str
) -> None:
    reply = solvers.answer(Task(type_id, BLACK))
    assert isinstance(reply, Crashed)
    assert told in reply.message


def test_a_batch_is_answered_in_order_each_with_its_own_outcome(solvers: Solvers) -> None:
    tasks = [
        Task(hostile.BATCHES, BLACK, options={"number": 7}),
        Task(hostile.BATCHES, BLACK, options={"do": "refuse"}),
        Task(hostile.BATCHES, BLACK[:60]),
    ]
    first, refused, broken = solvers.answer_all(tasks)
    assert isinstance(first, Read)
    assert (first.result, first.detail["size"]) == ("7", 2)
    assert refused == Refused("blank", "as it was told", {})
    assert isinstance(broken, BadInput)


@pytest.mark.parametrize(
    ("type_id", "options"),
    [(hostile.BATCHES, {"do": "raise"}), (hostile.BREAKS_BATCHES, {})],
    ids=["raises", "too-few"],
)
def test_a_batch_that_fails_is_read_one_by_one(
    solvers: Solvers,
    caplog: pytest.LogCaptureFixture,
    type_id: int,
    options: dict[str, str],
) -> None:
    good, other = solvers.answer_all([Task(type_id, BLACK), Task(type_id, BLACK, options=options)])
    assert isinstance(good, Read)
    assert isinstance(other, Crashed if options else Read)
    assert f"a batch of type {type_id} failed" in caplog.text


@pytest.mark.parametrize(
    "value",
    [b"bytes", float("nan"), float("inf"), datetime(2024, 11, 1, tzinfo=UTC), {1: 2}, 2**70],
    ids=lambda value: type(value).__name__,
)
def test_a_detail_that_json_does_not_carry_exactly_is_a_crash(value: Any) -> None:
    solver = fakes.Fake(lambda challenge: Answer("x", 0.9, {"deep": [value]}))
    spec = SolverSpec(1, "名", "name", Decimal(0), lambda: solver, fakes.draw_png, "x")
    reply = Solvers([Plugin("p", "", "p", (spec,))]).answer(Task(1, BLACK))
    assert isinstance(reply, Crashed)


@pytest.mark.parametrize(
    "answer",
    [
        Answer("x", 0.9, {"text": "x" * MAX_REPLY_BYTES}),
        Answer("x" * MAX_REPLY_BYTES, 0.9),
        Answer(b"x" * MAX_REPLY_BYTES, 0.9),  # type: ignore[arg-type]  # wrong on purpose
        Unsolvable("no_gap", "x" * MAX_REPLY_BYTES),
        Unsolvable("x" * MAX_REPLY_BYTES, "an odd reason"),
        ZeroDivisionError("x" * MAX_REPLY_BYTES),
    ],
    ids=["detail", "result", "no text", "message", "reason", "error"],
)
def test_a_reply_of_any_size_becomes_a_short_crash(answer: Answer | Exception) -> None:
    def solve(challenge: Challenge) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return answer

    spec = SolverSpec(1, "名", "name", Decimal(0), lambda: fakes.Fake(solve), fakes.draw_png, "x")
    reply = Solvers([Plugin("p", "", "p", (spec,))]).answer(Task(1, BLACK))
    assert isinstance(reply, Crashed)
    assert len(encode(reply)) < 3000


def test_a_reply_within_the_size_is_an_answer(solvers: Solvers) -> None:
    reply = solvers.answer(Task(hostile.VAST, BLACK, options={"number": MAX_REPLY_BYTES - 100}))
    assert isinstance(reply, Read)


def test_a_sample_that_is_read_as_a_vast_text_makes_a_short_reason() -> None:
    solver = fakes.Fake(lambda challenge: Answer("x" * 100_000, 0.9))
    spec = SolverSpec(1, "名", "name", Decimal(0), lambda: solver, fakes.draw_png, "x")
    assert len(str(Solvers([Plugin("p", "", "p", (spec,))]).warm(1))) < 3000


@pytest.mark.parametrize(
    "type_id", [fakes.REFUSES, fakes.RAISES, hostile.ODD_DETAIL, hostile.ODD_REFUSAL]
)
def test_every_reply_can_be_sent(solvers: Solvers, type_id: int) -> None:
    reply = solvers.answer(Task(type_id, BLACK))
    assert decode_reply(encode(reply)[LENGTH.size :]) == reply


def test_a_type_that_reads_its_sample_is_warm(solvers: Solvers) -> None:
    assert solvers.warm(fakes.ECHO) is None


def test_a_type_that_declares_batches_shows_at_its_loading_that_it_has_none(
    solvers: Solvers, caplog: pytest.LogCaptureFixture
) -> None:
    assert solvers.warm(hostile.BREAKS_BATCHES) is None
    assert f"a batch of type {hostile.BREAKS_BATCHES} failed" in caplog.text


@pytest.mark.parametrize(
    ("type_id", "told"),
    [
        (hostile.NO_SAMPLE, "RuntimeError: no sample today"),
        (hostile.NO_LOAD, "SystemExit: the model is missing"),
        (hostile.MISREADS, "does not even read its own sample"),
        (99, "no loaded plugin reads type 99"),
    ],
)
def test_a_type_that_does_not_read_its_sample_says_why(
    solvers: Solvers, type_id: int, told: str
) -> None:
    assert told in str(solvers.warm(type_id))


@pytest.mark.parametrize(
    "frame",
    [
        Read("8", 0.5, {"boxes": [[1, 2, 3, 4]], "none": None}),
        Refused("no_gap", "none", {}),
        BadInput("broken_image", "truncated"),
        Crashed("KeyError: 'x'"),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_replies_survive_the_wire(frame: Reply) -> None:
    sent = encode(frame)
    assert LENGTH.unpack(sent[: LENGTH.size]) == (len(sent) - LENGTH.size,)
    assert decode_reply(sent[LENGTH.size :]) == frame


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("decode", [decode_reply, decode_start, decode_replies])
def test_a_pickle_in_place_of_a_frame_is_refused_and_not_run(
    tmp_path: Path, decode: Callable[[bytes], object]
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "was-here"))
    with pytest.raises(msgspec.DecodeError):
        decode(trap)
    assert not (tmp_path / "was-here").exists()
    pickle.loads(trap)  # noqa: S301  # which shows that it is a trap
    assert (tmp_path / "was-here").exists()


@pytest.mark.parametrize("frame", [Loading(60001), Ready({60001: "broken"})])
def test_starts_survive_the_wire(frame: Start) -> None:
    assert decode_start(encode(frame)[LENGTH.size :]) == frame


def test_tasks_survive_the_wire() -> None:
    task = Task(10200, b"\x00\xff", b"", {"charset": "数字", "width": 3, "scale": 0.5})
    assert decode_tasks(encode([task, task])[LENGTH.size :]) == [task, task]
