"""What the console looks at and changes: off the event loop, and every change in the messages."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loupette.engine import Engine
from loupette.frames import Task
from loupette.manager import Plugins
from loupette.options import check_options
from loupette.plugin import Answer
from loupette.reading import read_once
from loupette.registry import ServedType, price_of
from loupette.store import keys, ledger, logs, overrides, sessions, statement, statistics
from loupette.store.audit import Audit
from loupette.store.images import ImageFolder
from loupette.store.keys import KeyRecord, NewKey, RolledKey
from loupette.store.logs import LogRecord, format_log_id
from loupette.store.overrides import Override
from loupette.store.statement import LedgerRecord
from loupette.store.statistics import Statistics

SESSION_S = 8 * 3600
"""How long somebody stays signed in."""

_log = logging.getLogger("loupette.console")


@dataclass(frozen=True)
class ManagedType:
    """One type of registry.toml, served or switched off.

    Attributes:
        registered: as registry.toml has it.
        served: as it is sold now; None while it is switched off.
        override: what was decided over registry.toml, if anything.
    """

    registered: ServedType
    served: ServedType | None
    override: Override | None


class Management:
    """One server's keys, logs, types and books, for whoever is signed in.

    Decisions over registry.toml are kept in the database and put into the engine's catalogue at
    once. They are not written into registry.toml: that file is the operator's word, often under
    version control or not writable for the server, and a stolen session must write no files.

    Args:
        engine: as registry.toml has it; its catalogue is replaced at every decision.
        plugins: what was found at the start.
    """

    def __init__(self, engine: Engine, plugins: Plugins) -> None:
        self.plugins = plugins
        self._engine = engine
        self._registered = engine.catalogue
        self._db = engine.database
        self._overrides: dict[int, Override] = {}
        self._applying = asyncio.Lock()

    # Sessions

    async def sign_in(self, key: KeyRecord, *, address: str) -> str:
        """Open a session; gives its secret."""
        now_ms = _now_ms()
        expires_ms = now_ms + SESSION_S * 1000
        opened = asyncio.to_thread(
            sessions.open_session, self._db, key.id, expires_ms=expires_ms, now_ms=now_ms
        )
        _audit(key, "signed in from %s", address)
        return await opened

    async def signed_in(self, secret: str) -> KeyRecord | None:
        """Whose session this is."""
        return await self._engine.front.find_session(secret, now_ms=_now_ms())

    async def sign_out(self, key: KeyRecord, secret: str) -> None:
        """End a session."""
        await asyncio.to_thread(sessions.close_session, self._db, secret)
        _audit(key, "signed out")

    # What is looked at; account_id is whose, None for everybody's

    async def count(
        self, account_id: int | None, *, since_ms: int, step_ms: int, steps: int
    ) -> Statistics:
        """The log in figures."""
        return await asyncio.to_thread(
            lambda: statistics.count(
                self._db.reader, account_id, since_ms=since_ms, step_ms=step_ms, steps=steps
            )
        )

    async def keys(self, account_id: int | None, **page: Any) -> list[KeyRecord]:
        """A page of the keys; the rest (hence Any) is that of `store.keys.search_keys`."""
        return await asyncio.to_thread(
            lambda: keys.search_keys(self._db.reader, account_id=account_id, **page)
        )

    async def account_id(self, name: str) -> int:
        """The id of the account with this name.

        Raises:
            StoreError: there is none.
        """
        return await asyncio.to_thread(lambda: keys.account_id_of(self._db.reader, name))

    async def key_names(self, found: Sequence[LogRecord]) -> dict[int, KeyRecord]:
        """The keys of these log entries, by their number."""

        def read() -> dict[int, KeyRecord]:
            numbers = {log.key_id for log in found}
            records = (keys.by_id(self._db.reader, number) for number in numbers)
            return {record.id: record for record in records if record is not None}

        return await asyncio.to_thread(read)

    async def logs(self, account_id: int | None, **filters: Any) -> list[LogRecord]:
        """A page of the log; the filters (hence Any) are those of `store.logs.query`."""
        return await asyncio.to_thread(lambda: logs.query(self._db.reader, account_id, **filters))

    async def log(self, account_id: int | None, log_id: int) -> LogRecord | None:
        """One entry, if there is one and it is the account's."""

        def read() -> LogRecord | None:
            if account_id is None:
                return logs.find(self._db.reader, log_id)
            return logs.get(self._db.reader, account_id, log_id)

        return await asyncio.to_thread(read)

    async def images(self, log: LogRecord) -> list[bytes]:
        """What was sent with a request, where it is kept."""

        def read() -> list[bytes]:
            return [file.read_bytes() for file in ImageFolder(self._db.path).of(log)]

        return await asyncio.to_thread(read)

    async def read_again(self, by: KeyRecord, log: LogRecord, sent: Sequence[bytes]) -> Answer:
        """Have a request's images read once more, by today's plugins; nothing is charged.

        It is asked what was asked then, as far as the log says it.

        Raises:
            LoupetteError: they are not read, or the type no longer takes those options.
        """
        served = self._registered.find(log.type_id or 0)
        _audit(by, "had %s read again", format_log_id(log.id))
        options = check_options(log.options or {}, served.spec)
        task = Task(served.spec.type_id, sent[0], sent[1] if len(sent) > 1 else None, options)
        return await read_once(self._engine.pool, served, task)

    async def statement(
        self, account_id: int | None, *, before: int | None, limit: int
    ) -> list[LedgerRecord]:
        """A page of the ledger."""
        return await asyncio.to_thread(
            lambda: statement.read_statement(
                self._db.reader, account_id, before=before, limit=limit
            )
        )

    async def verify(self, by: KeyRecord) -> Audit:
        """Add all the money up again."""
        found = await self._engine.verify_ledger()
        _audit(by, "verified the ledger: %s problems", len(found.problems))
        return found

    def types(self) -> list[ManagedType]:
        """All of registry.toml."""
        return [
            ManagedType(
                registered, self._engine.catalogue.types.get(type_id), self._overrides.get(type_id)
            )
            for type_id, registered in self._registered.types.items()
        ]

    # What an administrator changes

    async def create_key(self, by: KeyRecord, account: str, **wanted: Any) -> NewKey:
        """Issue a key; what is wanted (hence Any) is as `store.keys.create_key` takes it.

        Raises:
            StoreError: it cannot be as wanted.
        """
        made = await asyncio.to_thread(
            lambda: keys.create_key(self._db, account, now_ms=_now_ms(), **wanted)
        )
        _audit(by, "created key %s of %r, scopes %s", made.record.prefix, account,
               made.record.scopes)  # fmt: skip
        return made

    async def roll_key(
        self, by: KeyRecord, prefix: str, *, overlap_ms: int, expires_ms: int | None
    ) -> RolledKey:
        """Issue a key in the place of another."""
        done = await asyncio.to_thread(
            keys.roll_key, self._db, prefix, overlap_ms=overlap_ms, expires_ms=expires_ms,
            now_ms=_now_ms(),
        )  # fmt: skip
        self._engine.front.forget_keys()
        _audit(by, "rolled key %s over to %s", prefix, done.new.record.prefix)
        return done

    async def disable_key(self, by: KeyRecord, prefix: str) -> KeyRecord:
        """End a key, and with it its sessions."""
        done = await asyncio.to_thread(keys.disable_key, self._db, prefix, now_ms=_now_ms())
        self._engine.front.forget_keys()
        _audit(by, "disabled key %s of %r", done.prefix, done.account_name)
        return done

    async def set_rate(self, by: KeyRecord, prefix: str, *, rate: float, burst: int) -> KeyRecord:
        """Let a key call more or less often."""
        done = await asyncio.to_thread(
            keys.set_rate, self._db, prefix, rate=rate, burst=burst, now_ms=_now_ms()
        )
        self._engine.front.forget_keys()
        _audit(by, "set the rate of key %s to %g, %s at once", done.prefix, done.rate, done.burst)
        return done

    async def top_up(
        self, by: KeyRecord, account: str, amount_micros: int, *, note: str, form: str
    ) -> int:
        """Add to an account's balance, once for each form; gives the new one."""
        balance_micros = await asyncio.to_thread(
            ledger.topup, self._db, account, amount_micros, note, now_ms=_now_ms(),
            idempotency_key=form,
        )  # fmt: skip
        # Of a form that was sent twice there are two lines, which name it.
        _audit(by, "topped up %r by %s micro-yuan, form %.8s", account, amount_micros, form)
        return balance_micros

    async def decide_type(self, by: KeyRecord, type_id: int, *, price: str, is_off: bool) -> None:
        """Set a type's price, and whether it is served, from now on and after a restart.

        Args:
            by: who decides.
            type_id: of a type in registry.toml.
            price: in yuan; empty for the one in registry.toml.
            is_off: it is not served.

        Raises:
            UnknownType: registry.toml has no such type.
            RegistryError: that is no price.
        """
        registered = self._registered.find(type_id)
        price_micros = price_of(price) if price else None
        if price_micros == registered.price_micros:
            price_micros = None
        wanted = Override(type_id, price_micros, is_off, _now_ms(), by.prefix)
        if price_micros is None and not is_off:
            await asyncio.to_thread(overrides.clear_override, self._db, type_id)
        else:
            await asyncio.to_thread(overrides.set_override, self._db, wanted)
        await self.apply_overrides()
        state = "off" if is_off else "on"
        _audit(by, "switched type %s %s, price %s", type_id, state, price or "of registry.toml")

    async def apply_overrides(self) -> None:
        """Put what was decided into the engine's catalogue."""
        async with self._applying:  # else what was read first might be put in last
            self._overrides = await asyncio.to_thread(self._read_overrides)
            types = {
                type_id: _decided(served, self._overrides.get(type_id))
                for type_id, served in self._registered.types.items()
            }
            served = {type_id: one for type_id, one in types.items() if one is not None}
            self._engine.catalogue = replace(self._registered, types=served)

    def _read_overrides(self) -> dict[int, Override]:
        return overrides.list_overrides(self._db.reader)


def _decided(served: ServedType, override: Override | None) -> ServedType | None:
    """A type of registry.toml with what was decided over it; None where that is: not served."""
    if override is None:
        return served
    if override.is_off:
        return None
    if override.price_micros is None:
        return served
    return replace(served, price_micros=override.price_micros)


def _audit(by: KeyRecord, what: str, *facts: object) -> None:
    """A line in the server's messages; no secrets."""
    _log.info("key %s of %r " + what, by.prefix, by.account_name, *facts)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
