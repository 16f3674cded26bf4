"""Wait on the event loop for what another thread does, and be woken once for all that it did."""

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


class Waking:
    """Waits for futures of one thread on one event loop.

    That thread tells of a whole commit in a row, and the loop is called for the first of them only:
    with `asyncio.wrap_future` it was called for each, and a request took a tenth longer.
    """

    def __init__(self) -> None:
        self._over: deque[asyncio.Future[None]] = deque()
        self._is_called = False

    async def wait(self, future: "Future[Result]") -> Result:
        """Its result; a wait that is cancelled cancels it, if it has not begun."""
        over = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._note(over))
        try:
            await over
        except asyncio.CancelledError:
            future.cancel()
            raise
        return future.result()

    def _note(self, over: "asyncio.Future[None]") -> None:
        self._over.append(over)
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                over.get_loop().call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_called = False  # before it is looked, so that what comes meanwhile calls again
        while self._over:
            over = self._over.popleft()
            if not over.done():
                over.set_result(None)
