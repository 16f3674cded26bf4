"""Solver processes: one task at a time each, killed at the deadline, replaced when they die."""

import asyncio
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from loupette import errors
from loupette.errors import BadImage, Overloaded, SolverCrashed, SolverTimeout, Unsolvable
from loupette.frames import (
    LENGTH,
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
    decode_start,
    encode,
)
from loupette.settings import LogFormat

_log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""A worker that has not begun to load by then is ended and started again."""
LOAD_TIMEOUT_S = 30.0
"""A type that is not loaded by then is left out."""
LONGEST_PAUSE_S = 5.0
"""Between restarts of a worker that keeps dying."""
RESTARTS = ("start", "load", "deadline", "died")
"""Why a worker was replaced: it could not be started, ended before it was ready, was killed at a
type's deadline, or ended otherwise."""


class WorkerDied(Exception):
    """The process ended, or was ended, before it replied."""


class Worker:
    """One process and its socket.

    Attributes:
        process: the process.
        restart: which of RESTARTS it is, if the process ends now.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self.restart = "load"
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(
        cls, type_ids: Sequence[int], modules: Sequence[str], *, log_format: LogFormat = "text"
    ) -> "Worker":
        """Start a process; it says `Loading` before each type and `Ready` after the last."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "loupette.worker",
                    str(theirs.fileno()),
                    ",".join(map(str, type_ids)),
                    ",".join(modules),
                    log_format,
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            except BaseException:
                writer.close()
                raise
        return cls(process, reader, writer)

    async def ask(self, task: Task) -> Reply:
        """Send a task and wait for its reply.

        Raises:
            WorkerDied: it will never come.
        """
        with _dying():
            self._writer.write(encode(task))
            await self._writer.drain()
            return decode_reply(await self._receive())

    async def receive_start(self) -> Start:
        """Wait for the next word of a process that is starting.

        Raises:
            WorkerDied: it will never come.
        """
        with _dying():
            return decode_start(await self._receive())

    async def _receive(self) -> bytes:
        head = await self._reader.readexactly(LENGTH.size)
        return await self._reader.readexactly(LENGTH.unpack(head)[0])

    def resident_bytes(self) -> int:
        """Memory the process has in RAM; 0 once it has ended."""
        try:
            statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        except OSError:
            return 0
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """Kill the process, if it still runs; its keeper starts another."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._writer.close()
        self.kill()
        await self.process.wait()


class _dying:
    """Turns what a broken socket, or nonsense from it, raises into WorkerDied."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (asyncio.IncompleteReadError, OSError, msgspec.DecodeError)):
            raise WorkerDied from error


