import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loupette.store.keys import NewKey, create_key
from loupette.store.ledger import verify
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront

OpenServer = Callable[[], PostgresDatabase]


@pytest.fixture
def kind() -> str:
    return "postgres"


@pytest.fixture
def open_server(url: str, tmp_path: Path) -> Iterator[OpenServer]:
    """Opens the database as one more server does; whatever they do, the books are in order then."""
    with ExitStack() as opened:

        def open_one() -> PostgresDatabase:
            return opened.enter_context(PostgresDatabase(url, tmp_path / "front.db", serving=True))

        yield open_one
        with PostgresDatabase(url, tmp_path / "front.db", serving=False) as database:
            assert verify(database).problems == ()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def server(open_server: OpenServer) -> PostgresDatabase:
    return open_server()


@pytest.fixture
def made(server: PostgresDatabase) -> NewKey:
    """A key of an account with a yuan."""
    return create_key(server, "acme", opening_micros=1_000_000, now_ms=1)


@pytest.fixture
def front(server: PostgresDatabase, runner: asyncio.Runner) -> SharedFront:
    async def make() -> SharedFront:
        return SharedFront(server)

    return runner.run(make())
