"""Security headers are on every reply, CORS on none."""

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
    route.path.format(log_id="LOG20241101000001", type_id=fakes.ECHO) for route in generate.routes()
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


def test_a_page_may_show_its_own_style_and_samples_and_run_nothing(client: TestClient) -> None:
    reply = client.get("/types", headers={"Accept": "text/html"})
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'unsafe-inline';")
    assert "script-src" not in policy
    assert "<script" not in reply.text


def test_a_host_name_cannot_bring_script_into_the_page(client: TestClient) -> None:
    headers = {"Accept": "text/html", "Host": "<script>alert(1)</script>"}
    assert "<script" not in client.get("/types", headers=headers).text


def test_a_sample_may_be_kept_by_the_browser_and_a_balance_may_not(client: TestClient) -> None:
    assert client.get(f"/types/{fakes.ECHO}/sample").headers["Cache-Control"] == "max-age=3600"
    assert client.get("/api/v1/balance").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PATHS)
def test_pages_of_other_sites_are_let_in_nowhere(client: TestClient, path: str) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for reply in (client.options(path, headers=headers), client.get(path, headers=headers)):
        assert [name for name in reply.headers if name.startswith("access-control")] == []
