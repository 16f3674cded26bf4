"""The use case: check the type, hold the price, solve, settle, log."""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from loupette.calls import Call, Outcome, Posted, Render, unix_ms
from loupette.errors import CallerError, ClientGone, LoupetteError, Unsolvable, UnsupportedOption
from loupette.executor import Executor
from loupette.frames import Task
from loupette.options import check_options
from loupette.plugin import Answer
from loupette.reading import read_once
from loupette.registry import Catalogue, ServedType
from loupette.repeats import Repeats, to_store
from loupette.settings import Images
from loupette.store import idempotency, logs
from loupette.store.audit import Audit, audit
from loupette.store.connection import Store
from loupette.store.front import Held
from loupette.store.images import ImageFolder
from loupette.store.keys import KeyRecord
from loupette.store.logs import LogEntry, LogRecord, format_log_id
from loupette.store.opening import open_front
from loupette.store.reports import Reported, report

_DAY_MS = 86_400_000

_log = logging.getLogger(__name__)


class Engine:
    """Joins catalogue, money and solvers; lives as long as the server.

    Args:
        catalogue: what is served.
        database: open to be served.
        pool: started and closed by the caller.
        images: what is kept of the callers' images.
        images_max_bytes: of all that are kept.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        database: Store,
        pool: Executor,
        *,
        images: Images = Images(),  # noqa: B008  # frozen
        images_max_bytes: int = 0,
    ) -> None:
        self.catalogue = catalogue
        self.database = database
        self.pool = pool
        self.front = open_front(database)
        self.repeats = Repeats(self.front)
        self._images = images
        self._images_max_bytes = images_max_bytes
        self._image_folder = ImageFolder(database.path)

    @property
    def open_holds(self) -> int:
        """How many requests have money set aside."""
        return self.front.open_holds

    async def begin(self, key: KeyRecord, started_s: float) -> Call:
        """Number a request of a known key."""
        return Call(key, await self.front.next_log_id(unix_ms()), started_s)

    def note(self, call: Call, posted: Posted) -> Call:
        """Note what the log is to say of a request, answered or not; nothing here ends the call.

        Of its options those that the type takes, of its image the hash if the operator wants it.
        """
        with suppress(CallerError):  # told by `solve`
            served = self.catalogue.find(posted.type_id)
            call = replace(call, options=check_options(posted.options, served.spec))
        if not self._images.hashed:
            return call
        return replace(call, image_hash=hashlib.sha256(posted.image).digest())

    async def _keep_images(self, call: Call, posted: Posted) -> None:
        """Keep what is going to be read; a caller without money cannot fill the folder."""
        if self._images.kept_days:
            sent = [image for image in (posted.image, posted.image2) if image is not None]
            await asyncio.to_thread(self._write_images, call.log_id, sent)

    def _write_images(self, log_id: int, sent: list[bytes]) -> None:
        try:
            if not self._image_folder.keep(log_id, sent, max_bytes=self._images_max_bytes):
                _log.warning("%s: there is no room for its image", format_log_id(log_id))
        except OSError as error:
            _log.error("%s: its image is not kept: %s", format_log_id(log_id), error)

    async def solve(
        self,
        call: Call,
        posted: Posted,
        *,
        gone: asyncio.Future[None],
        code: int,
        render: Render,
    ) -> Outcome:
        """Answer one call, and charge for it.

        Args:
            call: from `begin`.
            posted: the request.
            gone: done when the caller has hung up. Before an answer exists that ends the call,
                free of charge; after it the charge is carried through, and the answer can be
                fetched by log ID or Idempotency-Key.
            code: of the reply to an answer.
            render: makes the reply that is stored for the Idempotency-Key.

        Raises:
            IdempotencyTaken: another server has answered it meanwhile, see `Repeats.find`.
            LoupetteError: nothing was charged, and nothing is in the log yet (see `fail`).
        """
        served = self.catalogue.find(posted.type_id)
        if posted.image2 is not None and served.spec.second_image == "no":
            raise UnsupportedOption(f"type {posted.type_id} takes one image, not image2")
        options = call.options
        if options is None:  # they are wrong, and why is said now
            options = check_options(posted.options, served.spec)
        task = Task(posted.type_id, posted.image, posted.image2, options)
        hold = await self.front.hold(
            call.key.account_id,
            served.price_micros,
            within_s=served.deadline_s,
            idempotency_key=call.idempotency[0] if call.idempotency else None,
        )
        try:
            await self._keep_images(call, posted)
            answer = await _unless_gone(read_once(self.pool, served, task), gone)
            return await self._settle(call, served, hold, answer, code=code, render=render)
        finally:
            self.front.release(hold)

    async def _settle(
        self,
        call: Call,
        served: ServedType,
        hold: Held,
        answer: Answer,
        *,
        code: int,
        render: Render,
    ) -> Outcome:
        outcome = Outcome(
            call.log_id,
            balance_micros=0,  # known only inside the transaction
            response_ms=call.elapsed_ms(),
            type_name=served.spec.name,
            cost_micros=served.price_micros,
            answer=answer,
        )

        def reply(balance_micros: int) -> bytes:
            return render(replace(outcome, balance_micros=balance_micros))

        entry = _entry(call, outcome, code=code, type_id=served.spec.type_id)
        settled = await self.front.settle(hold, entry, to_store(call, code, reply))
        return replace(outcome, balance_micros=settled.balance_micros)

    async def fail(
        self,
        call: Call,
        error: LoupetteError,
        *,
        type_id: int | None,
        code: int,
        render: Render,
    ) -> Outcome:
        """Log a call that was not answered; it costs nothing.

        Args:
            call: from `begin`.
            error: why.
            type_id: what was asked for, where that is known.
            code: of the reply.
            render: makes the reply that is stored for the Idempotency-Key.
        """
        outcome = Outcome(call.log_id, 0, call.elapsed_ms(), error=error)

        def reply(balance_micros: int) -> bytes:
            return render(replace(outcome, balance_micros=balance_micros))

        # Only what the solver made of the image is final; a retry after anything else may succeed.
        stored = to_store(call, code, reply) if isinstance(error, Unsolvable) else None
        entry = _entry(call, outcome, code=code, type_id=type_id)
        return replace(outcome, balance_micros=await self.front.record(entry, stored))

    async def report(
        self, account_id: int, log_id: int, *, verdict: str, true_answer: str | None
    ) -> Reported:
        """Take a caller's verdict on an answer; the catalogue's policy decides on the refund.

        Raises:
            UnknownLog: not this account's.
            ReportRefused: no success, too old, or reported before.
        """
        policy = self.catalogue.reports
        done = report(
            self.database,
            account_id,
            log_id,
            verdict,
            true_answer,
            refund=policy.refund and verdict == "wrong",
            within_ms=round(policy.within_hours * 3_600_000),
            now_ms=unix_ms(),
        )
        return await asyncio.wrap_future(done)

    async def logs(self, account_id: int, **filters: Any) -> list[LogRecord]:
        """One page of an account's log; the filters (hence Any) are those of `store.logs.query`."""
        return await asyncio.to_thread(
            lambda: logs.query(self.database.reader, account_id, **filters)
        )

    async def log(self, account_id: int, log_id: int) -> LogRecord | None:
        """The account's own log entry, if there is one."""
        return await asyncio.to_thread(lambda: logs.get(self.database.reader, account_id, log_id))

    async def purge(self) -> None:
        """Forget the replies stored for repeats after a day, and images after their days."""
        # Else the replies of all servers would be forgotten by the one whose clock is ahead.
        now_ms = await self.front.now_ms()
        await asyncio.to_thread(idempotency.purge, self.database, now_ms=now_ms)
        kept_ms = self._images.kept_days * _DAY_MS
        await asyncio.to_thread(self._image_folder.purge, unix_ms() - kept_ms)

    async def verify_ledger(self) -> Audit:
        """Add the money up again, as ``loupette ledger verify`` does; a cancel interrupts it."""
        with self.database.snapshot_reader() as connection:
            checking = asyncio.create_task(asyncio.to_thread(audit, connection))
            try:
                return await asyncio.shield(checking)
            finally:
                while not checking.done():  # an interrupt between two statements has no effect
                    connection.interrupt()
                    await asyncio.wait([checking], timeout=0.05)
                checking.exception()  # of an interrupted one nobody else asks


