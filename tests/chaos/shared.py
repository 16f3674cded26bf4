"""Two servers on one PostgreSQL: one of them, or the database, is killed under load.

``python -m chaos.shared --rounds 10 --json FILE`` writes down how long callers had no answers.
"""

import argparse
import http.client
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import fakes
import pgserver
from chaos import books, violent
from chaos.clients import WHITE, Load, Told
from loupette.settings import Settings
from loupette.store.keys import create_key
from loupette.store.opening import open_database
from serving import Reply, Server, find_port, start, stop

CLIENTS = 4
"""Of each server."""
ANSWERS = 20
"""Of each server, before a fault and after it."""
_TYPES = (fakes.ECHO, fakes.REFUSES, violent.PAUSES)
_POLL_S = 0.02
_WITHIN_S = 60.0
_GIVEN_BACK_WITHIN_S = 10.0
"""Long before a hold that is left over expires, which hides it."""
_HELD = "SELECT COUNT(*) FROM holds WHERE is_serving(server)"


@dataclass
class Pair:
    """Two servers, their database, and all that callers were told."""

    settings: Settings
    postgres: pgserver.Server
    key: str
    servers: list[Server]
    messages: IO[bytes]
    told: Told = field(default_factory=Told)
    _names: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, balance_micros: int = 10**12) -> Iterator["Pair"]:
        """Start all three, and end them with the block."""
        with ExitStack() as opened:
            postgres = opened.enter_context(pgserver.running())
            registry = folder / "registry.toml"
            tables = (f"[types.{type_id}]\nprice = 0.01\n" for type_id in _TYPES)
            registry.write_text("".join(tables), encoding="utf-8")
            settings = Settings(
                database=folder / "front.db",
                database_url=postgres.url(),
                registry=registry,
                workers=1,
                plugins=("fakes", "chaos.violent"),
            )
            with open_database(settings.database, settings.database_url) as database:
                key = create_key(
                    database, "chaos", opening_micros=balance_micros, rate=10**6, now_ms=0
                ).secret
            messages = opened.enter_context((folder / "messages").open("wb"))
            servers = [start(settings, find_port(), messages=messages) for _ in range(2)]
            pair = cls(settings, postgres, key, servers, messages)
            try:
                for server in servers:
                    pair.wait_for_answer(server, time.monotonic())
                yield pair
            finally:
                codes = [stop(server.process) for server in pair.servers]
            assert codes == [0, 0], "a server did not end well"

    def ask(self, server: Server) -> Reply:
        """One request; its reply is written down."""
        name = {"Idempotency-Key": f"asked-{next(self._names)}"}
        reply = server.post({"image": WHITE, "type": fakes.ECHO}, self.key, name)
        self.told.note(reply)
        return reply

    def wait_for_answer(self, server: Server, since_s: float) -> float:
        """Ask until there is an answer; seconds from then to that."""
        until_s = time.monotonic() + _WITHIN_S
        while time.monotonic() < until_s:
            try:
                reply = server.post({"image": WHITE, "type": fakes.ECHO}, self.key)
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_S)  # a poll; the deadline decides
                continue
            self.told.note(reply)
            if reply.status == 200:
                return time.monotonic() - since_s
        raise AssertionError(f"no answer within {_WITHIN_S:g} s")

    def wait_until(self, is_so: Callable[[], bool], *, within_s: float = _WITHIN_S) -> None:
        """Look until it is so."""
        until_s = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < until_s, "it did not become so"
            time.sleep(_POLL_S)  # a poll; the deadline decides

    def wait_until_nothing_is_held(self) -> None:
        """With no request on its way; but for what a server held that was killed, and expires."""
        self.wait_until(
            lambda: self.postgres.execute(_HELD) == [(0,)], within_s=_GIVEN_BACK_WITHIN_S
        )

    @contextmanager
    def load(self, name: str) -> Iterator[list[Load]]:
        """Clients of both servers, until the block ends."""
        loads = [
            Load(server, self.key, self.told, name=f"{name}-{number}", clients=CLIENTS)
            for number, server in enumerate(self.servers)
        ]
        with ExitStack() as running:
            for load in loads:
                running.enter_context(load.run())
            yield loads

    def find_breaches(self) -> list[str]:
        """As `books.find_breaches`."""
        return [*books.find_breaches(self.settings, self.told)]


