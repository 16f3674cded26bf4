"""Security headers are on every reply, CORS on none."""

import re
import sys
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from loupette.web.headers import SECURITY_HEADERS

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

import generate  # it lists the routes

PATHS = [
    route.path.format(log_id="LOG20241101000001", type_id=fakes.ECHO, name="quickstart")
    for route in generate.routes()
]
OWN = ("Content-Security-Policy", "Cache-Control")
"""What some endpoints say themselves."""


def assert_secured(reply: httpx2.Response) -> None:
    for name, value in SECURITY_HEADERS.items():
        assert reply.headers.get_list(name) == [value], (reply.url, name)


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", [*PATHS, "/no/such/path"])
def test_every_reply_has_the_security_headers(client: TestClient, method: str, path: str) -> None:
    reply = client.request(method, path)
    for name, value in SECURITY_HEADERS.items():
        if name not in OWN:
            assert reply.headers.get_list(name) == [value]
    assert all(len(reply.headers.get_list(name)) == 1 for name in OWN)


def test_reply_to_an_unforeseen_error_has_them_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("loupette.web.health.render", fail)
    reply = client.get("/livez")
    assert reply.status_code == 500
    assert_secured(reply)


PAGES = ["/", "/types", f"/types/{fakes.ECHO}", "/docs", "/docs/errors", "/docs/reference", "/no"]
IN_THE_PAGE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", re.IGNORECASE
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_uses_files_of_this_server_alone(client: TestClient, path: str) -> None:
    reply = client.get(path, headers={"Accept": "text/html"})
    policy = dict(
        part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; ")
    )
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("frame-ancestors")
    assert set(policy.values()) == {"'self'"}
    assert IN_THE_PAGE.findall(re.sub(r"<code.*?</code>", "", reply.text, flags=re.DOTALL)) == []
    fetched = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', reply.text)
    assert len(fetched) >= 3
    assert [url for url in fetched if not re.match(r"/(static|types)/", url)] == []


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "$(alert)", "a;alert", "a'alert"])
def test_a_host_name_brings_nothing_into_a_page(client: TestClient, host: str) -> None:
    headers = {"Accept": "text/html", "Host": host}
    text = client.get(f"/types/{fakes.ECHO}", headers=headers).text
    assert "/api/v1/captcha.php" in text
    assert "alert" not in text


def test_a_sample_may_be_kept_by_the_browser_and_a_balance_may_not(client: TestClient) -> None:
    assert client.get(f"/types/{fakes.ECHO}/sample").headers["Cache-Control"] == (
        "public, max-age=3600"
    )
    assert client.get("/api/v1/balance").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PATHS)
def test_pages_of_other_sites_are_let_in_nowhere(client: TestClient, path: str) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for reply in (client.options(path, headers=headers), client.get(path, headers=headers)):
        assert [name for name in reply.headers if name.startswith("access-control")] == []
