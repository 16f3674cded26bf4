"""Workers that are threads of the server: for solvers trusted as much as the server itself."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias

from loupette.frames import Loading, Ready, Reply, Start, Task
from loupette.isolation import WorkerDied
from loupette.manager import Plugin
from loupette.solving import Solvers

MOST_ABANDONED = 5
"""Threads of one type that hang at once at most; nothing can end a thread from outside."""
_JOIN_S = 1.0

Word: TypeAlias = Start | Reply | None
"""What a thread says; None is its last."""


class Threads:
    """Starts threads, each with solvers of its own.

    Args:
        plugins: what may be loaded.
    """

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._abandoned: list[tuple[int, threading.Thread]] = []

    async def spawn(self, type_ids: Sequence[int]) -> "WorkerThread":
        """As `Isolation.spawn`."""
        return WorkerThread(Solvers(self._plugins), type_ids, self._abandoned)

    def obstacle(self, type_id: int) -> str | None:
        """That too many of its threads were abandoned and still hang."""
        self._abandoned[:] = [(of, thread) for of, thread in self._abandoned if thread.is_alive()]
        count = sum(of == type_id for of, _ in self._abandoned)
        return f"{count} of its threads hang" if count >= MOST_ABANDONED else None

    async def close(self) -> None:
        """Nothing is shared."""


class WorkerThread:
    """One thread; the methods are those of `Worker`, called on the event loop's thread.

    Args:
        solvers: for this thread alone.
        type_ids: loaded first.
        abandoned: takes the thread, and what it is busy with, if it is killed meanwhile.
    """

    def __init__(
        self,
        solvers: Solvers,
        type_ids: Sequence[int],
        abandoned: list[tuple[int, threading.Thread]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: SimpleQueue[Sequence[Task] | None] = SimpleQueue()
        self._words: asyncio.Queue[Word] = asyncio.Queue()
        self._abandoned = abandoned
        self._busy_with: int | None = None
        self._ended = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=[solvers, type_ids], name="loupette-worker", daemon=True
        )
        self._thread.start()

    def _run(self, solvers: Solvers, type_ids: Sequence[int]) -> None:
        try:
            for start in solvers.load(type_ids):
                self._say(start)
            while (tasks := self._tasks.get()) is not None:
                for reply in solvers.answer_all(tasks):
                    self._say(reply)
                    if self._ended.is_set():  # abandoned: nobody waits for the rest
                        break
        finally:
            self._say(None)

    def _say(self, word: Word) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens to an abandoned thread
            self._loop.call_soon_threadsafe(self._words.put_nowait, word)

    async def _hear(self) -> Start | Reply:
        word = await self._words.get()
        if word is None or self._ended.is_set():
            self._ended.set()
            raise WorkerDied
        return word

    @property
    def has_ended(self) -> bool:
        """Whether the thread has, or was abandoned."""
        return self._ended.is_set()

    @property
    def is_lost(self) -> bool:
        """False: its machine is the server's."""
        return False

    async def receive_start(self) -> Start:
        """As `Worker.receive_start`."""
        start = await self._hear()
        assert isinstance(start, Loading | Ready)  # nothing was asked yet
        self._busy_with = start.type_id if isinstance(start, Loading) else None
        return start

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        """As `Worker.ask`."""
        self._busy_with = tasks[0].type_id
        self._tasks.put(tasks)
        for _ in tasks:
            reply = await self._hear()
            assert not isinstance(reply, Loading | Ready)  # the start is over
            yield reply
        self._busy_with = None

    async def wait_ended(self) -> str:
        """As `Worker.wait_ended`."""
        await self._ended.wait()
        return "a thread was abandoned" if self._thread.is_alive() else "a thread ended"

    def resident_bytes(self) -> int:
        """0: its memory is the server's."""
        return 0

    def kill(self) -> None:
        """Let the thread end, or abandon it where it is at something."""
        if not self._ended.is_set():
            self._ended.set()
            self._tasks.put(None)
            self._words.put_nowait(None)
            if self._busy_with is not None:
                self._abandoned.append((self._busy_with, self._thread))

    async def end(self) -> None:
        """Kill the thread, and wait a moment for it if it is at nothing."""
        self.kill()
        await asyncio.to_thread(self._thread.join, 0 if self._busy_with else _JOIN_S)
