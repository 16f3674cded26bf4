"""Browsers that are signed in to a running server, as an administrator and as an account."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from loupette.settings import Settings
from loupette.store.keys import create_key
from loupette.store.opening import open_database


@dataclass
class Visitor:
    """A browser with cookies of its own."""

    http: TestClient
    secret: str = ""
    account: str = ""

    @property
    def prefix(self) -> str:
        return self.secret[:11]

    def token(self, path: str = "/console") -> str:
        """The CSRF token that a page of this session carries."""
        (token, *_) = re.findall(r'name="csrf" value="(\w+)"', self.http.get(path).text)
        return str(token)

    def do(self, path: str, **fields: Any) -> Any:
        """Send a form, as its page would."""
        files = {name: fields.pop(name) for name in ("image", "image2") if name in fields}
        data = {"csrf": self.token(), **fields}
        return self.http.post(path, data=data, files=files or None, follow_redirects=False)


def another(client: TestClient) -> TestClient:
    """A further browser for the same server, on the same event loop."""
    browser = TestClient(client.app, raise_server_exceptions=False)
    browser.portal = client.portal
    return browser


@pytest.fixture
def visitor(client: TestClient, settings: Settings) -> Iterator[Callable[..., Visitor]]:
    """Makes a key of the account and signs a browser in with it, once every type is loaded."""
    app: Any = client.app
    assert client.portal is not None
    client.portal.call(app.state.service.engine.pool.wait_ready)

    def make(account: str, *scopes: str, balance_micros: int = 0) -> Visitor:
        with open_database(settings.database, settings.database_url) as database:
            key = create_key(
                database, account, scopes=scopes, opening_micros=balance_micros, rate=1000, now_ms=0
            )
        browser = another(client)
        # Each its own address, as attempts are counted by address.
        address = f"10.0.{key.record.id // 256}.{key.record.id % 256}"
        browser._transport.client = (address, 50000)  # type: ignore[attr-defined]
        reply = browser.post("/console/login", data={"key": key.secret}, follow_redirects=False)
        assert (reply.status_code, reply.headers["location"]) == (303, "/console")
        return Visitor(browser, key.secret, account)

    yield make


@pytest.fixture
def stranger(client: TestClient) -> Visitor:
    return Visitor(another(client))


@pytest.fixture
def admin(visitor: Callable[..., Visitor], unused_name: str) -> Visitor:
    return visitor(f"admin-{unused_name}", "solve", "read", "report", "admin")


@pytest.fixture
def shop(visitor: Callable[..., Visitor], unused_name: str) -> Visitor:
    return visitor(f"shop-{unused_name}", "solve", "read", "report", balance_micros=1_000_000)


@pytest.fixture
def unused_name() -> str:
    return secrets.token_hex(4)
