"""Workers that are processes: what a plugin does to its own ends there."""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import cast

import msgspec

from loupette.frames import (
    LENGTH,
    MAX_FRAME_BYTES,
    Reply,
    Start,
    Task,
    decode_reply,
    decode_start,
    encode,
)
from loupette.isolation import WorkerDied
from loupette.settings import LogFormat
from loupette.usage import resident_bytes

RETURNS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "4194304"}
"""A worker's environment. Else glibc keeps blocks as large as the largest that it ever freed, up to
32 MiB, for itself, and with pictures of all sizes a worker's memory grows for long (`make fuzz`).
Those below 1 MiB it may keep, as solvers take and free such all the time."""

_MOST_UNREAD = 64
"""Frames that a process may be ahead of whoever reads them; a batch has fewer replies."""


class Processes:
    """Starts `loupette.worker` in processes of their own.

    Args:
        modules: plugins beside the installed ones.
        log_format: of the workers' messages.
    """

    def __init__(self, modules: Sequence[str] = (), *, log_format: LogFormat = "text") -> None:
        self._modules = tuple(modules)
        self._log_format = log_format

    async def spawn(self, type_ids: Sequence[int]) -> "WorkerProcess":
        """As `Isolation.spawn`."""
        types, modules = ",".join(map(str, type_ids)), ",".join(self._modules)
        return await start_process("loupette.worker", types, modules, self._log_format)

    def obstacle(self, type_id: int) -> str | None:
        """None: a killed process leaves nothing behind."""
        return None

    async def close(self) -> None:
        """Nothing is shared."""


async def start_process(
    module: str, *arguments: str, max_frame_bytes: int = MAX_FRAME_BYTES
) -> "WorkerProcess":
    """Run a module in a process of its own, on a socket whose descriptor is its first argument.

    Args:
        module: which.
        arguments: further ones.
        max_frame_bytes: it may send at once.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        loop = asyncio.get_running_loop()
        _, frames = await loop.create_unix_connection(lambda: _Frames(max_frame_bytes), sock=ours)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(theirs.fileno()),
                *arguments,
                env=RETURNS_MEMORY | os.environ,
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
            )
        except BaseException:
            frames.transport.close()
            raise
    return WorkerProcess(process, frames)


class _Frames(asyncio.Protocol):
    """Takes what comes over a socket apart; a stream reader would be asked twice for each frame.

    Args:
        max_bytes: of a frame; the socket is closed at a larger one.

    Attributes:
        transport: the socket's.
    """

    transport: asyncio.Transport

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bodies: deque[bytes] = deque()
        self._rest = bytearray()
        self._arrival: asyncio.Future[None] | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        begin, head = 0, LENGTH.size
        while len(self._rest) >= begin + head:
            (size,) = LENGTH.unpack_from(self._rest, begin)
            if size > self._max_bytes:
                self.transport.abort()
            end = begin + head + size
            if len(self._rest) < end:
                break
            self._bodies.append(bytes(self._rest[begin + head : end]))
            begin = end
        del self._rest[:begin]
        if len(self._bodies) > _MOST_UNREAD:
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        self._wake()

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)

    def send(self, frame: bytes) -> None:
        """Write; what is written to a socket that is closed is lost with it."""
        if not self._is_lost:
            self.transport.write(frame)

    async def next(self) -> bytes:
        """The body of the next frame, for one who waits at a time.

        Raises:
            ConnectionError: the socket is closed, and there is none.
        """
        while not self._bodies:
            if self._is_lost:
                raise ConnectionResetError("the process has closed its socket")
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        body = self._bodies.popleft()
        if not self._bodies:
            self.transport.resume_reading()
        return body


class WorkerProcess:
    """One process and its socket; the methods are those of `Worker`."""

    def __init__(self, process: asyncio.subprocess.Process, frames: _Frames) -> None:
        self.process = process
        self._frames = frames
        # One wait for all who ask, again and again: asyncio keeps what each `Process.wait` that
        # was given up had waited for until the process ends.
        self._ended = asyncio.ensure_future(process.wait())

    @property
    def has_ended(self) -> bool:
        """Whether the process has."""
        return self.process.returncode is not None

    @property
    def is_lost(self) -> bool:
        """False: its machine is the server's."""
        return False

    async def receive_start(self) -> Start:
        """As `Worker.receive_start`."""
        with _dying():
            return decode_start(await self.receive())

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        """As `Worker.ask`."""
        with _dying():
            self.send(encode(tasks))
            for _ in tasks:
                yield decode_reply(await self.receive())

    def send(self, frame: bytes) -> None:
        """Write to its socket; it is not waited for."""
        self._frames.send(frame)

    async def receive(self) -> bytes:
        """The body of its next frame.

        Raises:
            ConnectionError: it has closed the socket.
        """
        return await self._frames.next()

    async def wait_ended(self) -> str:
        """As `Worker.wait_ended`."""
        return f"the process ended with code {await asyncio.shield(self._ended)}"

    def resident_bytes(self) -> int:
        """As `Worker.resident_bytes`."""
        return resident_bytes(self.process.pid)

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._frames.transport.close()
        self.kill()
        # It was killed, so this is short; left at once, the process would never be waited for.
        interrupted: asyncio.CancelledError | None = None
        while not self.has_ended:
            try:
                await self.process.wait()
            except asyncio.CancelledError as cancelled:
                interrupted = cancelled
        if interrupted:
            raise interrupted


class _dying:
    """Turns what a broken socket, or nonsense from it, raises into WorkerDied."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, msgspec.DecodeError)):
            raise WorkerDied from error
