"""Solver workers: one asking at a time each, killed at the deadline, replaced when they die."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence

from loupette.breaker import Breaker
from loupette.errors import LoupetteError, Overloaded, SolverCrashed, SolverTimeout
from loupette.frames import Read, Ready, Task
from loupette.isolation import (
    CANNOT_START,
    Isolation,
    NotReady,
    WorkerDied,
    WorkerLost,
    load_alone,
    wait_ready,
)
from loupette.member import RESTARTS, Member
from loupette.plugin.types import MAX_BATCH
from loupette.queueing import Queue, Waiting, interpret
from loupette.scaling import Scale
from loupette.settings import Settings
from loupette.unrest import SETTLED_S, Unrest

_log = logging.getLogger(__name__)

LOAD_TIMEOUT_S = 30.0
"""A type that is not loaded by then is left out."""
LONGEST_PAUSE_S = 5.0
"""Between restarts of a worker that keeps dying."""
RESTART_S = 30.0
"""A challenge whose worker died waits so much longer: there may be no other until it is replaced,
and in front of it may wait the one that was to blame."""
LOOK_EVERY_S = 1.0
"""How often it is seen whether a worker is to be replaced, or there should be more or fewer."""
MOST_LOSSES = 4
"""A challenge goes to so many machines that fail; those say nothing of its image."""


class WorkerPool:
    """A number of workers, kept alive.

    Args:
        size: workers.
        isolation: what the workers are.
        type_ids: loaded by each worker before it says that it is ready.
        max_size: workers that there may be while challenges wait; `size` if it is less.
        batched: types of which several go to a worker at once.
        max_batch: of those.
        max_in_parts: as `Queue`.
        load_timeout_s: for each type. One that takes longer, or ends its worker while it loads, is
            taken out at once, so that it harms no other, unless a worker has loaded it before.
        settled_s: a worker that ends by itself sooner, asked nothing, is not replaced at once.
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
        max_size: int = 0,
        batched: Collection[int] = (),
        max_batch: int = MAX_BATCH,
        max_in_parts: int = 0,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        settled_s: float = SETTLED_S,
        max_requests: int = Settings.worker_max_requests,
        max_rss_bytes: int = Settings.worker_max_rss_bytes,
    ) -> None:
        self._isolation = isolation
        self._type_ids = tuple(type_ids)
        self._load_timeout_s = load_timeout_s
        self._max_requests = max_requests
        self._max_rss_bytes = max_rss_bytes
        self._queue = Queue(batched, max_batch=max_batch, max_in_parts=max_in_parts)
        self._scale = Scale(size, max(size, max_size))
        self._generation = 0
        self._breaker = Breaker(self._try)
        self._unrest = Unrest(self._in_service, self._try, self._take_out, settled_s=settled_s)
        self._members: dict[int, Member] = {}
        self._idle: list[Member] = []
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._scaler: asyncio.Task[None] | None = None
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
        self._fill()
        self._scaler = asyncio.create_task(self._rescale())

    def renew(self) -> None:
        """Replace every worker by a fresh one with what is installed now, without a pause."""
        self._generation += 1

    async def close(self) -> None:
        """End all workers; what still waits or runs fails."""
        self._closing = True
        self._queue.refuse(self._obstacle)
        tasks = [*self._keepers.values(), *filter(None, [self._scaler])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._calls, return_exceptions=True)
        await self._unrest.close()
        await self._breaker.close()  # last, as a call that ended now may have taken its type out
        await self._isolation.close()

    def resident_bytes(self) -> dict[int, int]:
        """Memory that each worker has in RAM, by its place in the pool, which outlives it.

        Those without memory of their own are not in it.
        """
        sizes = {place: member.worker.resident_bytes() for place, member in self._members.items()}
        return {place: size for place, size in sizes.items() if size}

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """Have a task solved, once more on another worker if the first one dies.

        A worker that goes with its machine is none that died of the task.

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
        deaths = losses = 0
        while deaths < 2 and losses < MOST_LOSSES:
            if error := self._obstacle(task):
                raise error
            # The second time alone: whichever of a batch ended the worker harms no other again.
            waiting = Waiting(task, deadline_s, alone=deaths > 0)
            self._queue.put(waiting, wait_s=deadline_s + (RESTART_S if deaths + losses else 0))
            try:
                self._dispatch()
                return interpret(await waiting.ending, task.type_id)
            except WorkerLost:
                losses += 1
            except WorkerDied:
                deaths += 1
            finally:
                self._queue.discard(waiting)  # of a caller that goes away
        how = "died twice on this image" if deaths == 2 else f"was lost {losses} times"
        raise SolverCrashed(f"the solver of type {task.type_id} {how}")

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
            if member.worker.has_ended:  # its keeper takes it away and starts another
                continue
            if batch := self._queue.take(member.loaded, workers=self._scale.wanted):
                self._idle.remove(member)
                # A task of its own: a caller that goes away must leave no half-read reply behind.
                member.call = asyncio.create_task(self._call(member, batch))
                self._calls.add(member.call)
                member.call.add_done_callback(self._calls.discard)

    async def _call(self, member: Member, batch: Sequence[Waiting]) -> None:
        type_id, deadline_s = batch[0].task.type_id, batch[0].deadline_s
        unanswered = deque(batch)
        death: type[WorkerDied] = WorkerDied
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
            suspect = self._queue.find_suspect(batch, unanswered)
            self._blame(member, type_id, reason, suspect)
            if suspect:
                suspect.end(SolverTimeout(reason))
        except WorkerLost:
            death = WorkerLost
            member.worker.kill()
        except WorkerDied:
            suspect = self._queue.find_suspect(batch, unanswered)
            self._blame(member, type_id, "the worker ended", suspect)
        except BaseException:
            member.worker.kill()  # whatever happened, it can no longer be trusted
            raise
        else:
            member.served += len(batch)
            self._free(member)
        finally:
            for waiting in unanswered:
                waiting.end(death())

    def _free(self, member: Member) -> None:
        if not member.leaves:
            self._idle.append(member)
            self._dispatch()

    def _blame(self, member: Member, type_id: int, reason: str, suspect: Waiting | None) -> None:
        member.worker.kill()
        image = suspect.task.image_hash() if suspect else None
        self._breaker.blame(type_id, reason, image=image)
        if obstacle := self._isolation.obstacle(type_id):
            self._breaker.take_out(type_id, obstacle)
        self._queue.refuse(self._obstacle)

    def _fill(self) -> None:
        """Have a keeper for every worker that is wanted."""
        for place in range(self._scale.wanted):
            if place not in self._keepers:
                self._keepers[place] = asyncio.create_task(self._keep(place))

    async def _rescale(self) -> None:
        """Look again and again whether there should be more workers, or fewer."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._scale.look(len(self._queue), now_s=time.monotonic())
            self._fill()

    async def _keep(self, place: int) -> None:
        """Keep one worker alive for as long as the pool wants it."""
        member, pause_s = await self._start(place), 0.0
        try:
            while True:
                leaving = member
                if await self._wait_due(place, leaving):
                    if self._is_surplus(place):
                        del self._keepers[place], self._members[place]
                        await self._dismiss(leaving)
                        return
                    async with self._recycling:
                        member = await self._start(place)
                        await self._dismiss(leaving)
                else:
                    _log.warning("%s; starting another", await leaving.worker.wait_ended())
                    del self._members[place]
                    await leaving.worker.end()
                    self.restarts[leaving.restart] += 1
                    pause_s = _longer(pause_s) if self._is_restless(leaving) else 0.0
                    member = await self._start(place, pause_s)
        finally:
            await member.worker.end()

    def _is_restless(self, member: Member) -> bool:
        """Whether a worker ended soon and by itself, not by what it was asked."""
        if member not in self._idle:
            return False
        self._idle.remove(member)
        return not member.worker.is_lost and self._unrest.note(time.monotonic() - member.ready_s)

    async def _wait_due(self, place: int, member: Member) -> bool:
        """Wait until a worker is to be replaced, which is true, or has ended."""
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await member.worker.wait_ended()
                    return False
            except TimeoutError:
                reason = self._is_surplus(place)
                # One at a time, so that there is one worker more at most.
                if not reason and not self._recycling.locked():
                    reason = self._is_due(member)
                if reason:
                    _log.info("a worker is replaced: %s", reason)
                    return True

    def _is_surplus(self, place: int) -> str | None:
        return "there are more than needed" if place >= self._scale.wanted else None

    def _is_due(self, member: Member) -> str | None:
        """Why a worker is to be replaced by a fresh one, if it is."""
        if member.generation < self._generation:
            return "what is installed may be newer"
        if member.served >= self._max_requests:
            return f"it has served {member.served} challenges"
        resident = member.worker.resident_bytes()
        if resident > max(self._max_rss_bytes, 2 * member.fresh_bytes):
            return f"it takes {resident // 1024**2} MiB"
        if missing := set(self._in_service()) - member.loaded:
            return f"it has not loaded {', '.join(map(str, missing))}"
        return None

    async def _dismiss(self, member: Member) -> None:
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

    async def _start(self, place: int, pause_s: float = 0.0) -> Member:
        """Start a worker, again and again until one is ready, and give it work."""
        while True:
            await asyncio.sleep(pause_s)
            type_ids, generation = self._in_service(), self._generation
            try:
                worker = await self._isolation.spawn(type_ids)
            except CANNOT_START:
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
                loaded = self._note_ready(type_ids, ready)
                member = Member(worker, loaded, worker.resident_bytes(), generation)
                self._members[place] = member
                self._free(member)
                return member

    def _note_failure(self, failure: NotReady, pause_s: float) -> float:
        """Take out the type that a worker ended on; gives the pause before the next worker."""
        _log.error("a worker ended before it was ready: %s", failure.reason)
        if failure.type_id is None:
            return _longer(pause_s)
        if failure.type_id in self.proven:  # a type that once loaded is hardly to blame: killed?
            if not failure.is_lost and not self._is_loaded(failure.type_id):
                self._breaker.blame(failure.type_id, failure.reason)
                self._queue.refuse(self._obstacle)
            return _longer(pause_s)
        self._take_out(failure.type_id, failure.reason)
        return 0.0

    def _take_out(self, type_id: int, reason: str) -> None:
        self._breaker.take_out(type_id, reason)
        self._queue.refuse(self._obstacle)

    def _note_ready(self, type_ids: Sequence[int], ready: Ready) -> frozenset[int]:
        """Take out what failed to load; gives what the worker has."""
        for type_id, reason in ready.failures.items():
            self._breaker.take_out(type_id, reason)
        self._queue.refuse(self._obstacle)
        loaded = frozenset(type_ids) - ready.failures.keys()
        self.proven |= loaded
        self._ready.set()
        return loaded

    def _is_loaded(self, type_id: int) -> bool:
        """Whether a worker that lives has a type: where another does not start, it lacks room."""
        return any(
            type_id in member.loaded and not member.worker.has_ended
            for member in self._members.values()
        )

    async def _try(self, type_id: int) -> str | None:
        """Let a type read its sample in a worker of its own; gives what failed, if it did."""
        watch_s = self._unrest.watch_s(type_id)
        try:
            failure = await load_alone(
                self._isolation, type_id, load_timeout_s=self._load_timeout_s, watch_s=watch_s
            )
        except NotReady as not_ready:
            is_to_blame = not (not_ready.is_lost and type_id in self._in_service())
            return not_ready.reason if is_to_blame and not self._is_loaded(type_id) else None
        if failure is None:
            self.proven.add(type_id)
        return failure


def _longer(pause_s: float) -> float:
    return min(LONGEST_PAUSE_S, max(0.1, pause_s * 2))
