"""A key does what its scopes say, until it expires."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from loupette.settings import Settings
from loupette.store.keys import account_id_of, create_key, find_key, roll_key
from loupette.store.logs import query
from loupette.store.opening import open_database

FIELDS = {"image": base64.b64encode(fakes.draw_png()).decode(), "type": fakes.ECHO}
REPORT = {"log_id": "LOG20241101000001", "verdict": "wrong"}
Issue = Callable[..., str]


@pytest.fixture
def issue(settings: Settings) -> Issue:
    """Makes a key with scopes or an expiry, of an account with ¥1."""

    def make(account: str, **changes: Any) -> str:  # Any: what create_key takes
        with open_database(settings.database, settings.database_url) as database:
            return create_key(
                database, account, rate=1000, opening_micros=1_000_000, now_ms=0, **changes
            ).secret

    return make


def call(client: TestClient, what: str, key: str, *, in_body: bool = False) -> httpx2.Response:
    """Do what one scope is for."""
    headers = {} if in_body else {"X-API-Key": key}
    extra = {"api_key": key} if in_body else {}
    if what == "solve":
        return client.post("/api/v1/captcha.php", headers=headers, json=FIELDS | extra)
    if what == "report":
        return client.post("/api/v1/report", headers=headers, json=REPORT | extra)
    return client.get(what, headers=headers)


READS = ("/api/v1/balance", "/api/v1/logs", "/api/v1/logs/LOG20241101000001")
CALLS = {"solve": "solve", "report": "report", **dict.fromkeys(READS, "read")}


@pytest.mark.parametrize("scope", ["solve", "read", "report", "admin"])
def test_a_key_may_do_what_its_scope_says_and_nothing_else(
    client: TestClient, issue: Issue, scope: str
) -> None:
    key = issue(f"only-{scope}", scopes=[scope])
    codes = {what: call(client, what, key).status_code for what in CALLS}
    assert {what for what, code in codes.items() if code != 401} == {
        what for what, needed in CALLS.items() if needed == scope
    }


@pytest.mark.parametrize("in_body", [False, True])
@pytest.mark.parametrize("what", ["solve", "report"])
def test_a_missing_scope_is_named_in_both_languages(
    client: TestClient, issue: Issue, what: str, in_body: bool
) -> None:
    key = issue(f"reader-{what}-{in_body}", scopes=["read"])
    reply = call(client, what, key, in_body=in_body)
    body = json.loads(reply.text)
    assert (reply.status_code, body["code"], body["msg"]) == (401, 401, "认证失败")
    assert body["error"]["reason"] == "scope_missing"
    assert body["error"]["message"].startswith("API Key 没有此权限: ")
    assert f"'{what}'" in body["error"]["message"]
    assert body["data"] == {}  # a key that may not look at the account sees no balance


def test_a_refusal_for_want_of_a_scope_is_logged_and_free(
    client: TestClient, issue: Issue, settings: Settings
) -> None:
    call(client, "solve", issue("unscoped", scopes=["read"]))
    with open_database(settings.database, settings.database_url) as database:
        (log,) = query(database.reader, account_id_of(database.reader, "unscoped"))
    assert (log.outcome, log.code, log.cost_micros) == ("scope_missing", 401, 0)


@pytest.mark.parametrize("what", CALLS)
def test_an_expired_key_may_do_nothing(client: TestClient, issue: Issue, what: str) -> None:
    reply = call(client, what, issue(f"expired-{what}", expires_ms=1))
    body = json.loads(reply.text)
    assert (reply.status_code, body["error"]["reason"]) == (401, "key_expired")
    assert body["error"]["message"].startswith("API Key 已过期: ")
    assert body["data"] == {}


def test_a_key_works_before_it_expires(client: TestClient, issue: Issue) -> None:
    expires_ms = time.time_ns() // 1_000_000 + 3_600_000
    assert call(client, "solve", issue("in-time", expires_ms=expires_ms)).status_code == 200


@pytest.mark.parametrize(("overlap_ms", "old_is_told"), [(3_600_000, 200), (0, 401)])
def test_a_running_server_takes_the_old_key_during_the_overlap_alone(
    client: TestClient, issue: Issue, settings: Settings, overlap_ms: int, old_is_told: int
) -> None:
    name, now_ms = f"rolls-{overlap_ms}", time.time_ns() // 1_000_000
    old = issue(name)
    with open_database(settings.database, settings.database_url) as database:
        new = roll_key(database, name, overlap_ms=overlap_ms, expires_ms=None, now_ms=now_ms)
    told = [call(client, "solve", key).status_code for key in (old, new.new.secret)]
    assert told == [old_is_told, 200]


@pytest.mark.parametrize("name", ["api_key", "X-API-Key", "key"])
def test_a_key_in_the_url_is_not_taken(client: TestClient, issue: Issue, name: str) -> None:
    """URLs are written down by proxies and browsers."""
    key = issue(f"url-{name}")
    assert client.get("/api/v1/balance", params={name: key}).status_code == 401
    reply = client.post("/api/v1/captcha.php", params={name: key}, json=FIELDS)
    assert reply.status_code == 401


def test_no_key_is_in_the_servers_log(
    client: TestClient,
    issue: Issue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key, app = issue("discreet"), client.app
    monkeypatch.setattr(app.state.service.engine, "catalogue", None)  # type: ignore[attr-defined]
    with caplog.at_level("DEBUG"):
        codes = [
            call(client, "solve", key, in_body=in_body).status_code for in_body in (True, False)
        ]
    assert codes == [500, 500]
    assert "AttributeError" in caplog.text
    assert key[3:] not in caplog.text


SQL = "x' OR '1'='1'; DROP TABLE api_keys; --"


def test_sql_in_a_field_is_a_text(client: TestClient, issue: Issue) -> None:
    key = issue(SQL)
    headers = {"X-API-Key": key}
    replies = [
        client.get("/api/v1/balance", headers={"X-API-Key": SQL}),
        client.get("/api/v1/logs", headers=headers, params={"outcome": SQL}),
        client.get(f"/api/v1/logs/{SQL}", headers=headers),
        client.post("/api/v1/captcha.php", headers=headers | {"Idempotency-Key": SQL}, json=FIELDS),
    ]
    assert [reply.status_code for reply in replies] == [401, 200, 404, 200]
    assert json.loads(replies[1].text)["data"]["logs"] == []
    assert call(client, "/api/v1/balance", key).json()["data"]["account"] == SQL


@pytest.mark.sqlite  # whose files the test searches
def test_a_key_is_stored_as_its_hash_alone(
    client: TestClient, issue: Issue, settings: Settings
) -> None:
    key = issue("hashed")
    assert call(client, "solve", key).status_code == 200
    files = [file for file in settings.database.parent.iterdir() if file.name.startswith("test.db")]
    assert Path(settings.database) in files
    assert not any(key.encode() in file.read_bytes() for file in files)
    with open_database(settings.database, settings.database_url) as database:
        assert find_key(database.reader, key) is not None
