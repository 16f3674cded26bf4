"""Challenges that wait for a worker, and which of them go to it together."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from loupette.errors import (
    BadImage,
    LoupetteError,
    Overloaded,
    SolverCrashed,
    Unsolvable,
    by_reason,
)
from loupette.frames import BadInput, Crashed, Read, Refused, Reply, Task
from loupette.isolation import WorkerDied
from loupette.plugin.types import MAX_BATCH

MAX_AHEAD = 2
"""Challenges that a worker is sent at most to answer one by one: it goes on without waiting for the
server, and the two change places on a core less often."""

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
        patience: ends the waiting.
    """

    task: Task
    deadline_s: float
    alone: bool = False
    ending: asyncio.Future[Ending] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    patience: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """It is being solved now: it has waited long enough."""
        if self.patience:
            self.patience.cancel()

    def end(self, ending: Ending) -> None:
        """Tell the caller, if it is still there."""
        if not self.ending.done():
            self.ending.set_result(ending)


class Queue:
    """First come, first served; others of its type come along with the first.

    Nobody is waited for: what comes along is what waits when a worker becomes free.

    Args:
        batched: types whose solvers take batches.
        max_batch: of them.
        max_in_parts: of all others, to workers whose replies come several at a time; 0: each comes
            by itself, and `MAX_AHEAD` go to a worker.
    """

    def __init__(
        self,
        batched: Collection[int] = (),
        *,
        max_batch: int = MAX_BATCH,
        max_in_parts: int = 0,
    ) -> None:
        self._batched = frozenset(batched)
        self._max_batch = max_batch
        self._max_ahead = max_in_parts or MAX_AHEAD
        self._in_parts = bool(max_in_parts)
        self._waiting: dict[Waiting, None] = {}  # in the order of arrival

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting, *, wait_s: float) -> None:
        """Let one wait, for so long at most."""
        clock = asyncio.get_running_loop()
        waiting.patience = clock.call_later(wait_s, self._expire, waiting)
        self._waiting[waiting] = None

    def take(self, loaded: Collection[int], *, workers: int = 1) -> list[Waiting]:
        """What goes to a worker next: of one type, the oldest first; empty if there is nothing.

        What is not begun at once, for its solver takes no batches, goes on waiting until it is.

        Args:
            loaded: the types that the worker has.
            workers: among whom what waits is shared.
        """
        first = next((one for one in self._waiting if one.task.type_id in loaded), None)
        if first is None:
            return []
        together = self.takes_batches(first.task.type_id)
        share = -(-len(self._waiting) // workers)
        most = self._max_batch if together else min(self._max_ahead, share)
        taken = [first]
        if not first.alone:
            taken = list(islice(filter(_joins(first), self._waiting), most))
        for one in taken:
            del self._waiting[one]
        for one in taken if together else taken[:1]:
            one.begin()
        return taken

    def takes_batches(self, type_id: int) -> bool:
        """Whether a type's solver answers several at once."""
        return type_id in self._batched

    def find_suspect(
        self, batch: Sequence[Waiting], unanswered: Sequence[Waiting]
    ) -> Waiting | None:
        """The one that a worker was at when it ended; of several at once it may be any.

        So it is with those whose replies come in parts: some may have been read.
        """
        at_once = self._in_parts or self.takes_batches(batch[0].task.type_id)
        return None if at_once and len(batch) > 1 else unanswered[0]

    def discard(self, waiting: Waiting) -> None:
        """Forget one that waits; nothing happens if it does not."""
        self._waiting.pop(waiting, None)
        waiting.begin()

    def refuse(self, find_error: Callable[[Task], LoupetteError | None]) -> None:
        """End the waiting of all for which there is an error."""
        for one in [*self._waiting]:
            if error := find_error(one.task):
                self.discard(one)
                one.end(error)

    def _expire(self, waiting: Waiting) -> None:
        self.discard(waiting)
        waiting.end(Overloaded("no solver became free in time", retry_after_s=1.0))


def _joins(first: Waiting) -> Callable[[Waiting], bool]:
    return lambda other: other.task.type_id == first.task.type_id and not other.alone


_BAD_IMAGES = by_reason(BadImage)


def interpret(ending: Ending, type_id: int) -> Read:
    """What was read; whatever else it ended with is raised."""
    match ending:
        case Read():
            return ending
        case Exception():
            raise ending
        case Refused():
            raise Unsolvable(ending.reason, ending.message, detail=ending.detail)
        case BadInput():
            raise _BAD_IMAGES[ending.reason](ending.message)
        case Crashed():
            # The reason is the operator's business; it may name files and is in the log already.
            raise SolverCrashed(f"the solver of type {type_id} failed on this image")
