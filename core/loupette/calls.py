"""One request on its way through the engine: what it is, what it posts, how it ended."""

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from loupette.errors import LoupetteError
from loupette.plugin import Answer, OptionValue
from loupette.store.keys import KeyRecord


class Call(msgspec.Struct, frozen=True):
    """One request of a known key, from its first byte on.

    Attributes:
        key: whose.
        log_id: its number in the log.
        started_s: monotonic clock at its arrival.
        idempotency: the caller's Idempotency-Key and the SHA-256 of the body, if it sent one.
        image_hash: SHA-256 of its image, where that is kept.
        options: what it asks of the solver, checked; None where that is not known, or wrong.
    """

    key: KeyRecord
    log_id: int
    started_s: float
    idempotency: tuple[str, bytes] | None = None
    image_hash: bytes | None = None
    options: Mapping[str, OptionValue] | None = None

    def elapsed_ms(self) -> int:
        """Milliseconds since the request arrived."""
        return round((time.monotonic() - self.started_s) * 1000)


class Posted(msgspec.Struct, frozen=True):
    """What the caller asks for; base64 is off, the images are not yet decoded."""

    type_id: int
    image: bytes
    image2: bytes | None = None
    options: Mapping[str, object] = {}


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended, ready to be told and already in the log.

    Attributes:
        log_id: its number in the log.
        balance_micros: of the account, after it.
        response_ms: since the request arrived.
        type_name: the Chinese name of the type; empty when it never got that far.
        cost_micros: what was charged; 0 on every failure.
        answer: what was read, with plugin and confidence in its detail.
        error: why nothing was read.
        ended_s: Unix time; here, so that the reply and the one stored for a repeat are equal.
    """

    log_id: int
    balance_micros: int
    response_ms: int
    type_name: str = ""
    cost_micros: int = 0
    answer: Answer | None = None
    error: LoupetteError | None = None
    ended_s: int = msgspec.field(default_factory=lambda: int(time.time()))


Render: TypeAlias = Callable[[Outcome], bytes]
"""Makes the body of the reply to an outcome, to be stored for an Idempotency-Key."""


def unix_ms() -> int:
    """Unix time, as it is stored."""
    return time.time_ns() // 1_000_000
