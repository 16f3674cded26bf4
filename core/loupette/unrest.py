"""Workers that end by themselves soon after they were ready, and the type that ends them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

SETTLED_S = 5.0
"""A worker that is asked nothing and ends within this time was ended by what it has loaded."""
ENDS = 3
"""After so many each type is tried alone."""

_log = logging.getLogger(__name__)


class Unrest:
    """Counts such workers, and looks for the type to blame.

    Args:
        find_types: those that workers load.
        attempt: has a type loaded alone, and watched for `watch_s`; gives what failed, if it did.
        take_out: declares a type out of order, and why.
        settled_s: as SETTLED_S.
    """

    def __init__(
        self,
        find_types: Callable[[], Collection[int]],
        attempt: Callable[[int], Awaitable[str | None]],
        take_out: Callable[[int, str], None],
        *,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._find_types = find_types
        self._attempt = attempt
        self._take_out = take_out
        self._settled_s = settled_s
        self._ends = 0
        self._watched: set[int] = set()
        self._search: asyncio.Task[None] | None = None

    def note(self, lived_s: float) -> bool:
        """Note that a worker ended by itself; whether so soon that the next should wait."""
        if lived_s >= self._settled_s:
            self._ends = 0
            return False
        self._ends += 1
        if self._ends % ENDS == 0 and (self._search is None or self._search.done()):
            self._search = asyncio.create_task(self._find())
        return True

    def watch_s(self, type_id: int) -> float:
        """How long a type that is tried alone is watched once it is ready; 0 as a rule."""
        return self._settled_s if type_id in self._watched else 0.0

    async def close(self) -> None:
        """End the search."""
        if self._search:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)

    async def _find(self) -> None:
        _log.warning("workers end by themselves; each type is tried alone")
        for type_id in self._find_types():
            self._watched.add(type_id)
            if reason := await self._attempt(type_id):
                self._take_out(type_id, reason)  # and watched whenever it is tried again
            else:
                self._watched.discard(type_id)
