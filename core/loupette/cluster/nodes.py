"""Workers on other machines, as the pool sees them: each is an actor behind a bridge."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from loupette.cluster.link import (
    SILENCE_S,
    Alive,
    Answered,
    Ask,
    End,
    Gone,
    Loaded,
    Open,
    Order,
    Plan,
    decode_news,
    encode,
)
from loupette.cluster.package import Version, find_version, stage
from loupette.frames import (
    MAX_FRAME_BYTES,
    MAX_REPLY_BYTES,
    Loading,
    Ready,
    Reply,
    Start,
    Task,
    decode_replies,
    encode_list,
)
from loupette.isolation import WorkerDied, WorkerLost
from loupette.processes import WorkerProcess, start_process
from loupette.registry import ServedType
from loupette.settings import Settings

BRIDGE = "loupette.cluster.bridge"
PART_S = 0.05
"""Replies wait for the next ones so long at most, and no longer than a tenth of the deadline."""


class Nodes:
    """Has a Ray cluster start workers of one type; an `Isolation`.

    Args:
        served: the type, with what each of its workers reserves.
        settings: the cluster's address.
        bridge: the module that is run as a bridge.
        silence_s: after which a bridge is replaced.
    """

    def __init__(
        self,
        served: ServedType,
        settings: Settings,
        *,
        bridge: str = BRIDGE,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._served = served
        self._settings = settings
        self._bridge = bridge
        self._silence_s = silence_s
        self._bridges: list[_Bridge] = []
        self._starting = asyncio.Lock()

    async def spawn(self, type_ids: Sequence[int]) -> "RemoteWorker":
        """As `Isolation.spawn`; if the plugin has been installed anew, that is sent there first."""
        async with self._starting:
            version = await asyncio.to_thread(find_version, self._served.module)
            await self._close_idle(version)
            if not self._bridges or self._bridges[-1].version != version:
                self._bridges.append(await self._start_bridge(version))
            return self._bridges[-1].open(type_ids)

    async def _start_bridge(self, version: Version) -> "_Bridge":
        served, settings = self._served, self._settings
        assert served.placement
        folder = TemporaryDirectory(prefix="loupette-")
        await asyncio.to_thread(stage, Path(folder.name), name=served.plugin, module=served.module)
        batch_bytes = served.placement.batch * MAX_REPLY_BYTES
        process = await start_process(self._bridge, max_frame_bytes=MAX_FRAME_BYTES + batch_bytes)
        plan = Plan(
            settings.ray_address,
            folder.name,
            served.spec.type_id,
            (served.module,) if served.module in settings.modules else (),
            served.placement.cpus,
            served.placement.gpus,
            settings.log_format,
            min(PART_S, served.deadline_s / 10),
        )
        process.send(encode(plan))
        return _Bridge(process, folder, version, self._silence_s)

    async def _close_idle(self, version: Version) -> None:
        """End the bridges whose workers are all gone, but for the one that is used next."""
        for bridge in [*self._bridges]:
            if bridge.has_ended or (bridge.is_idle and bridge.version != version):
                self._bridges.remove(bridge)
                await bridge.close()

    def obstacle(self, type_id: int) -> str | None:
        """None: what is killed leaves nothing behind."""
        return None

    async def close(self) -> None:
        """End the bridges."""
        await asyncio.gather(*(bridge.close() for bridge in self._bridges))


class _Bridge:
    """The process that belongs to the cluster, see `loupette.cluster.bridge`.

    Args:
        process: has its plan.
        folder: of the plan; lives as long.
        version: of what is in the folder.
        silence_s: after which it is ended.
    """

    def __init__(
        self,
        process: WorkerProcess,
        folder: "TemporaryDirectory[str]",
        version: Version,
        silence_s: float,
    ) -> None:
        self._process = process
        self._folder = folder
        self._silence_s = silence_s
        self._numbers = itertools.count()
        self._workers: dict[int, RemoteWorker] = {}
        self._listening = asyncio.create_task(self._listen())
        self.version = version

    @property
    def has_ended(self) -> bool:
        """Whether it starts no more workers."""
        return self._listening.done()

    @property
    def is_idle(self) -> bool:
        """Whether all its workers are gone."""
        return not self._workers

    def open(self, type_ids: Sequence[int]) -> "RemoteWorker":
        """Have a worker started; one without a type needs no actor."""
        number = next(self._numbers)
        worker = RemoteWorker(number, self, type_ids)
        if type_ids:
            self._workers[number] = worker
            self.tell(Open(number))
        return worker

    def tell(self, order: Order) -> None:
        """Give an order; one to a bridge that has ended is lost with it."""
        self._process.send(encode(order))

    def forget(self, number: int) -> None:
        """Let go of a worker; its end is ordered."""
        if self._workers.pop(number, None):
            self.tell(End(number))

    async def _listen(self) -> None:
        """Hand out the news until there are none, then the last."""
        try:
            while True:
                async with asyncio.timeout(self._silence_s):
                    news = decode_news(await self._process.receive())
                if not isinstance(news, Alive) and (worker := self._workers.get(news.worker)):
                    worker.hear(news)
        except (OSError, msgspec.DecodeError) as error:
            how = "does not answer" if isinstance(error, TimeoutError) else "has ended"
            self._process.kill()
            for number, worker in [*self._workers.items()]:
                worker.hear(Gone(number, f"the bridge to the cluster {how}", lost=True))

    async def close(self) -> None:
        """End the process, and with it the workers."""
        await self._process.end()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._folder.cleanup()


class RemoteWorker:
    """One actor; the methods are those of `Worker`.

    While its type is out of order it is none, so that a full cluster has room for the type's trial.

    Args:
        number: its bridge's.
        bridge: knows it for as long as there is an actor.
        type_ids: what it loads: one type, or none.
    """

    def __init__(self, number: int, bridge: _Bridge, type_ids: Sequence[int]) -> None:
        self._number = number
        self._bridge = bridge
        self._unannounced = [*type_ids]
        self._has_actor = bool(type_ids)
        self._news: asyncio.Queue[Loaded | Answered | Gone] = asyncio.Queue()
        self._end = ""
        self._is_lost = False
        self._ended = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more tasks."""
        return self._ended.is_set()

    @property
    def is_lost(self) -> bool:
        """Whether it went with its node, or with the bridge."""
        return self._is_lost

    def hear(self, news: Loaded | Answered | Gone) -> None:
        """Take what its bridge says of it."""
        self._news.put_nowait(news)
        if isinstance(news, Gone):
            self._finish(news)

    def _finish(self, last: Gone) -> None:
        if not self._ended.is_set():
            self._end, self._is_lost = last.reason, last.lost
            self._ended.set()
            self._bridge.forget(self._number)

    async def _next(self) -> Loaded | Answered:
        news = await self._news.get()
        if isinstance(news, Gone):
            self._news.put_nowait(news)  # it stays the last word
            raise (WorkerLost if news.lost else WorkerDied)(news.reason)
        return news

    async def receive_start(self) -> Start:
        """As `Worker.receive_start`."""
        if self._unannounced:  # all that is to come takes as long as the type may take to load
            return Loading(self._unannounced.pop())
        if not self._has_actor:
            return Ready({})
        loaded = await self._next()
        assert isinstance(loaded, Loaded)  # nothing was asked yet
        if loaded.failures:
            self._bridge.forget(self._number)
        return Ready(loaded.failures)

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        """As `Worker.ask`; the replies come in parts."""
        self._bridge.tell(Ask(self._number, encode_list(tasks)))
        missing = len(tasks)
        while missing:
            answered = await self._next()
            assert isinstance(answered, Answered)  # the start is over
            for reply in decode_replies(answered.replies):
                missing -= 1
                yield reply

    async def wait_ended(self) -> str:
        """As `Worker.wait_ended`."""
        await self._ended.wait()
        return f"a worker on the cluster ended: {self._end}"

    def resident_bytes(self) -> int:
        """0: its memory is another machine's."""
        return 0

    def kill(self) -> None:
        """End the actor, whatever it is at."""
        self.hear(Gone(self._number, "killed", lost=False))

    async def end(self) -> None:
        """The same: the cluster waits for it."""
        self.kill()
