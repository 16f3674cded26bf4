"""How often a key may call: the generic cell rate algorithm (GCRA, ITU-T I.371)."""

import msgspec


class Verdict(msgspec.Struct, frozen=True):
    """One check.

    Attributes:
        allowed: the request may go on.
        remaining: further requests that would pass right now.
        retry_after_s: seconds until the next one passes; 0 when it would pass now.
    """

    allowed: bool
    remaining: int
    retry_after_s: float


class Limiter:
    """Rates of all keys of one server, in memory: right only with one front process."""

    def __init__(self) -> None:
        self._arrival_s: dict[int, float] = {}

    def check(self, key_id: int, *, rate: float, burst: int, now_s: float) -> Verdict:
        """Count one request.

        Args:
            key_id: whose.
            rate: requests per second in the long run.
            burst: requests that may come at once.
            now_s: a monotonic clock.
        """
        interval_s = 1 / rate
        arrival_s = max(self._arrival_s.get(key_id, 0.0), now_s)
        verdict = judge(arrival_s + interval_s - now_s, interval_s, burst=burst)
        if verdict.allowed:
            self._arrival_s[key_id] = arrival_s + interval_s
        return verdict


def judge(ahead_s: float, interval_s: float, *, burst: int) -> Verdict:
    """What is to be said of a request that has been counted, wherever that was.

    Args:
        ahead_s: how far ahead of the clock its key is with it.
        interval_s: between two requests in the long run.
        burst: requests that may come at once.
    """
    tolerance_s = interval_s * burst
    # The tiny slack keeps sums of 1/rate from refusing the last request of a full burst.
    if ahead_s > tolerance_s + 1e-9:
        return Verdict(False, 0, ahead_s - tolerance_s)
    remaining = int((tolerance_s - ahead_s) / interval_s + 1e-9)
    return Verdict(True, remaining, 0.0 if remaining else ahead_s + interval_s - tolerance_s)