async def _unless_gone(
    reading: Coroutine[None, None, Answer], gone: asyncio.Future[None]
) -> Answer:
    """What is read, unless the caller goes first; a task to wait for either would cost more."""
    task = asyncio.current_task()
    assert task
    is_reading, has_left = True, False

    def leave(_: asyncio.Future[None]) -> None:
        nonlocal has_left
        if is_reading:
            has_left = task.cancel()

    gone.add_done_callback(leave)
    try:
        return await reading
    except asyncio.CancelledError:
        if has_left and task.uncancel() == 0:
            raise ClientGone("the client hung up before there was an answer") from None
        raise
    finally:
        is_reading = False
        gone.remove_done_callback(leave)


def _entry(call: Call, outcome: Outcome, *, code: int, type_id: int | None) -> LogEntry:
    answer, error = outcome.answer, outcome.error
    return LogEntry(
        id=call.log_id,
        account_id=call.key.account_id,
        key_id=call.key.id,
        created_ms=unix_ms(),
        type_id=type_id,
        code=code,
        outcome=error.reason if error else "ok",
        cost_micros=outcome.cost_micros,
        answer=answer.result if answer else None,
        confidence=answer.confidence if answer else None,
        response_ms=outcome.response_ms,
        detail=answer.detail if answer else (error.detail if error else None),
        image_hash=call.image_hash,
        options=call.options,
    )
