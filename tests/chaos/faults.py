"""What goes wrong in a round: each fault by its name, as a function that brings it about.

Each gives the moment (of the monotonic clock) from which on the service has to answer again: that
of the blow or, of faults that last, their end. They play under load, and what they choose comes
from the round's own random numbers.
"""

import base64
import os
import random
import resource
import select
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import fakes
from chaos import violent
from chaos.arena import WORKERS, Arena
from chaos.clients import BLACK, WHITE, Load, hang_up, raw_request
from chaos.clock import set_clock
from serving import Reply, wait_until_gone

Fault: TypeAlias = Callable[[Arena, random.Random, Load], float]

_STEPS_S = (-400 * 86_400, -86_400, -3600, -2, 2, 3600, 86_400, 400 * 86_400)


def _kill_front(arena: Arena, rng: random.Random, load: Load) -> float:
    workers = arena.server.workers()
    struck_s = time.monotonic()
    arena.server.process.kill()
    arena.server.process.wait(30)
    arena.restart()
    assert all(wait_until_gone(pid) for pid in workers), "a killed server's workers live on"
    return struck_s


def _kill_worker(arena: Arena, rng: random.Random, load: Load) -> float:
    victim = rng.choice(arena.server.all_workers(WORKERS))
    struck_s = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    assert wait_until_gone(victim)
    return struck_s


def _stop_worker(arena: Arena, rng: random.Random, load: Load) -> float:
    """A worker that neither works nor ends; the deadline of what it was given ends it."""
    victim = rng.choice(arena.server.all_workers(WORKERS))
    struck_s = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    while _state(victim) != "T":  # a poll: a signal takes its time
        assert time.monotonic() < struck_s + 30, "the worker does not stop"
    return struck_s


def _state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0]


def _fill_disk(arena: Arena, rng: random.Random, load: Load) -> float:
    """No file of the server may grow beyond a size; what any user may do to their own process.

    With PostgreSQL it is the database's disk: first charges fail, and others are made again; then
    its log cannot be written, which callers wait for.
    """
    if arena.postgres:
        with arena.postgres.refusing_charges():
            load.wait_for(failures=rng.randint(1, 20))
        load.wait_for(answers=20)
        arena.postgres.fill_disk()
        return time.monotonic()
    pid = arena.server.process.pid
    limit = rng.choice([0, 4096, 65_536])
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
    try:
        load.wait_for(failures=rng.randint(1, 20))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    return time.monotonic()


def _step_clock(arena: Arena, rng: random.Random, load: Load) -> float:
    ahead_s = rng.choice(_STEPS_S)
    set_clock(arena.clock, ahead_s)
    moved_s = arena.ask().json["timestamp"] - time.time()
    assert abs(moved_s - ahead_s) < 30, f"the clock moved by {moved_s:.0f} s, not {ahead_s} s"
    return time.monotonic()


def _go_after_headers(arena: Arena, rng: random.Random, load: Load) -> float:
    return _go(arena, rng, body_sent=0)


def _go_in_body(arena: Arena, rng: random.Random, load: Load) -> float:
    return _go(arena, rng, body_sent=rng.uniform(0.1, 0.9))


def _go_before_answer(arena: Arena, rng: random.Random, load: Load) -> float:
    return _go(arena, rng, body_sent=1)


def _go(arena: Arena, rng: random.Random, *, body_sent: float) -> float:
    """Clients hang up while there is no answer; were one charged, nobody would have been told."""
    for _ in range(rng.randint(1, 8)):
        head, body = raw_request(arena.key, violent.PAUSES, BLACK)
        connection = arena.server.connect()
        connection.sendall(head + body[: round(len(body) * body_sent)])
        hang_up(connection, with_reset=rng.random() < 0.5)
    return time.monotonic()


def _go_after_answer(arena: Arena, rng: random.Random, load: Load) -> float:
    """A client hangs up with its answer unread; asking again has to bring the same one."""
    for number in range(rng.randint(1, 8)):
        name = f"unread-{rng.random()}-{number}"
        head, body = raw_request(arena.key, fakes.ECHO, WHITE, name)
        connection = arena.server.connect()
        connection.sendall(head + body)
        assert select.select([connection], [], [], 30)[0], "no answer came"
        hang_up(connection, with_reset=rng.random() < 0.5)
        fields = {"image": WHITE, "type": fakes.ECHO}
        again = arena.server.post(fields, arena.key, {"Idempotency-Key": name})
        assert again.status == 200, again
        assert "idempotent-replayed" in again.headers, again
        arena.told.note(again)
    return time.monotonic()


def _misbehave(type_id: int, *reasons: str) -> Fault:
    """A few requests at once that a plugin cannot cope with, and what they must be told."""

    def fault(arena: Arena, rng: random.Random, load: Load) -> float:
        pictures = [_draw_black(rng) for _ in range(rng.randint(1, 3))]
        with ThreadPoolExecutor(len(pictures)) as threads:
            replies = list(threads.map(lambda picture: arena.ask(type_id, picture), pictures))
        told = {_outcome(reply) for reply in replies}
        assert told <= {*reasons}, f"{told} was told instead of {reasons}"
        return time.monotonic()

    return fault


def _draw_black(rng: random.Random) -> str:
    """A picture that was hardly sent before: one that ended two workers is refused."""
    image = fakes.draw_png(rng.randint(1, 1000), rng.randint(1, 100), "black")
    return base64.b64encode(image).decode()


def _outcome(reply: Reply) -> str:
    return "ok" if reply.status == 200 else str(reply.json["error"]["reason"])


FAULTS: dict[str, Fault] = {
    "kill -9 of the server": _kill_front,
    "kill -9 of a worker": _kill_worker,
    "SIGSTOP of a worker": _stop_worker,
    "disk full": _fill_disk,
    "clock jump": _step_clock,
    "client gone after its headers": _go_after_headers,
    "client gone in its body": _go_in_body,
    "client gone before its answer": _go_before_answer,
    "client gone with its answer unread": _go_after_answer,
    # A load that waits for a worker meanwhile, or has two die on it, is told so.
    "plugin hangs": _misbehave(fakes.SLOW, "solver_timeout", "overloaded"),
    "plugin leaks memory": _misbehave(violent.LEAKS, "ok"),
    "plugin segfaults": _misbehave(violent.SEGFAULTS, "solver_crashed", "overloaded"),
    "plugin raises": _misbehave(fakes.RAISES, "solver_crashed"),
    "plugin returns the wrong type": _misbehave(fakes.WRONG, "solver_crashed"),
}