class WorkerPool:
    """A fixed number of workers, kept alive.

    Args:
        size: processes.
        type_ids: loaded by each worker before it says that it is ready.
        modules: plugins beside the installed ones.
        load_timeout_s: for each type. One that takes longer, or ends its worker while it loads, is
            left out from then on, so that it harms no other, unless a worker has loaded it before.
        log_format: of the workers' messages.

    Attributes:
        failures: types that are out of order, and why.
        restarts: workers replaced, by the words of RESTARTS.
        waiting: tasks for which no worker is free.
    """

    def __init__(
        self,
        size: int,
        *,
        type_ids: Sequence[int],
        modules: Sequence[str] = (),
        load_timeout_s: float = LOAD_TIMEOUT_S,
        log_format: LogFormat = "text",
    ) -> None:
        self._size = size
        self._load_timeout_s = load_timeout_s
        self._log_format = log_format
        self._left_out: dict[int, str] = {}
        self._type_ids = tuple(type_ids)
        self._modules = tuple(modules)
        self._workers: dict[int, Worker] = {}
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._keepers: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[Reply]] = set()
        self._ready = asyncio.Event()
        self.failures: dict[int, str] = {}
        self.restarts: Counter[str] = Counter(dict.fromkeys(RESTARTS, 0))
        self.waiting = 0

    @property
    def is_ready(self) -> bool:
        """A worker has loaded every type and read its samples (or said why not)."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait for the first worker."""
        await self._ready.wait()

    def start(self) -> None:
        """Begin to start the workers; returns at once, tasks wait for the first one."""
        self._keepers = [asyncio.create_task(self._keep(place)) for place in range(self._size)]

    async def close(self) -> None:
        """End all workers; calls still running fail."""
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, *self._calls, return_exceptions=True)

    def resident_bytes(self) -> dict[int, int]:
        """Memory that each worker has in RAM, by its place in the pool, which outlives it."""
        return {place: worker.resident_bytes() for place, worker in self._workers.items()}

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """Have a task solved, once more on another worker if the first one dies.

        Args:
            task: type, images and options.
            deadline_s: for waiting for a worker, and again for the worker's answer.

        Raises:
            Unsolvable: the solver cannot tell.
            BadImage: the image cannot be decoded.
            SolverTimeout: the deadline passed; the worker was killed.
            SolverCrashed: it raised, two workers died of it, or it cannot even be loaded.
            Overloaded: no worker became free in time.
        """
        for _ in range(2):
            if task.type_id in self._left_out:
                raise _out_of_order(task.type_id)
            worker = await self._acquire(deadline_s)
            call = asyncio.create_task(self._call(worker, task, deadline_s))
            self._calls.add(call)
            call.add_done_callback(self._forget)
            try:
                # A caller that goes away must not leave a half-read reply in the socket.
                return _interpret(await asyncio.shield(call), task.type_id)
            except WorkerDied:
                continue
        raise SolverCrashed(f"the solver of type {task.type_id} died twice on this image")

    def _forget(self, call: asyncio.Task[Reply]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # its caller may be gone, and nobody else would fetch it

    async def _acquire(self, deadline_s: float) -> Worker:
        self.waiting += 1
        try:
            async with asyncio.timeout(deadline_s):
                while (worker := await self._idle.get()).process.returncode is not None:
                    pass  # died while idle; its keeper has noticed and starts another
                return worker
        except TimeoutError:
            raise Overloaded("no solver became free in time", retry_after_s=1.0) from None
        finally:
            self.waiting -= 1

    async def _call(self, worker: Worker, task: Task, deadline_s: float) -> Reply:
        if task.type_id in self._left_out:  # since the task began to wait
            self._idle.put_nowait(worker)
            raise _out_of_order(task.type_id)
        try:
            async with asyncio.timeout(deadline_s):
                reply = await worker.ask(task)
        except TimeoutError:
            worker.restart = "deadline"
            worker.kill()
            raise SolverTimeout(
                f"type {task.type_id} gave no answer within {deadline_s:g} s"
            ) from None
        except BaseException:
            worker.kill()  # whatever happened, its socket can no longer be trusted
            raise
        self._idle.put_nowait(worker)
        return reply

    async def _keep(self, place: int) -> None:
        """Keep one worker alive for as long as the pool lives."""
        pause_s = 0.0
        while True:
            try:
                type_ids = [known for known in self._type_ids if known not in self._left_out]
                worker = await Worker.spawn(type_ids, self._modules, log_format=self._log_format)
            except OSError:  # no memory, no descriptors: that may pass
                _log.exception("a solver process cannot be started")
                pause_s = _longer(pause_s)
                self.restarts["start"] += 1
            else:
                self._workers[place] = worker
                try:
                    pause_s = await self._tend(worker, pause_s)
                finally:
                    del self._workers[place]
                    await worker.end()
                self.restarts[worker.restart] += 1
            await asyncio.sleep(pause_s)

    async def _tend(self, worker: Worker, pause_s: float) -> float:
        """See a worker through its life; gives the pause before the next one."""
        loading: int | None = None
        limit_s = START_TIMEOUT_S
        try:
            async with asyncio.timeout(limit_s) as limit:
                while isinstance(start := await worker.receive_start(), Loading):
                    loading, limit_s = start.type_id, self._load_timeout_s
                    limit.reschedule(asyncio.get_running_loop().time() + limit_s)
        except TimeoutError:
            return self._note_end(loading, f"not loaded within {limit_s:g} s", pause_s)
        except WorkerDied:
            return self._note_end(loading, "the process ended while it loaded", pause_s)
        self._note_ready(start)
        worker.restart = "died"
        self._idle.put_nowait(worker)
        code = await worker.process.wait()
        _log.warning("a solver process ended with code %s; starting another", code)
        return 0.0

    def _note_end(self, loading: int | None, reason: str, pause_s: float) -> float:
        """Leave out the type that a worker ended on; gives the pause before the next worker."""
        if loading is None or self.is_ready:  # a type that once loaded is not to blame: killed?
            _log.error("a solver process ended before it was ready")
            return _longer(pause_s)
        _log.error("type %s is out of order and left out: %s", loading, reason)
        self._left_out[loading] = reason
        self.failures = self.failures | self._left_out
        return 0.0

    def _note_ready(self, ready: Ready) -> None:
        for type_id, reason in ready.failures.items():
            _log.error("type %s is out of order: %s", type_id, reason)
        self.failures = ready.failures | self._left_out
        self._ready.set()


def _out_of_order(type_id: int) -> SolverCrashed:
    return SolverCrashed(f"the solver of type {type_id} is out of order")


def _longer(pause_s: float) -> float:
    return min(LONGEST_PAUSE_S, max(0.1, pause_s * 2))


_BAD_IMAGES = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, BadImage)
}


def _interpret(reply: Reply, type_id: int) -> Read:
    match reply:
        case Read():
            return reply
        case Refused():
            raise Unsolvable(reply.reason, reply.message, detail=reply.detail)
        case BadInput():
            raise _BAD_IMAGES[reply.reason](reply.message)
        case Crashed():
            # The reason is the operator's business; it may name files and is in the log already.
            raise SolverCrashed(f"the solver of type {type_id} failed on this image")
