"""Load solvers by type ID and ask them; whatever they do becomes one of a few outcomes."""

import logging
import math
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec

from loupette.decoding import decode_picture, heed_warnings
from loupette.errors import BadImage, SolverCrashed, Unsolvable
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
    decode_reply,
    encode,
)
from loupette.manager import Plugin
from loupette.plugin import Answer, BatchSolver, Challenge, Solver, SolverSpec

_log = logging.getLogger(__name__)

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NOT_REFUSALS = ("ok", "replayed")
"""Outcomes of the log that mean something else; "ok" would be a success without its charge."""


_LONGEST_TEXT = 1000
"""Of what says why a type or an answer is none."""


class _NoAnswer(Exception):
    """What a solver gave is none; its own frames would not say where that came from."""


class Solvers:
    """The loaded solvers of one worker; no two workers share one, nor the model in it."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._specs = {spec.type_id: spec for plugin in plugins for spec in plugin.specs}
        self._loaded: dict[int, Solver] = {}
        heed_warnings()

    def load(self, type_ids: Iterable[int]) -> Iterator[Start]:
        """Load types, and say so; each is announced first, as it may end or hang the worker."""
        failures: dict[int, str] = {}
        for type_id in type_ids:
            yield Loading(type_id)
            reason = self.warm(type_id)
            if reason is not None:
                failures[type_id] = reason
        yield Ready(failures)

    def warm(self, type_id: int) -> str | None:
        """Load a type and let it read its own sample; gives why that failed, if it did."""
        try:
            spec = self._spec(type_id)
            sample = spec.sample()
        except (Exception, SystemExit) as error:  # a plugin's code: whatever it raises is its own
            return _describe(error)
        # Twice where it can, so that a solve_batch that fails is in the log from the start.
        tasks = [Task(type_id, sample)] * (2 if spec.batch else 1)
        *_, reply = self.answer_all(tasks, is_told=True)
        if isinstance(reply, Read) and reply.result == spec.sample_answer:
            return None
        got = reply.result if isinstance(reply, Read) else getattr(reply, "message", reply)
        return f"its own sample, {spec.sample_answer!r}, it reads as: {got!s:.{_LONGEST_TEXT}}"

    def answer_all(self, tasks: Sequence[Task], *, is_told: bool = False) -> Iterator[Reply]:
        """Answer tasks of one type, at once if its solver takes batches; never raises.

        No task fails for its neighbour's sake: a batch that failed is read one by one.

        Args:
            tasks: at least one.
            is_told: as for `answer`.
        """
        type_id = tasks[0].type_id
        if len(tasks) > 1 and type_id in self._specs and self._specs[type_id].batch:
            try:
                yield from self._answer_batch(tasks)
                return
            except (Exception, SystemExit):  # as in `answer`
                _log.exception("a batch of type %s failed, it is read one by one", type_id)
        for task in tasks:
            yield self.answer(task, is_told=is_told)

    def _answer_batch(self, tasks: Sequence[Task]) -> list[Reply]:
        opened = [_open(task) for task in tasks]
        challenges = [one for one in opened if isinstance(one, Challenge)]
        solver = cast(BatchSolver, self._solver(tasks[0].type_id))  # as its spec says
        answers = solver.solve_batch(challenges) if challenges else []
        if len(answers) != len(challenges):
            raise TypeError(f"solve_batch gave {len(answers)} answers to {len(challenges)}")
        replies = iter(answers)
        return [
            one if isinstance(one, BadInput) else _sendable(_read_or_refused(next(replies)))
            for one in opened
        ]

    def answer(self, task: Task, *, is_told: bool = False) -> Reply:
        """Decode and solve one task; never raises.

        Args:
            task: what to solve.
            is_told: whoever asks tells people of an answer that is none, so the log need not.
        """
        challenge = _open(task)
        if isinstance(challenge, BadInput):
            return challenge
        try:
            return _sendable(self._ask(task.type_id, challenge))
        except _NoAnswer as error:
            if not is_told:
                _log.error("the solver of type %s gave no answer: %s", task.type_id, error)
            return Crashed(str(error))
        except (Exception, SystemExit) as error:  # a plugin's code: whatever it raises is its own
            _log.exception("the solver of type %s crashed", task.type_id)
            return Crashed(_describe(error))

    def _ask(self, type_id: int, challenge: Challenge) -> Reply:
        try:
            return _read_or_refused(self._solver(type_id).solve(challenge))
        except Unsolvable as refusal:
            return _read_or_refused(refusal)

    def _solver(self, type_id: int) -> Solver:
        if type_id not in self._loaded:
            self._loaded[type_id] = self._spec(type_id).load()
        return self._loaded[type_id]

    def _spec(self, type_id: int) -> SolverSpec:
        if type_id not in self._specs:
            raise SolverCrashed(f"no loaded plugin reads type {type_id}")
        return self._specs[type_id]


def _open(task: Task) -> Challenge | BadInput:
    try:
        return Challenge(
            decode_picture(task.image),
            decode_picture(task.image2) if task.image2 is not None else None,
            task.options,
        )
    except BadImage as error:
        return BadInput(error.reason, error.message)


def _read_or_refused(answer: object) -> Read | Refused:
    if not isinstance(answer, Unsolvable):
        return _checked(answer)
    if not _SLUG.fullmatch(answer.reason) or answer.reason in _NOT_REFUSALS:
        raise _NoAnswer(f"{reprlib.repr(answer.reason)} cannot be a refusal's reason") from answer
    return Refused(answer.reason, answer.message, dict(answer.detail))


def _checked(answer: object) -> Read:
    if not isinstance(answer, Answer):
        raise _NoAnswer(f"solve gave {type(answer).__name__}, not Answer")
    if not isinstance(answer.result, str) or not answer.result:
        raise _NoAnswer(f"the result must be a non-empty str, not {reprlib.repr(answer.result)}")
    confidence = float(answer.confidence)
    if not (math.isfinite(confidence) and 0 <= confidence <= 1):
        raise _NoAnswer(f"the confidence must be within 0 and 1, not {answer.confidence!r}")
    return Read(answer.result, confidence, dict(answer.detail))


def _sendable(reply: Reply) -> Reply:
    """A detail that is not JSON-ready, or vast, is the plugin's fault, and is found here."""
    frame = encode(reply)
    if len(frame) > MAX_REPLY_BYTES:
        raise _NoAnswer(f"it takes {len(frame)} bytes, and {MAX_REPLY_BYTES} are the most")
    sent = decode_reply(frame[LENGTH.size :])
    detail = getattr(sent, "detail", None)
    if msgspec.json.decode(msgspec.json.encode(detail)) != detail:
        raise _NoAnswer("the detail has bytes, times, NaN or other things that JSON cannot carry")
    return sent


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode()
