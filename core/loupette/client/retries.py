"""Whether a call is sent again, and when: exponential back-off with jitter, and Retry-After."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from loupette.client.calls import Call
from loupette.client.errors import NoReply
from loupette.client.replies import AWAY, BUSY, Reply, code_of, retry_after_s

T = TypeVar("T")
Outcome = Reply | httpx2.RequestError
"""How one attempt ended."""

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_HOPELESS = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)


@dataclass(frozen=True)
class Retries:
    """How often a call is sent again, and how long after.

    Attributes:
        most: attempts after the first; 0 for none.
        first_s: about so long before the first; each next one waits about twice as long.
        longest_s: no wait is longer. Who is asked to wait longer gets the error at once.
    """

    most: int = 4
    first_s: float = 0.25
    longest_s: float = 30.0

    def wait_s(
        self,
        call: Call[Any],  # whatever it gives
        outcome: Outcome,
        *,
        tried: int,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds until the next attempt; None when this outcome is the last.

        Args:
            call: what was sent.
            outcome: how it ended.
            tried: attempts made.
            draw: a number from 0 to 1, by chance, so that many clients do not come back at once.
        """
        if tried > self.most or not is_passing(call, outcome):
            return None
        usual_s = min(self.longest_s, self.first_s * 2.0 ** min(tried - 1, 60))
        asked_s = retry_after_s(outcome) if isinstance(outcome, Reply) else 0.0
        if asked_s > self.longest_s:
            return None
        jitter = draw()
        return asked_s + jitter * self.first_s if asked_s else usual_s * (0.5 + jitter / 2)


def is_passing(call: Call[Any], outcome: Outcome) -> bool:  # whatever the call gives
    """Whether the same call may succeed later, and cannot be charged twice.

    A server that says 429 has done nothing. Of a reply that was lost nobody knows, which is
    harmless for what only reads and for what carries an Idempotency-Key.
    """
    if isinstance(outcome, Reply):
        code = code_of(outcome)
        return code == BUSY or (code in AWAY and call.is_repeatable)
    if isinstance(outcome, _NEVER_SENT):
        return True
    is_network = isinstance(outcome, httpx2.TransportError) and not isinstance(outcome, _HOPELESS)
    return is_network and call.is_repeatable


def finish(call: Call[T], outcome: Outcome, *, tried: int) -> T:
    """The result of the last attempt.

    Raises:
        LoupetteError: what the server said.
        NoReply: nothing came back.
    """
    if isinstance(outcome, Reply):
        try:
            return call.read(outcome)
        except NoReply as error:
            raise _no_reply(call, error.message, tried) from error
    cause = f"{type(outcome).__name__} {outcome}".strip()
    raise _no_reply(call, cause, tried) from outcome


def _no_reply(call: Call[Any], cause: str, tried: int) -> NoReply:
    message = f"no reply to {call.method} {call.path} at {tried} attempts: {cause}"
    return NoReply(message, idempotency_key=call.idempotency_key)