def kill_server(pair: Pair) -> float:
    """The kernel ends a server, its supervisor starts it; seconds until it answers again."""
    before = pair.servers[0]
    before.process.kill()
    before.process.wait(30)
    killed_s = time.monotonic()
    pair.servers[0] = start(pair.settings, before.port, messages=pair.messages)
    return pair.wait_for_answer(pair.servers[0], killed_s)


def kill_postgres(pair: Pair) -> float:
    """The kernel ends the database, its supervisor starts it; seconds until both answer again."""
    pair.postgres.kill()
    killed_s = time.monotonic()
    pair.postgres.start()
    return max(pair.wait_for_answer(server, killed_s) for server in pair.servers)


FAULTS: Mapping[str, Callable[[Pair], float]] = {
    "server killed": kill_server,
    "PostgreSQL killed": kill_postgres,
}


@dataclass(frozen=True)
class Row:
    """One round.

    Attributes:
        whole_s: from the fault until answers came again where it had struck.
    """

    fault: str
    whole_s: float
    breaches: Sequence[str]


def play(pair: Pair, rounds: int) -> Iterator[Row]:
    """A fault under load, then both servers answer as before, then every promise is checked."""
    for number, name in zip(range(rounds), itertools.cycle(FAULTS), strict=False):
        with pair.load(f"round-{number}") as loads:
            for load in loads:
                load.wait_for(answers=ANSWERS, timeout_s=_WITHIN_S)
            whole_s = FAULTS[name](pair)
            for load in loads:
                load.wait_for(answers=ANSWERS, timeout_s=_WITHIN_S)
        pair.wait_until_nothing_is_held()
        yield Row(name, whole_s, pair.find_breaches())


def ask_at_once(
    pair: Pair,
    *,
    clients: int,
    type_id: int = fakes.ECHO,
    image: str = WHITE,
    headers: Mapping[str, str] | None = None,
) -> list[Reply]:
    """As many clients at once, half at each server, one request each, without repeats."""
    together = threading.Barrier(clients)

    def ask(number: int) -> Reply:
        together.wait(_WITHIN_S)
        fields = {"image": image, "type": type_id}
        return pair.servers[number % 2].post(fields, pair.key, headers)

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(ask, range(clients)))


def summarize(rows: Sequence[Row], told: Told) -> dict[str, object]:
    """What is written down of a run."""
    faults = {
        name: {
            "rounds": len(times := sorted(row.whole_s for row in rows if row.fault == name)),
            "back_s_median": round(times[len(times) // 2], 2),
            "back_s_longest": round(times[-1], 2),
        }
        for name in FAULTS
    }
    return {
        "command": f"make chaos-postgres ROUNDS={len(rows)}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": len(os.sched_getaffinity(0)),
        "clients": 2 * CLIENTS,
        "acknowledged_charges": len(told.charged),
        "lost_or_doubled": sum(len(row.breaches) for row in rows),
        "repeated_requests": told.repeated,
        "replies": {str(status): count for status, count in sorted(told.replies.items())},
        "faults": faults,
    }


def main() -> None:
    """Play rounds and say how they went; ends with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, Pair.open(Path(folder)) as pair:
        for row in play(pair, options.rounds):
            print(f"{row.fault}: back after {row.whole_s:.2f} s", *row.breaches, sep="\n  ")
            rows.append(row)
        found = summarize(rows, replace(pair.told))
    text = json.dumps(found, indent=2, ensure_ascii=False)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    if found["lost_or_doubled"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
