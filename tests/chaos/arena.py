"""A real server under `loupette serve`, with a database and a clock that outlive it."""

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import fakes
from chaos import books, clock, violent
from chaos.clients import WHITE, Told
from loupette.settings import Settings
from loupette.store.keys import create_key
from loupette.store.opening import open_database
from serving import Reply, Server, find_port, start, stop

if TYPE_CHECKING:
    import pgserver  # not imported before it is used: it needs psycopg

WORKERS = 2
WHOLE_WITHIN_S = 60.0

_DEADLINES_S = {fakes.SLOW: 0.5, fakes.ECHO: 2}
"""Of the type that hangs, and of the one that is asked all the time."""
_TYPES = [fakes.ECHO, fakes.SLOW, fakes.RAISES, fakes.WRONG,
          violent.SEGFAULTS, violent.LEAKS, violent.PAUSES]  # fmt: skip
_POLL_S = 0.02


@dataclass
class Arena:
    """What lives through all rounds.

    Attributes:
        settings: of the server.
        key: whose balance all clients spend.
        clock: the file with the step of the server's clock.
        server: the one that runs now.
        told: what all clients were told.
        postgres: with its database; None where that is a SQLite file.
    """

    settings: Settings
    key: str
    clock: Path
    server: Server
    told: Told = field(default_factory=Told)
    postgres: "pgserver.Server | None" = None
    _messages: IO[bytes] | None = None

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, postgres: "pgserver.Server | None" = None) -> Iterator["Arena"]:
        """Start a server in an empty folder, and end it with the block."""
        settings = _settings(folder, postgres.url() if postgres else None)
        clock.set_clock(folder / "clock", 0)
        os.environ[clock.VARIABLE] = str(folder / "clock")
        with open_database(settings.database, settings.database_url) as database:
            key = create_key(database, "chaos", opening_micros=10**12, rate=10**6, now_ms=0).secret
        with (folder / "messages").open("wb") as messages:
            server = start(settings, find_port(), messages=messages)
            arena = cls(
                settings, key, folder / "clock", server, postgres=postgres, _messages=messages
            )
            try:
                arena.wait_until_whole()
                yield arena
            finally:
                del os.environ[clock.VARIABLE]
                assert stop(arena.server.process) == 0, "the server did not end well"

    def restart(self) -> None:
        """Start a server on the same port and database, as a supervisor does."""
        self.server = start(self.settings, self.server.port, messages=self._messages)

    def ask(self, type_id: int = fakes.ECHO, image: str = WHITE) -> Reply:
        """One request without Idempotency-Key; its reply is written down."""
        reply = self.server.post({"image": image, "type": type_id}, self.key)
        self.told.note(reply)
        return reply

    def wait_for_answer(self, since_s: float) -> float:
        """Ask until there is an answer; seconds from then to that."""
        deadline_s = time.monotonic() + WHOLE_WITHIN_S
        while time.monotonic() < deadline_s:
            try:
                if self.ask().status == 200:
                    return time.monotonic() - since_s
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_S)  # a poll; the deadline decides
        raise AssertionError(f"no answer within {WHOLE_WITHIN_S:g} s")

    def wait_until_whole(self) -> None:
        """Ask until every worker has answered."""
        deadline_s = time.monotonic() + WHOLE_WITHIN_S
        seen: set[int] = set()
        while time.monotonic() < deadline_s:
            try:
                reply = self.ask()
                alive = self.server.workers()
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_S)  # a poll; the deadline decides
                continue
            if reply.status == 200:
                seen.add(int(reply.json["data"]["detail"]["pid"]))
            if len(seen.intersection(alive)) == WORKERS:
                return
        raise AssertionError(f"not all workers answered within {WHOLE_WITHIN_S:g} s")

    def find_breaches(self, *, within_s: float) -> list[str]:
        """What of the promises does not hold, with no request on its way; nothing if all do."""
        return [*self._open_after(within_s), *books.find_breaches(self.settings, self.told)]

    def _open_after(self, within_s: float) -> Iterator[str]:
        deadline_s = time.monotonic() + within_s
        for name in ("loupette_in_flight", "loupette_open_holds"):
            while (left := self.server.metric(name)) and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)  # a poll; the deadline decides
            if left:
                yield f"{name} is {left:g} with no request on its way"


def _settings(folder: Path, database_url: str | None) -> Settings:
    tables = (
        f"[types.{type_id}]\nprice = 0.01\ndeadline_s = {_DEADLINES_S.get(type_id, 5)}\n"
        for type_id in _TYPES
    )
    registry = folder / "registry.toml"
    registry.write_text("\n".join(tables), encoding="utf-8")
    return Settings(
        database=folder / "chaos.db",
        database_url=database_url,
        registry=registry,
        workers=WORKERS,
        body_timeout_s=2.0,
        plugins=("chaos.clock", "fakes", "chaos.violent"),
    )
