"""Workers that are processes: what a plugin does to its own ends there."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import msgspec

from loupette.frames import (
    LENGTH,
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


async def start_process(module: str, *arguments: str) -> "WorkerProcess":
    """Run a module in a process of its own, on a socket whose descriptor is its first argument.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
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
            writer.close()
            raise
    return WorkerProcess(process, reader, writer)


class WorkerProcess:
    """One process and its socket; the methods are those of `Worker`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    @property
    def has_ended(self) -> bool:
        """Whether the process has."""
        return self.process.returncode is not None

    async def receive_start(self) -> Start:
        """As `Worker.receive_start`."""
        with _dying():
            return decode_start(await self.receive())

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        """As `Worker.ask`."""
        with _dying():
            self.send(encode(tasks))
            await self._writer.drain()
            for _ in tasks:
                yield decode_reply(await self.receive())

    def send(self, frame: bytes) -> None:
        """Write to its socket; it is not waited for."""
        self._writer.write(frame)

    async def receive(self) -> bytes:
        """The body of its next frame.

        Raises:
            asyncio.IncompleteReadError: it has closed the socket.
        """
        head = await self._reader.readexactly(LENGTH.size)
        return await self._reader.readexactly(LENGTH.unpack(head)[0])

    async def wait_ended(self) -> str:
        """As `Worker.wait_ended`."""
        return f"the process ended with code {await self.process.wait()}"

    def resident_bytes(self) -> int:
        """As `Worker.resident_bytes`."""
        return resident_bytes(self.process.pid)

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._writer.close()
        self.kill()
        ended = asyncio.ensure_future(self.process.wait())
        # It was killed, so this is short; left at once, the process would never be waited for.
        interrupted: asyncio.CancelledError | None = None
        while not ended.done():
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError as cancelled:
                interrupted = cancelled
        if interrupted:
            raise interrupted


class _dying:
    """Turns what a broken socket, or nonsense from it, raises into WorkerDied."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (asyncio.IncompleteReadError, OSError, msgspec.DecodeError)):
            raise WorkerDied from error
