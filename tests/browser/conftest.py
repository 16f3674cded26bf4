"""A running server with a past, and Chromium to look at it."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.getenv("PYTHONPATH")]))

import pictured  # noqa: E402
from history import write_history  # noqa: E402

import fakes  # noqa: E402  # both are found by name in the server too, hence the path above
from loupette.settings import Images, Settings  # noqa: E402
from serving import serve  # noqa: E402

CHROMIUM = os.getenv("CHROMIUM", "/usr/bin/chromium")
PHONE, DESKTOP = (390, 844), (1280, 860)
LONGEST_MS = 30_000
_TYPES = (10200, 50100, 50200, fakes.ECHO, fakes.RAISES, pictured.PICTURED, pictured.SCRIPT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screens", type=Path, help="folder for the pictures of the README")


class Site:
    """The server as a browser knows it."""

    def __init__(self, port: int, database: Path, *, admin: str, account: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.database = database
        self.admin = admin
        self.account = account
        self._sessions: dict[str, Any] = {}

    def session(self, key: str) -> Any:
        """The cookie of a key that signed in, once for all tests: attempts are few."""
        if key not in self._sessions:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/console/login", f"key={key}", form)
            reply = connection.getresponse()
            value = (reply.getheader("Set-Cookie") or "").partition(";")[0].removeprefix("console=")
            connection.close()
            assert value, reply.status
            self._sessions[key] = {
                "name": "console",
                "value": value,
                "domain": "127.0.0.1",
                "path": "/console",
                "httpOnly": True,
                "sameSite": "Strict",
            }
        return self._sessions[key]

    @contextmanager
    def tampered(self, statement: str, back: str) -> Iterator[None]:
        """Another program changes the database, and changes it back at the end of the block."""
        with closing(sqlite3.connect(self.database, timeout=60, isolation_level=None)) as other:
            other.execute(statement)
            try:
                yield
            finally:
                other.execute(back)


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Iterator[Site]:
    registry = "".join(f"[types.{type_id}]\ndeadline_s = 20\n" for type_id in _TYPES)
    folder = tmp_path_factory.mktemp("browser")
    settings = make_settings(
        folder, registry, workers=1, plugins=("fakes", "pictured"), images=Images(True, 1)
    )
    admin, account = write_history(settings.database)
    with serve(settings) as server:
        server.wait_until_ready()
        yield Site(server.port, settings.database, admin=admin.secret, account=account.secret)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), (
        f"there is no {CHROMIUM}; install it (apt-get install chromium), or name one in CHROMIUM"
    )
    with sync_playwright() as playwright:
        # Debian's has no setuid helper where tests run as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


Opener = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, site: Site) -> Iterator[Opener]:
    """Opens a page in a browser without cookies.

    Afterwards: no script failed, no policy was broken, and nothing came from another server.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(
        path: str = "/console",
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        language: str = "zh-CN",
        key: str | None = None,
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
            locale=language,
            base_url=site.url,
        )
        contexts.append(context)
        context.set_default_timeout(LONGEST_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda told: _note(told.type, told.text, complaints))
        page.on("request", lambda asked: _note_foreign(asked.url, site, complaints))
        if key is not None:
            context.add_cookies([site.session(key)])
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def broken_books(site: Site) -> AbstractContextManager[None]:
    """An account has a yuan more than its ledger says."""
    change = "UPDATE accounts SET balance = balance {} 1000000 WHERE name = 'lab'"
    return site.tampered(change.format("+"), change.format("-"))


def read_again(page: Page) -> None:
    """Have the request of a log's page read once more; then both readings are shown."""
    with page.expect_response("**/console/logs/*"):
        page.locator("#reading button").click()
    page.locator("#reading table").wait_for()


def sign_in(page: Page, key: str) -> None:
    page.fill("#key", key)
    page.press("#key", "Enter")
    expect(page.locator(".who")).to_be_visible()


def _note(kind: str, text: str, complaints: list[str]) -> None:
    # A reply of 4xx is told as an error too; here those are meant.
    if kind in ("error", "warning") and "Failed to load resource" not in text:
        complaints.append(text)


def _note_foreign(url: str, site: Site, complaints: list[str]) -> None:
    if not url.startswith((site.url, "data:", "blob:", "about:")):
        complaints.append(f"asks {url}")
