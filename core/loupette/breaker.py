"""A circuit breaker by type: out after images have ended its workers, back by a trial."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_log = logging.getLogger(__name__)

WINDOW = 10
FAULTS = 5
"""Different images among the last ten askings of a type that ended their worker: with so many it
goes out. Different ones, so that a picture sent again and again takes it from nobody; half of them,
so that a caller with many such does not take it from others who use it as much."""
DEADLY = 2
"""Workers that one image may end within the window, with no answer between; then it is refused for
the rest of it."""


@dataclass(frozen=True)
class _Fault:
    """An asking that ended its worker."""

    at_s: float
    type_id: int
    image: bytes | None

    def is_of(self, type_id: int, image: bytes) -> bool:
        return (self.type_id, self.image) == (type_id, image)


class Breaker:
    """Knows which types are out of order; used on the event loop's thread.

    Args:
        trial: lets a type read its own sample apart from the others; gives what failed, if it did.
        window_s: what lies longer back does not count, of types and of images.
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
        self._askings: defaultdict[int, deque[_Fault | None]] = defaultdict(
            lambda: deque(maxlen=WINDOW)
        )
        self._faults: list[_Fault] = []  # of all types within the window
        self._pauses: dict[int, float] = {}
        self._let_in: dict[int, float] = {}
        self._trials: dict[int, asyncio.Task[None]] = {}
        self.failures: dict[int, str] = {}

    def praise(self, type_id: int, hash_image: Callable[[], bytes]) -> None:
        """Note that an asking was replied to, and its image is not to blame for what was before."""
        self._askings[type_id].append(None)
        if self._has_faults():  # as hardly ever; else nobody needs the hash
            image = hash_image()
            self._faults = [one for one in self._faults if not one.is_of(type_id, image)]

    def blame(self, type_id: int, reason: str, *, image: bytes | None = None) -> None:
        """Note that an asking ended its worker; that may take the type out.

        Args:
            type_id: which was asked.
            reason: what happened.
            image: the hash of what it was asked; None if it cannot be told, as in a batch, which is
                unlike any other.
        """
        fault = _Fault(time.monotonic(), type_id, image)
        self._faults.append(fault)
        askings = self._askings[type_id]
        askings.append(fault)
        recent = [one for one in askings if one and self._is_recent(one)]
        count = len({one.image or one.at_s for one in recent})
        if count >= FAULTS:
            self.take_out(type_id, f"{count} of its last {WINDOW} challenges: {reason}")

    def is_deadly(self, type_id: int, hash_image: Callable[[], bytes]) -> bool:
        """Whether an image has ended so many workers of a type that it is to end no other."""
        if not self._has_faults():
            return False
        image = hash_image()
        return sum(one.is_of(type_id, image) for one in self._faults) >= DEADLY

    def _has_faults(self) -> bool:
        self._faults = [*filter(self._is_recent, self._faults)]
        return bool(self._faults)

    def _is_recent(self, fault: _Fault) -> bool:
        return time.monotonic() - fault.at_s < self._window_s

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
        self._askings[type_id].clear()
        self._let_in[type_id] = time.monotonic()
        del self._trials[type_id], self.failures[type_id]
