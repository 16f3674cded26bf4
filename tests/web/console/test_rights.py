"""Each page and each action of the console, as nobody, as an account and as an administrator."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.settings import Settings
from loupette.store.keys import create_key
from loupette.store.opening import open_database
from loupette.web.console import ROUTES

OPEN = ("/console/login", "/console/logout")
PAGES = ["/console", "/console/keys", "/console/logs", "/console/try", "/console/ledger"]
ADMIN_PAGES = ["/console/types"]
ADMIN_ACTIONS = [
    ("/console/keys", {"action": "create", "account": "new", "scope_solve": "1"}),
    ("/console/keys", {"action": "roll", "prefix": "PREFIX", "overlap": "1"}),
    ("/console/keys", {"action": "limit", "prefix": "PREFIX", "rate": "5", "burst": "5"}),
    ("/console/keys", {"action": "top_up", "account": "ACCOUNT", "amount": "5", "form": "f"}),
    ("/console/keys", {"action": "disable", "prefix": "PREFIX"}),
    ("/console/types", {"type": str(fakes.ECHO), "price": "9", "is_on": "1"}),
    ("/console/ledger", {}),
    ("/console/logs/LOG20261128000001", {}),
]
Visitors = Callable[..., Any]


def test_the_lists_above_name_every_route() -> None:
    shown = {route.path for route in ROUTES if "GET" in (route.methods or ())}
    done = {route.path for route in ROUTES if "POST" in (route.methods or ())}
    assert shown - set(OPEN) == {*PAGES, *ADMIN_PAGES, "/console/logs/{log_id}"}
    actions = {re.sub(r"LOG\d+", "{log_id}", path) for path, _ in ADMIN_ACTIONS}
    assert done - set(OPEN) == actions | {"/console/try"}


@pytest.mark.parametrize("path", [*PAGES, *ADMIN_PAGES, "/console/logs/LOG20261128000001"])
def test_nobody_is_shown_nothing(stranger: Any, path: str) -> None:
    reply = stranger.http.get(path, follow_redirects=False)
    assert reply.status_code == 303
    assert reply.headers["location"] == f"/console/login?next={path}"
    assert reply.content == b""


@pytest.mark.parametrize(("path", "fields"), [*ADMIN_ACTIONS, ("/console/try", {"type": "60001"})])
def test_nobody_does_nothing(stranger: Any, path: str, fields: dict[str, str]) -> None:
    reply = stranger.http.post(path, data=fields, follow_redirects=False)
    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/console/login")


def test_nobody_may_not_sign_anybody_out(stranger: Any, shop: Any) -> None:
    assert stranger.http.post("/console/logout", follow_redirects=False).status_code == 303
    assert shop.http.get("/console").status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_an_account_and_an_administrator_are_shown_a_page(admin: Any, shop: Any, path: str) -> None:
    for visitor in (admin, shop):
        reply = visitor.http.get(path, follow_redirects=False)
        assert reply.status_code == 200
        assert visitor.account in reply.text
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ADMIN_PAGES)
def test_a_page_of_administrators_is_not_for_an_account(admin: Any, shop: Any, path: str) -> None:
    assert admin.http.get(path).status_code == 200
    reply = shop.http.get(path)
    assert reply.status_code == 401
    assert "scope_missing" in reply.text
    assert "loupette-" not in reply.text and "fakes" not in reply.text


def meant(fields: dict[str, str], visitor: Any) -> dict[str, str]:
    names = {"PREFIX": visitor.prefix, "ACCOUNT": visitor.account}
    return {name: names.get(value, value) for name, value in fields.items()}


def everything(settings: Settings, client: TestClient) -> object:
    """All that an action could change."""
    types = client.get("/api/v1/types").json()["data"]["types"]
    with open_database(settings.database, settings.database_url) as database:
        tables = ("accounts", "api_keys", "ledger", "type_overrides")
        rows = [database.reader.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
        return types, rows


@pytest.mark.parametrize(("path", "fields"), ADMIN_ACTIONS)
def test_an_action_of_administrators_is_not_for_an_account(
    shop: Any, path: str, fields: dict[str, str], settings: Settings, client: TestClient
) -> None:
    before = everything(settings, client)
    reply = shop.do(path, **meant(fields, shop))
    assert reply.status_code == 401
    assert "scope_missing" in reply.text
    assert everything(settings, client) == before


@pytest.mark.parametrize(("path", "fields"), ADMIN_ACTIONS)
@pytest.mark.parametrize("token", [None, "", "0" * 64, "OTHERS"])
def test_an_action_without_the_sessions_token_is_not_done(
    admin: Any,
    shop: Any,
    path: str,
    fields: dict[str, str],
    token: str | None,
    settings: Settings,
    client: TestClient,
) -> None:
    before = everything(settings, client)
    sent = {"some": "field", **meant(fields, shop)}
    if token is not None:
        sent["csrf"] = shop.token() if token.isalpha() else token
    reply = admin.http.post(path, data=sent, follow_redirects=False)
    assert reply.status_code == 403
    assert everything(settings, client) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.elsewhere.example"},
    ],
)
@pytest.mark.parametrize("path", ["/console/keys", "/console/login", "/console/try"])
def test_a_page_of_another_site_does_nothing_even_with_the_token(
    admin: Any, headers: dict[str, str], path: str
) -> None:
    data = {"csrf": admin.token(), "key": admin.secret, "action": "disable", "prefix": admin.prefix}
    reply = admin.http.post(path, data=data, headers=headers, follow_redirects=False)
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers
    assert admin.http.get("/console", follow_redirects=False).status_code == 200


def test_a_page_of_this_server_may(admin: Any, shop: Any) -> None:
    limit = {"action": "limit", "prefix": shop.prefix, "rate": "7", "burst": "9"}
    data = {"csrf": admin.token(), **limit}
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}):
        reply = admin.http.post("/console/keys", data=data, headers=headers, follow_redirects=False)
        assert reply.headers["location"] == "/console/keys?done=limited"


def test_an_account_sees_nothing_of_another(
    client: TestClient, settings: Settings, shop: Any, admin: Any, post: Any
) -> None:
    other = issue_key(settings, "5", account="the-other-account")
    log_id = post(key=other).json()["data"]["log_id"]
    for path in PAGES:
        text = shop.http.get(path).text
        assert "the-other-account" not in text and other[:11] not in text
        assert log_id not in text
    assert shop.http.get(f"/console/logs/{log_id}").status_code == 404
    # Naming the account or asking for its answers does not help.
    for query in ("account=the-other-account", f"q={log_id}", "q=40x20"):
        assert log_id not in shop.http.get(f"/console/logs?{query}").text.replace(
            f'value="{log_id}"', ""
        ).replace(f"there is no log {log_id}", "").replace(f"/console/logs/{log_id}", "")
    assert "the-other-account" in admin.http.get("/console/keys?q=the-other").text
    assert "40x20" in admin.http.get(f"/console/logs/{log_id}").text


def test_figures_are_of_ones_own_account(shop: Any, post: Any) -> None:
    for _ in range(3):
        post()
    (requests,) = re.findall(r"<dt>请求数</dt><dd>(\d+)</dd>", shop.http.get("/console").text)
    assert requests == "0"
    post(key=shop.secret)
    (requests,) = re.findall(r"<dt>请求数</dt><dd>(\d+)</dd>", shop.http.get("/console").text)
    assert requests == "1"


def test_a_key_that_may_not_solve_tries_nothing(visitor: Visitors, unused_name: str) -> None:
    reader = visitor(unused_name, "read", balance_micros=1_000_000)
    image = ("a.png", fakes.draw_png(), "image/png")
    reply = reader.do("/console/try", type=str(fakes.ECHO), image=image)
    assert reply.status_code == 401
    assert "40x20" not in reply.text


@pytest.mark.parametrize("scopes", [("solve",), ("report",), ("solve", "report")])
def test_a_key_that_may_not_read_is_not_let_in(
    client: TestClient, settings: Settings, scopes: tuple[str, ...], stranger: Any, unused_name: str
) -> None:
    with open_database(settings.database, settings.database_url) as database:
        key = create_key(database, unused_name, scopes=scopes, now_ms=0)
    reply = stranger.http.post("/console/login", data={"key": key.secret})
    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
