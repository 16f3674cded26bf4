"""How many workers there should be, by how long challenges wait."""

GROW_AFTER_S = 2.0
"""Challenges that wait so long without a pause want one worker more."""
SHRINK_AFTER_S = 60.0
"""Without any that wait for so long, there is one too many."""


class Scale:
    """A number of workers between two bounds; one more or one less at a time.

    Args:
        least: and to begin with.
        most: with as many as `least` the number never changes.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._waited_since_s: float | None = None
        self._quiet_since_s: float | None = None
        self.wanted = least

    def look(self, waiting: int, *, now_s: float) -> None:
        """Note how many challenges wait now; `wanted` may change with it.

        Args:
            waiting: for a worker.
            now_s: of a monotonic clock.
        """
        if waiting:
            self._quiet_since_s = None
            if self._waited_since_s is None:
                self._waited_since_s = now_s
            elif now_s - self._waited_since_s >= GROW_AFTER_S:
                self._waited_since_s = now_s  # the new one has as long to show what it is worth
                self.wanted = min(self._most, self.wanted + 1)
        else:
            self._waited_since_s = None
            if self._quiet_since_s is None:
                self._quiet_since_s = now_s
            elif now_s - self._quiet_since_s >= SHRINK_AFTER_S:
                self._quiet_since_s = now_s
                self.wanted = max(self._least, self.wanted - 1)
