"""Signing in and out: what a browser keeps, for how long, and how often one may try."""

import re
import sqlite3
from typing import Any

import pytest
from starlette.testclient import TestClient

from loupette import management
from loupette.management import SESSION_S
from loupette.settings import Settings
from loupette.store import sessions
from loupette.store.keys import disable_account, disable_key, roll_key
from loupette.store.opening import open_database


def sign_in(browser: TestClient, key: str, **fields: str) -> Any:
    return browser.post("/console/login", data={"key": key, **fields}, follow_redirects=False)


def test_the_cookie_is_for_the_console_alone_and_not_the_key(admin: Any) -> None:
    cookie = sign_in(admin.http, admin.secret).headers["set-cookie"]
    assert admin.secret not in cookie and admin.secret[11:] not in cookie
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/console", f"max-age={SESSION_S}"} <= parts
    assert "secure" not in parts


def test_behind_tls_the_cookie_goes_over_tls_alone(admin: Any) -> None:
    browser = TestClient(admin.http.app, base_url="https://testserver")
    assert "; Secure" in sign_in(browser, admin.secret).headers["set-cookie"]


@pytest.mark.sqlite  # of which the test makes a dump
def test_only_the_hash_of_a_session_is_stored(admin: Any, settings: Settings) -> None:
    secret = admin.http.cookies["console"]
    assert len(secret) >= 43
    with sqlite3.connect(settings.database) as database:
        dump = "\n".join(database.iterdump())
    assert 'INSERT INTO "sessions"' in dump
    assert secret not in dump and secret.encode().hex() not in dump.lower()


@pytest.mark.parametrize(
    "key", ["", "ak_wrong", "' OR 1=1 --", "\x00", "钥匙", "<script>alert(1)</script>"]
)
def test_a_wrong_key_is_told_so_and_not_repeated(stranger: Any, key: str) -> None:
    reply = sign_in(stranger.http, key)
    assert reply.status_code in (401, 429)
    assert "set-cookie" not in reply.headers
    assert not key or key not in reply.text


def test_attempts_are_limited(client: TestClient, admin: Any) -> None:
    browser = TestClient(client.app)
    browser._transport.client = ("192.0.2.7", 1)  # type: ignore[attr-defined]
    codes = [sign_in(browser, "ak_guess").status_code for _ in range(12)]
    assert codes[:10] == [401] * 10 and codes[11] == 429
    late = sign_in(browser, admin.secret)
    assert late.status_code == 429 and int(late.headers["retry-after"]) >= 1
    assert admin.http.get("/console").status_code == 200


def test_signing_out_ends_the_session_for_whoever_copied_it(admin: Any, client: TestClient) -> None:
    thief = TestClient(client.app)
    thief.cookies.set("console", admin.http.cookies["console"])
    assert thief.get("/console", follow_redirects=False).status_code == 200
    assert admin.do("/console/logout").headers["location"] == "/console/login"
    assert thief.get("/console", follow_redirects=False).status_code == 303


def test_a_session_ends_with_its_key(shop: Any, settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as database:
        disable_key(database, shop.prefix, now_ms=1)
    assert shop.http.get("/console", follow_redirects=False).status_code == 303


def test_a_session_ends_with_its_account(shop: Any, settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as database:
        disable_account(database, shop.account, now_ms=1)
    assert shop.http.get("/console", follow_redirects=False).status_code == 303


def test_a_session_ends_when_its_key_expires(shop: Any, settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as database:
        roll_key(database, shop.prefix, overlap_ms=0, expires_ms=None, now_ms=1)
    assert shop.http.get("/console", follow_redirects=False).status_code == 303


def test_a_session_ends_after_its_hours(
    shop: Any, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = management._now_ms()
    monkeypatch.setattr(management, "_now_ms", lambda: now_ms + SESSION_S * 1000 - 5000)
    assert shop.http.get("/console", follow_redirects=False).status_code == 200
    monkeypatch.setattr(management, "_now_ms", lambda: now_ms + SESSION_S * 1000 + 5000)
    assert shop.http.get("/console", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("cookie", ["", "x", "é", "0" * 5000])
def test_what_is_no_session_is_nobody(stranger: Any, cookie: str) -> None:
    headers = {"Cookie": f"console={cookie}".encode()}
    reply = stranger.http.get("/console", headers=headers, follow_redirects=False)
    assert reply.status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/console/../types", "/console\\@evil", "/types",
     "/console//evil", "javascript:alert(1)", '"><script>'],
)  # fmt: skip
def test_after_signing_in_one_goes_to_the_console_alone(admin: Any, wanted: str) -> None:
    reply = sign_in(admin.http, admin.secret, next=wanted)
    assert reply.headers["location"] == "/console"
    form = admin.http.get("/console/login", params={"next": wanted}).text
    assert 'name="next" value="/console"' in form


def test_and_on_to_where_one_wanted_to_go(admin: Any) -> None:
    reply = sign_in(admin.http, admin.secret, next="/console/keys")
    assert reply.headers["location"] == "/console/keys"


def test_a_part_of_a_page_without_a_session_leads_to_the_form(stranger: Any) -> None:
    reply = stranger.http.get("/console/logs", headers={"HX-Request": "true"})
    assert reply.status_code == 401
    assert reply.headers["hx-redirect"] == "/console/login?next=/console/logs"


def test_many_sessions_of_a_key_push_the_oldest_out(
    visitor: Any, settings: Settings, unused_name: str
) -> None:
    first = visitor(unused_name, "read")
    with open_database(settings.database, settings.database_url) as database:
        (key_id,) = database.reader.execute(
            "SELECT id FROM api_keys WHERE prefix = ?", (first.prefix,)
        ).fetchone()
        far = 10**14
        for number in range(25):
            sessions.open_session(database, key_id, expires_ms=far + number, now_ms=1)
        (count,) = database.reader.execute(
            "SELECT COUNT(*) FROM sessions WHERE key_id = ?", (key_id,)
        ).fetchone()
    assert count == 20
    assert first.http.get("/console", follow_redirects=False).status_code == 303


def test_no_key_and_no_session_is_in_the_messages(
    admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sign_in(admin.http, admin.secret)
    reply = admin.do("/console/keys", action="create", account="audited", scope_read="1")
    made = re.findall(r"<pre[^>]*><code>(ak_[^<]+)<", reply.text)
    told = caplog.text
    assert f"key {admin.prefix} of '{admin.account}' created key {made[0][:11]}" in told
    assert "signed in from" in told
    for secret in (admin.secret, made[0], admin.http.cookies["console"]):
        assert secret not in told
