"""Challenges that wait for a worker, and which of them go to it together."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from loupette.errors import LoupetteError, Overloaded
from loupette.frames import Reply, Task
from loupette.isolation import WorkerDied

MAX_BATCH = 16
"""Challenges that a solver is asked at once at most."""

Ending: TypeAlias = Reply | LoupetteError | WorkerDied
"""How waiting ends: the worker's reply, or what to raise in its place."""


@dataclass(eq=False)
class Waiting:
    """One challenge that waits, or is being solved.

    Attributes:
        task: what is asked.
        deadline_s: of its type.
        alone: it must not be in a batch.
        ending: awaited by the caller; cancelled when the caller has left.
    """

    task: Task
    deadline_s: float
    alone: bool = False
    ending: asyncio.Future[Ending] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, ending: Ending) -> None:
        """Tell the caller, if it is still there."""
        if not self.ending.done():
            self.ending.set_result(ending)


class Queue:
    """First come, first served; others of a type that takes batches come along with the first.

    Nobody is waited for to fill a batch: it is made of what waits when a worker becomes free.

    Args:
        batched: types whose solvers take batches.
    """

    def __init__(self, batched: Collection[int] = ()) -> None:
        self._batched = frozenset(batched)
        self._waiting: dict[Waiting, asyncio.TimerHandle] = {}  # in the order of arrival

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting, *, wait_s: float) -> None:
        """Let one wait, for so long at most."""
        clock = asyncio.get_running_loop()
        self._waiting[waiting] = clock.call_later(wait_s, self._expire, waiting)

    def take(self, loaded: Collection[int]) -> list[Waiting]:
        """What goes to a worker next: of one type, the oldest first; empty if there is nothing.

        Args:
            loaded: the types that the worker has.
        """
        first = next((one for one in self._waiting if one.task.type_id in loaded), None)
        if first is None:
            return []
        taken = [first]
        if first.task.type_id in self._batched and not first.alone:
            taken = list(islice(filter(_joins(first), self._waiting), MAX_BATCH))
        for one in taken:
            self.discard(one)
        return taken

    def discard(self, waiting: Waiting) -> None:
        """Forget one that waits; nothing happens if it does not."""
        if timer := self._waiting.pop(waiting, None):
            timer.cancel()

    def refuse(self, make_error: Callable[[], LoupetteError], type_id: int | None = None) -> None:
        """End the waiting of all, or of all of one type, with an error."""
        for one in [*self._waiting]:
            if type_id in (None, one.task.type_id):
                self.discard(one)
                one.end(make_error())

    def _expire(self, waiting: Waiting) -> None:
        self.discard(waiting)
        waiting.end(Overloaded("no solver became free in time", retry_after_s=1.0))


def _joins(first: Waiting) -> Callable[[Waiting], bool]:
    return lambda other: other.task.type_id == first.task.type_id and not other.alone
