"""Solver processes: one task at a time each, killed at the deadline, replaced when they die."""

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from loupette import errors
from loupette.errors import BadImage, Overloaded, SolverCrashed, SolverTimeout, Unsolvable
from loupette.frames import (
    LENGTH,
    BadInput,
    Crashed,
    Read,
    Ready,
    Refused,
    Reply,
    Task,
    decode_reply,
    encode,
)

_log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""A worker that is not ready by then is ended and started again."""
LONGEST_PAUSE_S = 5.0
"""Between restarts of a worker that keeps dying."""


class WorkerDied(Exception):
    """The process ended, or was ended, before it replied."""


class Worker:
    """One process and its socket."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, type_ids: Sequence[int], modules: Sequence[str]) -> "Worker":
        """Start a process; it says `Ready` when it has loaded its types."""
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
        return await self.receive()

    async def receive(self) -> Reply:
        """Wait for the next frame.

        Raises:
            WorkerDied: it will never come.
        """
        with _dying():
            head = await self._reader.readexactly(LENGTH.size)
            return decode_reply(await self._reader.readexactly(LENGTH.unpack(head)[0]))

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
    """

    def __init__(self, size: int, *, type_ids: Sequence[int], modules: Sequence[str] = ()) -> None:
        self._size = size
        self._type_ids = tuple(type_ids)
        self._modules = tuple(modules)
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._keepers: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[Reply]] = set()
        self._ready = asyncio.Event()
        self.failures: dict[int, str] = {}
        self.restarts = 0

    @property
    def is_ready(self) -> bool:
        """A worker has loaded every type and read its samples (or said why not)."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait for the first worker."""
        await self._ready.wait()

    def start(self) -> None:
        """Begin to start the workers; returns at once, tasks wait for the first one."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._size)]

    async def close(self) -> None:
        """End all workers; calls still running fail."""
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, *self._calls, return_exceptions=True)

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """Have a task solved, once more on another worker if the first one dies.

        Args:
            task: type, images and options.
            deadline_s: for waiting for a worker, and again for the worker's answer.

        Raises:
            Unsolvable: the solver cannot tell.
            BadImage: the image cannot be decoded.
            SolverTimeout: the deadline passed; the worker was killed.
            SolverCrashed: it raised, or two workers died of it.
            Overloaded: no worker became free in time.
        """
        for _ in range(2):
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
        try:
            async with asyncio.timeout(deadline_s):
                while (worker := await self._idle.get()).process.returncode is not None:
                    pass  # died while idle; its keeper has noticed and starts another
                return worker
        except TimeoutError:
            raise Overloaded("no solver became free in time", retry_after_s=1.0) from None

    async def _call(self, worker: Worker, task: Task, deadline_s: float) -> Reply:
        try:
            async with asyncio.timeout(deadline_s):
                reply = await worker.ask(task)
        except TimeoutError:
            worker.kill()
            raise SolverTimeout(
                f"type {task.type_id} gave no answer within {deadline_s:g} s"
            ) from None
        except BaseException:
            worker.kill()  # whatever happened, its socket can no longer be trusted
            raise
        self._idle.put_nowait(worker)
        return reply

    async def _keep(self) -> None:
        """Keep one worker alive for as long as the pool lives."""
        pause_s = 0.0
        while True:
            try:
                worker = await Worker.spawn(self._type_ids, self._modules)
            except OSError:  # no memory, no descriptors: that may pass
                _log.exception("a solver process cannot be started")
                pause_s = _longer(pause_s)
            else:
                try:
                    pause_s = await self._tend(worker, pause_s)
                finally:
                    await worker.end()
            self.restarts += 1
            await asyncio.sleep(pause_s)

    async def _tend(self, worker: Worker, pause_s: float) -> float:
        """See a worker through its life; gives the pause before the next one."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready = await worker.receive()
        except (TimeoutError, WorkerDied):
            _log.error("a solver process ended before it was ready")
            return _longer(pause_s)
        self._note_ready(ready)
        self._idle.put_nowait(worker)
        code = await worker.process.wait()
        _log.warning("a solver process ended with code %s; starting another", code)
        return 0.0

    def _note_ready(self, ready: Reply) -> None:
        if not isinstance(ready, Ready):
            raise TypeError(f"a worker began with {ready!r}")
        for type_id, reason in ready.failures.items():
            _log.error("type %s is out of order: %s", type_id, reason)
        self.failures = ready.failures
        self._ready.set()


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
        case Ready():
            raise TypeError("a worker said that it is ready instead of answering")
