"""Fixtures: a settings value over fakes, a running app in process, an account with money."""

import base64
import os
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS), os.getenv("PYTHONPATH")]))

import fakes  # noqa: E402  # found by name in worker processes too, hence the path above
from loupette.money import to_micros  # noqa: E402
from loupette.settings import Settings  # noqa: E402
from loupette.store.keys import create_key  # noqa: E402
from loupette.store.ledger import topup  # noqa: E402
from loupette.store.opening import open_database  # noqa: E402
from loupette.web.app import create_app  # noqa: E402

if TYPE_CHECKING:
    import pgserver  # not imported before it is used: it needs psycopg

REGISTRY = "\n".join(
    f"[types.{type_id}]\nprice = 0.01\ndeadline_s = {1 if type_id == fakes.SLOW else 20}\n"
    for type_id in range(fakes.ECHO, fakes.CLOSED + 1)
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres", action="store_true", help="servers keep their accounts in PostgreSQL"
    )
    parser.addoption(
        "--api-examples", type=int, default=5, help="requests for each operation of /openapi.json"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator["pgserver.Server"]:
    """A PostgreSQL server on loopback, for the whole run; nothing here is about its disk."""
    import pgserver

    with pgserver.running(is_durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def new_postgres(postgres: "pgserver.Server") -> Callable[[], str]:
    """Makes databases, each of its own; gives their URLs."""
    numbers = count(1)

    def make() -> str:
        name = f"test_{next(numbers)}"
        postgres.execute(f"CREATE DATABASE {name}")
        return postgres.url(name)

    return make


@pytest.fixture(scope="session")
def make_settings(request: pytest.FixtureRequest) -> Callable[..., Settings]:
    """Makes settings of a server in a folder; with --postgres, each has a database of its own."""
    urls: dict[Path, str] = {}

    def make(folder: Path, registry: str = REGISTRY, **changes: object) -> Settings:
        (folder / "registry.toml").write_text(registry, encoding="utf-8")
        values: dict[str, object] = {
            "database": folder / "test.db",
            "registry": folder / "registry.toml",
            "workers": 2,
            "plugins": ("fakes",),
        }
        if request.config.getoption("--postgres"):
            if folder not in urls:
                urls[folder] = request.getfixturevalue("new_postgres")()
            values["database_url"] = urls[folder]
        return Settings(**(values | changes))  # type: ignore[arg-type]  # checked by use

    return make


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Settings:
    return make_settings(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """A server with all fakes; one for a whole module, since its workers take time to start."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def forget_modules() -> Iterator[None]:
    """What the test imports is imported anew in the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def new_key(settings: Settings) -> Callable[..., str]:
    """Makes a key of a fresh account on the running server's database."""

    def make(balance: str = "100", *, rate: float = 1000, account: str | None = None) -> str:
        return issue_key(settings, balance, rate=rate, account=account)

    return make


def issue_key(
    where: Settings | Path, balance: str = "100", *, rate: float = 1000, account: str | None = None
) -> str:
    """A key of an account on a server's database, or in a SQLite file."""
    name = account or f"account-{os.urandom(6).hex()}"
    settings = where if isinstance(where, Settings) else Settings(database=where)
    with open_database(settings.database, settings.database_url) as database:
        key = create_key(database, name, rate=rate, now_ms=0)
        if Decimal(balance):
            topup(database, name, to_micros(Decimal(balance)), now_ms=0)
    return key.secret


@pytest.fixture
def post(client: TestClient, new_key: Callable[..., str]) -> Callable[..., object]:
    """Posts one JSON request with a fresh rich key."""

    def send(
        type_id: object = fakes.ECHO,
        *,
        key: str | None = None,
        image: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        **fields: object,
    ) -> object:
        data = fakes.draw_png() if image is None else image
        text = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        return client.post(
            "/api/v1/captcha.php",
            headers={"X-API-Key": key or new_key(), **(headers or {})},
            json={"image": text, "type": type_id, **fields},
        )

    return send
