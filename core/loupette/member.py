"""What a pool knows of one of its workers."""

import asyncio
import time
from dataclasses import dataclass, field

from loupette.isolation import Worker

RESTARTS = ("start", "load", "deadline", "died", "recycled")
"""Why a worker was replaced: it could not be started, ended before it was ready, was killed at a
type's deadline, ended otherwise, or had served its time."""


@dataclass(eq=False)
class Member:
    """A worker that is ready, and what the pool knows of it.

    Attributes:
        loaded: the types it may be asked.
        fresh_bytes: its memory before the first challenge.
        ready_s: when it became so, by the monotonic clock.
        served: challenges it has replied to.
        generation: of the pool, when it was started.
        restart: which of RESTARTS it is, if the worker ends now.
        leaves: it gets no more challenges.
        call: its last asking.
    """

    worker: Worker
    loaded: frozenset[int]
    fresh_bytes: int
    generation: int
    ready_s: float = field(default_factory=time.monotonic)
    served: int = 0
    restart: str = "died"
    leaves: bool = False
    call: asyncio.Task[None] | None = None
