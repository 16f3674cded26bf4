"""Solver workers: one asking at a time each, killed at the deadline, replaced when they die."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loupette.breaker import Breaker
from loupette.errors import LoupetteError, Overloaded, SolverCrashed, SolverTimeout
from loupette.frames import Read, Ready, Task
from loupette.isolation import Isolation, NotReady, Worker, WorkerDied, wait_ready
from loupette.queueing import Queue, Waiting, interpret
from loupette.settings import Settings

_log = logging.getLogger(__name__)

LOAD_TIMEOUT_S = 30.0
"""A type that is not loaded by then is left out."""
LONGEST_PAUSE_S = 5.0
"""Between restarts of a worker that keeps dying."""
RESTART_S = 30.0
"""A challenge whose worker died waits so much longer: there may be no other until it is replaced,
and in front of it may wait the one that was to blame."""
LOOK_EVERY_S = 1.0
"""How often it is seen whether a worker is to be replaced."""
RESTARTS = ("start", "load", "deadline", "died", "recycled")
"""Why a worker was replaced: it could not be started, ended before it was ready, was killed at a
type's deadline, ended otherwise, or had served its time."""


@dataclass(eq=False)
class _Member:
    """A worker that is ready, and what the pool knows of it.

    Attributes:
        loaded: the types it may be asked.
        fresh_bytes: its memory before the first challenge.
        served: challenges it has replied to.
        restart: which of RESTARTS it is, if the worker ends now.
        leaves: it gets no more challenges.
        call: its last asking.
    """

    worker: Worker
    loaded: frozenset[int]
    fresh_bytes: int
    served: int = 0
    restart: str = "died"
    leaves: bool = False
    call: asyncio.Task[None] | None = None


