"""Many clients at once on a real server: the balance pays for exactly what it can."""

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from loupette.store.ledger import verify
from loupette.store.opening import open_database
from serving import Reply, Server, serve

pytestmark = pytest.mark.slow

CLIENTS = 32
IMAGE = base64.b64encode(fakes.draw_png()).decode()
FIELDS = {"image": IMAGE, "type": fakes.ECHO}


@pytest.fixture(scope="module")
def running(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Settings]]:
    settings = make_settings(tmp_path_factory.mktemp("concurrency"))
    with serve(settings) as server:
        yield server, settings


def at_once(count: int, ask: Callable[[int], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(ask, range(count)))


def assert_adds_up(settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as opened:
        assert verify(opened).problems == ()


@pytest.mark.parametrize("attempt", range(3))
def test_a_balance_for_ten_answers_pays_for_ten_of_32_clients(
    running: tuple[Server, Settings], attempt: int
) -> None:
    server, settings = running
    key = issue_key(settings, "0.1")
    replies = at_once(CLIENTS, lambda _: server.post(FIELDS, key))
    assert Counter(reply.status for reply in replies) == {200: 10, 402: 22}
    assert server.request("GET", "/api/v1/balance", key).json["data"]["balance"] == 0
    assert_adds_up(settings)


def test_balances_told_to_concurrent_clients_are_all_different(
    running: tuple[Server, Settings],
) -> None:
    server, settings = running
    key = issue_key(settings, "1")
    replies = at_once(CLIENTS, lambda _: server.post(FIELDS, key))
    told = sorted(reply.json["data"]["balance"] for reply in replies)
    assert told == [1 - Decimal("0.01") * left for left in range(CLIENTS, 0, -1)]


def test_keys_of_one_account_share_its_balance(running: tuple[Server, Settings]) -> None:
    server, settings = running
    keys = [issue_key(settings, "0.05", account="shared") for _ in range(2)]
    replies = at_once(CLIENTS, lambda number: server.post(FIELDS, keys[number % 2]))
    assert Counter(reply.status for reply in replies) == {200: 10, 402: 22}
    assert_adds_up(settings)


def test_concurrent_duplicates_are_charged_once(running: tuple[Server, Settings]) -> None:
    server, settings = running
    key = issue_key(settings, "1")
    replies = at_once(CLIENTS, lambda _: server.post(FIELDS, key, {"Idempotency-Key": "same"}))
    assert {reply.json["data"]["log_id"] for reply in replies} == {
        replies[0].json["data"]["log_id"]
    }
    assert sum("idempotent-replayed" in reply.headers for reply in replies) == CLIENTS - 1
    balance = server.request("GET", "/api/v1/balance", key).json["data"]["balance"]
    assert balance == Decimal("0.99")
    assert_adds_up(settings)


def test_a_top_up_beside_the_running_server_is_spent_at_once(
    running: tuple[Server, Settings],
) -> None:
    server, settings = running
    key = issue_key(settings, "0", account="late")
    assert server.post(FIELDS, key).status == 402
    issue_key(settings, "0.01", account="late")
    assert [server.post(FIELDS, key).status for _ in range(2)] == [200, 402]


def test_a_client_that_hangs_up_before_the_answer_is_not_charged(
    running: tuple[Server, Settings],
) -> None:
    server, settings = running
    key = issue_key(settings, "0.01")
    black = base64.b64encode(fakes.draw_png(colour="black")).decode()
    body = f'{{"image": "{black}", "type": {fakes.SLOW}}}'.encode()
    head = f"POST /api/v1/captcha.php HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
    with server.connect() as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    # Its log entry says when the server has noticed; until then the balance may be held.
    for _ in range(2000):
        logs = server.request("GET", "/api/v1/logs", key).json["data"]["logs"]
        if logs:
            break
    assert [(log["outcome"], log["code"], log["cost"]) for log in logs] == [("client_gone", 499, 0)]
    assert server.post(FIELDS, key).status == 200
    assert_adds_up(settings)
