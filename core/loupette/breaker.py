"""A circuit breaker by type: out after it has ended workers again and again, back by a trial."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

WINDOW = 10
FAULTS = 5
"""Out of the last ten askings of a type, those that ended their worker and so take the type out.
Half, so that one caller with a deadly image takes no type from the others who use it."""


class Breaker:
    """Knows which types are out of order; used on the event loop's thread.

    Args:
        trial: lets a type read its own sample apart from the others; gives what failed, if it did.
        window_s: what lies longer back does not count.
        first_pause_s: before the first trial.
        longest_pause_s: the pause doubles with each trial that fails, and with each time that the
            type goes out again, up to this.
        well_s: a type that stays in for so long begins with the first pause again.

    Attributes:
        failures: types that are out of order, and why.
    """

    def __init__(
        self,
        trial: Callable[[int], Awaitable[str | None]],
        *,
        window_s: float = 60.0,
        first_pause_s: float = 1.0,
        longest_pause_s: float = 60.0,
        well_s: float = 600.0,
    ) -> None:
        self._trial = trial
        self._window_s = window_s
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._well_s = well_s
        self._faults: defaultdict[int, deque[float | None]] = defaultdict(
            lambda: deque(maxlen=WINDOW)
        )
        self._pauses: dict[int, float] = {}
        self._let_in: dict[int, float] = {}
        self._trials: dict[int, asyncio.Task[None]] = {}
        self.failures: dict[int, str] = {}

    def praise(self, type_id: int) -> None:
        """Note that an asking was replied to."""
        self._faults[type_id].append(None)

    def blame(self, type_id: int, reason: str) -> None:
        """Note that an asking ended its worker; that may take the type out."""
        now_s = time.monotonic()
        faults = self._faults[type_id]
        faults.append(now_s)
        recent = [at for at in faults if at is not None and now_s - at < self._window_s]
        if len(recent) >= FAULTS:
            self.take_out(type_id, f"{len(recent)} of its last {WINDOW} challenges: {reason}")

    def take_out(self, type_id: int, reason: str) -> None:
        """Declare a type out of order, until a trial lets it back in."""
        if type_id in self.failures:
            return
        self.failures[type_id] = reason
        if time.monotonic() - self._let_in.get(type_id, 0.0) >= self._well_s:
            self._pauses.pop(type_id, None)
        self._trials[type_id] = asyncio.create_task(self._bring_back(type_id))

    async def close(self) -> None:
        """End the trials."""
        for trial in self._trials.values():
            trial.cancel()
        await asyncio.gather(*self._trials.values(), return_exceptions=True)

    async def _bring_back(self, type_id: int) -> None:
        reason: str | None = self.failures[type_id]
        told = None
        while reason is not None:
            self.failures[type_id] = reason
            pause_s = self._pauses.get(type_id, self._first_pause_s)
            self._pauses[type_id] = min(self._longest_pause_s, 2 * pause_s)
            # Once for each reason: a broken type is tried again for ever.
            level = logging.DEBUG if reason == told else logging.ERROR
            told = reason
            _log.log(
                level, "type %s is out of order, next trial in %g s: %s", type_id, pause_s, reason
            )
            await asyncio.sleep(pause_s)
            reason = await self._trial(type_id)
        _log.warning("type %s is back: it reads its own sample", type_id)
        self._faults[type_id].clear()
        self._let_in[type_id] = time.monotonic()
        del self._trials[type_id], self.failures[type_id]