class WorkerPool:
    """A fixed number of workers, kept alive.

    Args:
        size: workers.
        isolation: what the workers are.
        type_ids: loaded by each worker before it says that it is ready.
        batched: those of them whose solvers take batches.
        load_timeout_s: for each type. One that takes longer, or ends its worker while it loads, is
            taken out at once, so that it harms no other, unless a worker has loaded it before.
        max_requests: a worker that has served so many is replaced.
        max_rss_bytes: a worker with more memory is replaced; but never below twice what it began
            with, else its successors would be replaced for ever.

    Attributes:
        restarts: workers replaced, by the words of RESTARTS.
        proven: types that have read their own sample at least once.
    """

    def __init__(
        self,
        size: int,
        isolation: Isolation,
        *,
        type_ids: Sequence[int],
        batched: Collection[int] = (),
        load_timeout_s: float = LOAD_TIMEOUT_S,
        max_requests: int = Settings.worker_max_requests,
        max_rss_bytes: int = Settings.worker_max_rss_bytes,
    ) -> None:
        self._size = size
        self._isolation = isolation
        self._type_ids = tuple(type_ids)
        self._load_timeout_s = load_timeout_s
        self._max_requests = max_requests
        self._max_rss_bytes = max_rss_bytes
        self._queue = Queue(batched)
        self._breaker = Breaker(self._try)
        self._members: dict[int, _Member] = {}
        self._idle: list[_Member] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._recycling = asyncio.Lock()
        self._closing = False
        self.restarts: Counter[str] = Counter(dict.fromkeys(RESTARTS, 0))
        self.proven: set[int] = set()

    @property
    def is_ready(self) -> bool:
        """A worker has loaded every type and read its samples (or said why not)."""
        return self._ready.is_set()

    @property
    def failures(self) -> dict[int, str]:
        """Types that are out of order, and why."""
        return self._breaker.failures

    @property
    def waiting(self) -> int:
        """Tasks for which no worker is free."""
        return len(self._queue)

    async def wait_ready(self) -> None:
        """Wait for the first worker."""
        await self._ready.wait()

    def start(self) -> None:
        """Begin to start the workers; returns at once, tasks wait for the first one."""
        self._keepers = [asyncio.create_task(self._keep(place)) for place in range(self._size)]

    async def close(self) -> None:
        """End all workers; what still waits or runs fails."""
        self._closing = True
        self._queue.refuse(self._obstacle)
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, *self._calls, return_exceptions=True)
        await self._breaker.close()  # last, as a call that ended now may have taken its type out

    def resident_bytes(self) -> dict[int, int]:
        """Memory that each worker has in RAM, by its place in the pool, which outlives it.

        Those without memory of their own are not in it.
        """
        sizes = {place: member.worker.resident_bytes() for place, member in self._members.items()}
        return {place: size for place, size in sizes.items() if size}

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """Have a task solved, once more on another worker if the first one dies.

        Args:
            task: type, images and options.
            deadline_s: for waiting until a worker begins with it, and again for the worker's
                answer. A batch has that of one task, as its replies come together; of tasks that
                are answered one by one each has its own, from the reply to the one before.

        Raises:
            Unsolvable: the solver cannot tell.
            BadImage: the image cannot be decoded.
            SolverTimeout: the deadline passed; the worker was killed.
            SolverCrashed: it raised, two workers ended of it, or the type is out of order.
            Overloaded: no worker became free in time.
        """
        # The second time alone: whichever of a batch ended the worker harms no other again.
        for alone in (False, True):
            if error := self._obstacle(task):
                raise error
            waiting = Waiting(task, deadline_s, alone)
            self._queue.put(waiting, wait_s=deadline_s + (RESTART_S if alone else 0))
            try:
                self._dispatch()
                return interpret(await waiting.ending, task.type_id)
            except WorkerDied:
                continue
            finally:
                self._queue.discard(waiting)  # of a caller that goes away
        raise SolverCrashed(f"the solver of type {task.type_id} died twice on this image")

    def _obstacle(self, task: Task) -> LoupetteError | None:
        """Why no worker is to be asked this."""
        type_id = task.type_id
        if self._closing:
            return Overloaded("the server is stopping", retry_after_s=1.0)
        if type_id in self.failures:
            return SolverCrashed(f"the solver of type {type_id} is out of order")
        if self._breaker.is_deadly(type_id, task.image_hash):
            return SolverCrashed(f"the solver of type {type_id} ended on this image a moment ago")
        return None

    def _dispatch(self) -> None:
        """Give what waits to the workers that are free."""
        for member in [*self._idle] if self._queue else ():
            if member.worker.has_ended:  # its keeper has noticed and starts another
                self._idle.remove(member)
            elif batch := self._queue.take(member.loaded, workers=self._size):
                self._idle.remove(member)
                # A task of its own: a caller that goes away must leave no half-read reply behind.
                member.call = asyncio.create_task(self._call(member, batch))
                self._calls.add(member.call)
                member.call.add_done_callback(self._calls.discard)

    async def _call(self, member: _Member, batch: Sequence[Waiting]) -> None:
        type_id, deadline_s = batch[0].task.type_id, batch[0].deadline_s
        unanswered = deque(batch)
        clock = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline_s) as limit:
                async for reply in member.worker.ask([waiting.task for waiting in batch]):
                    answered = unanswered.popleft()
                    answered.end(reply)
                    self._breaker.praise(type_id, answered.task.image_hash)
                    if unanswered:
                        unanswered[0].begin()
                        limit.reschedule(clock.time() + deadline_s)
        except TimeoutError:
            member.restart = "deadline"
            reason = f"type {type_id} gave no answer within {deadline_s:g} s"
            suspect = self._find_suspect(batch, unanswered)
            self._blame(member, type_id, reason, suspect)
            if suspect:
                suspect.end(SolverTimeout(reason))
        except WorkerDied:
            suspect = self._find_suspect(batch, unanswered)
            self._blame(member, type_id, "the worker ended", suspect)
        except BaseException:
            member.worker.kill()  # whatever happened, it can no longer be trusted
            raise
        else:
            member.served += len(batch)
            self._free(member)
        finally:
            for waiting in unanswered:
                waiting.end(WorkerDied())

    def _free(self, member: _Member) -> None:
        if not member.leaves:
            self._idle.append(member)
            self._dispatch()

    def _find_suspect(
        self, batch: Sequence[Waiting], unanswered: Sequence[Waiting]
    ) -> Waiting | None:
        """The one that the worker was at; of several at once it may be any."""
        at_once = len(batch) > 1 and self._queue.takes_batches(batch[0].task.type_id)
        return None if at_once else unanswered[0]

    def _blame(self, member: _Member, type_id: int, reason: str, suspect: Waiting | None) -> None:
        member.worker.kill()
        image = suspect.task.image_hash() if suspect else None
        self._breaker.blame(type_id, reason, image=image)
        if obstacle := self._isolation.obstacle(type_id):
            self._breaker.take_out(type_id, obstacle)
        self._queue.refuse(self._obstacle)

    async def _keep(self, place: int) -> None:
        """Keep one worker alive for as long as the pool lives."""
        member = await self._start(place)
        try:
            while True:
                leaving = member
                if await self._wait_due(leaving):
                    async with self._recycling:
                        member = await self._start(place)
                    await self._dismiss(leaving)
                else:
                    _log.warning("%s; starting another", await leaving.worker.wait_ended())
                    del self._members[place]
                    await leaving.worker.end()
                    self.restarts[leaving.restart] += 1
                    member = await self._start(place)
        finally:
            await member.worker.end()

    async def _wait_due(self, member: _Member) -> bool:
        """Wait until a worker is to be replaced, which is true, or has ended."""
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await member.worker.wait_ended()
                    return False
            except TimeoutError:
                # One at a time, so that there is one worker more at most.
                if not self._recycling.locked() and (reason := self._is_due(member)):
                    _log.info("a worker is replaced: %s", reason)
                    return True

    def _is_due(self, member: _Member) -> str | None:
        """Why a worker is to be replaced by a fresh one, if it is."""
        if member.served >= self._max_requests:
            return f"it has served {member.served} challenges"
        resident = member.worker.resident_bytes()
        if resident > max(self._max_rss_bytes, 2 * member.fresh_bytes):
            return f"it takes {resident // 1024**2} MiB"
        if missing := set(self._in_service()) - member.loaded:
            return f"it has not loaded {', '.join(map(str, missing))}"
        return None

    async def _dismiss(self, member: _Member) -> None:
        """End a worker that has a successor, after the challenge it is at."""
        member.leaves = True
        try:
            if member in self._idle:
                self._idle.remove(member)
            elif member.call:
                await asyncio.wait([member.call])
        finally:
            await member.worker.end()
        self.restarts["recycled"] += 1

    def _in_service(self) -> list[int]:
        return [type_id for type_id in self._type_ids if type_id not in self.failures]

    async def _start(self, place: int) -> _Member:
        """Start a worker, again and again until one is ready, and give it work."""
        pause_s = 0.0
        while True:
            await asyncio.sleep(pause_s)
            type_ids = self._in_service()
            try:
                worker = await self._isolation.spawn(type_ids)
            except OSError:  # no memory, no descriptors: that may pass
                _log.exception("a worker cannot be started")
                self.restarts["start"] += 1
                pause_s = _longer(pause_s)
                continue
            try:
                ready = await wait_ready(worker, load_timeout_s=self._load_timeout_s)
            except NotReady as failure:
                await worker.end()
                self.restarts["load"] += 1
                pause_s = self._note_failure(failure, pause_s)
            except BaseException:
                await worker.end()
                raise
            else:
                member = self._members[place] = self._note_ready(worker, type_ids, ready)
                self._free(member)
                return member

    def _note_failure(self, failure: NotReady, pause_s: float) -> float:
        """Take out the type that a worker ended on; gives the pause before the next worker."""
        _log.error("a worker ended before it was ready: %s", failure.reason)
        if failure.type_id is None:
            return _longer(pause_s)
        if failure.type_id in self.proven:  # a type that once loaded is hardly to blame: killed?
            self._breaker.blame(failure.type_id, failure.reason)
            self._queue.refuse(self._obstacle)
            return _longer(pause_s)
        self._breaker.take_out(failure.type_id, failure.reason)
        self._queue.refuse(self._obstacle)
        return 0.0

    def _note_ready(self, worker: Worker, type_ids: Sequence[int], ready: Ready) -> _Member:
        for type_id, reason in ready.failures.items():
            self._breaker.take_out(type_id, reason)
        self._queue.refuse(self._obstacle)
        loaded = frozenset(type_ids) - ready.failures.keys()
        self.proven |= loaded
        self._ready.set()
        return _Member(worker, loaded, worker.resident_bytes())

    async def _try(self, type_id: int) -> str | None:
        """Let a type read its sample in a worker of its own; gives what failed, if it did."""
        if obstacle := self._isolation.obstacle(type_id):
            return obstacle
        try:
            worker = await self._isolation.spawn([type_id])
        except OSError as error:
            return f"no worker can be started for it: {error}"
        try:
            ready = await wait_ready(worker, load_timeout_s=self._load_timeout_s)
        except NotReady as failure:
            return failure.reason
        finally:
            await worker.end()
        if type_id not in ready.failures:
            self.proven.add(type_id)
        return ready.failures.get(type_id)


def _longer(pause_s: float) -> float:
    return min(LONGEST_PAUSE_S, max(0.1, pause_s * 2))
