"""Requests with an Idempotency-Key: each is answered once, however often it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from loupette.calls import Call, unix_ms
from loupette.errors import IdempotencyMismatch
from loupette.store.front import Front
from loupette.store.idempotency import IdempotentReply, StoredReply
from loupette.store.logs import LogEntry, format_log_id


class Repeats:
    """Knows which named requests are being answered; used on the event loop's thread."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._running: dict[tuple[int, str], asyncio.Event] = {}

    @asynccontextmanager
    async def once(self, call: Call) -> AsyncIterator[StoredReply | None]:
        """Let one request for an Idempotency-Key through at a time; give its reply if there is one.

        Of other servers nothing is known here: those a hold waits for, see `Front.hold`.

        Raises:
            IdempotencyMismatch: the key was used for another request.
        """
        assert call.idempotency
        slot = (call.key.account_id, call.idempotency[0])
        while slot in self._running:
            await self._running[slot].wait()
        done = self._running[slot] = asyncio.Event()
        try:
            yield await self.find(call)
        finally:
            del self._running[slot]
            done.set()

    async def find(self, call: Call) -> StoredReply | None:
        """The reply that was stored for a call's Idempotency-Key; that it is given again is logged.

        Raises:
            IdempotencyMismatch: as `once`.
        """
        assert call.idempotency
        name, digest = call.idempotency
        stored = await self._front.find_reply(call.key.account_id, name)
        if stored is not None:
            if stored.body_hash != digest:
                raise IdempotencyMismatch("this Idempotency-Key came before, with another request")
            await self._record_replay(call, stored)
        return stored

    async def _record_replay(self, call: Call, stored: StoredReply) -> None:
        entry = LogEntry(
            id=call.log_id,
            account_id=call.key.account_id,
            key_id=call.key.id,
            created_ms=unix_ms(),
            type_id=None,
            code=stored.status,
            outcome="replayed",
            response_ms=call.elapsed_ms(),
            detail={"of": format_log_id(stored.log_id)},
        )
        await self._front.record(entry)


def to_store(call: Call, code: int, make_reply: Callable[[int], bytes]) -> IdempotentReply | None:
    """What to write with the outcome of a call, if it may be repeated."""
    if call.idempotency is None:
        return None
    name, digest = call.idempotency
    return IdempotentReply(name, digest, code, make_reply)
