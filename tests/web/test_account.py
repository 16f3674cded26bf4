"""Balance, logs and reports: what a key may see and say of its own account."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from conftest import REGISTRY, issue_key
from loupette.settings import Settings
from loupette.store.ledger import verify
from loupette.store.opening import open_database
from loupette.web.app import create_app

Post = Callable[..., httpx2.Response]
NewKey = Callable[..., str]
BLACK = fakes.draw_png(colour="black")


def parse(reply: httpx2.Response) -> Any:  # Any: JSON
    return json.loads(reply.text, parse_float=Decimal)


def get(client: TestClient, path: str, key: str, code: int = 200) -> Any:
    reply = client.get(path, headers={"X-API-Key": key})
    assert reply.status_code == code, reply.text
    body = parse(reply)
    return body["data"] if code == 200 else body["error"]


# --- balance


@pytest.mark.parametrize("balance", ["0", "0.000001", "95.5", "1000000"])
def test_the_balance_is_exact(client: TestClient, new_key: NewKey, balance: str) -> None:
    key = new_key(balance, account=f"exact-{balance}")
    data = get(client, "/api/v1/balance", key)
    assert Decimal(data["balance"]) == Decimal(balance)
    assert (data["currency"], data["account"]) == ("CNY", f"exact-{balance}")


def test_keys_of_one_account_see_one_balance(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    first, second = (new_key("1", account="two-keys") for _ in range(2))
    post(key=first)
    assert get(client, "/api/v1/balance", second)["balance"] == Decimal("1.99")


@pytest.mark.parametrize(
    "path", ["/api/v1/balance", "/api/v1/logs", "/api/v1/logs/LOG20241101000001"]
)
def test_a_key_must_be_known(client: TestClient, path: str) -> None:
    assert get(client, path, "ak_unknown", 401)["reason"] == "unauthenticated"


def test_these_requests_count_against_the_rate(client: TestClient, new_key: NewKey) -> None:
    headers = {"X-API-Key": new_key(rate=0.001)}
    first, second = (client.get("/api/v1/balance", headers=headers) for _ in range(2))
    assert first.headers["RateLimit"].startswith('"key";r=0;t=')
    assert second.status_code == 429
    assert int(second.headers["Retry-After"]) >= 900
    assert second.headers["RateLimit"].startswith('"key";r=0;t=')


# --- logs


def test_every_request_is_in_the_log_newest_first(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    post(key=key)
    post(key=key, image="*")
    post(fakes.REFUSES, key=key, image=BLACK)
    post(99999, key=key)
    client.post("/api/v1/captcha.php", headers={"X-API-Key": key}, content=b"")
    logs = get(client, "/api/v1/logs", key)["logs"]
    assert [(log["outcome"], log["code"], log["type"]) for log in logs] == [
        ("empty_body", 400, None),
        ("unknown_type", 400, 99999),
        ("no_text", 400, fakes.REFUSES),
        ("bad_base64", 400, fakes.ECHO),
        ("ok", 200, fakes.ECHO),
    ]
    assert [log["cost"] for log in logs] == [0, 0, 0, 0, Decimal("0.01")]


def test_a_log_entry_keeps_the_facts(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    log_id = parse(post(fakes.REFUSES, key=key, image=BLACK))["data"]["log_id"]
    log = get(client, f"/api/v1/logs/{log_id}", key)
    assert (log["log_id"], log["result"], log["detail"]) == (log_id, None, {"candidates": [1, 2]})
    assert abs(log["time"] - datetime.now(UTC).timestamp()) < 60


def test_accounts_do_not_see_each_other(client: TestClient, new_key: NewKey, post: Post) -> None:
    log_id = parse(post(key=new_key()))["data"]["log_id"]
    other = new_key()
    assert get(client, f"/api/v1/logs/{log_id}", other, 404)["reason"] == "unknown_log"
    assert get(client, "/api/v1/logs", other) == {"logs": [], "next": None}


@pytest.mark.parametrize(
    "log_id",
    ["LOG20241101000001", "LOG1", "x", "LOG2024110100000٣", "LOG99999999" + "9" * 10, "%00"],
)
def test_a_log_that_is_none_is_404(client: TestClient, new_key: NewKey, log_id: str) -> None:
    assert get(client, f"/api/v1/logs/{log_id}", new_key(), 404)["reason"] == "unknown_log"


def test_pages_give_every_entry_once(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    sent = [parse(post(key=key, image="*"))["data"]["log_id"] for _ in range(7)]
    seen, cursor = [], ""
    for _ in range(3):
        page = get(client, f"/api/v1/logs?limit=3&before={cursor}", key)
        seen += [log["log_id"] for log in page["logs"]]
        cursor = page["next"]
    assert seen == sent[::-1]
    assert cursor is None


def test_logs_are_filtered(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    post(key=key)
    post(fakes.CLOSED, key=key)
    post(fakes.CLOSED, key=key, image="*")

    def count(query: str) -> int:
        return len(get(client, f"/api/v1/logs?{query}", key)["logs"])

    assert (count("outcome=ok"), count("outcome=bad_base64"), count("outcome=none")) == (2, 1, 0)
    assert (count(f"type={fakes.CLOSED}"), count(f"type={fakes.CLOSED}&outcome=ok")) == (2, 1)


def test_logs_are_filtered_by_time(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    post(key=key)
    hour = timedelta(hours=1)
    earlier, later = datetime.now(UTC) - hour, datetime.now(UTC) + hour
    for query, count in [
        (f"since={int(earlier.timestamp())}", 1),
        (f"since={int(later.timestamp())}", 0),
        (f"until={int(earlier.timestamp())}", 0),
        (f"since={earlier:%Y-%m-%dT%H:%M:%SZ}&until={later:%Y-%m-%dT%H:%M:%S}", 1),
        (f"since={earlier:%Y-%m-%d}", 1),
        ("since=0001-01-01T00:00:00%2B23:00", 1),
        ("until=9999-12-31T23:59:59-23:00", 1),
    ]:
        assert len(get(client, f"/api/v1/logs?{query}", key)["logs"]) == count, query


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=-1", "limit=٣", "limit=" + "9" * 30, "before=7",
     "before=LOG", "since=yesterday", "until=2024-13-01", "type=alnum", "type=-1",
     "type=" + "9" * 30, "page=2", "since=99999999999999", "outcome=%00"],
)  # fmt: skip
def test_a_query_that_cannot_be_right_is_400(
    client: TestClient, new_key: NewKey, query: str
) -> None:
    assert get(client, f"/api/v1/logs?{query}", new_key(), 400)["reason"] == "bad_field"


# --- reports


def report(client: TestClient, key: str, **fields: object) -> httpx2.Response:
    return client.post("/api/v1/report", headers={"X-API-Key": key}, json=fields)


def solved(post: Post, key: str) -> str:
    return str(parse(post(key=key))["data"]["log_id"])


def test_a_report_is_kept_with_the_log_entry(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    log_id = solved(post, key)
    reply = parse(report(client, key, log_id=log_id, verdict="wrong", answer="41x20"))
    assert reply["data"] == {
        "log_id": log_id, "verdict": "wrong", "refunded": 0, "balance": Decimal("99.99"),
    }  # fmt: skip
    assert get(client, f"/api/v1/logs/{log_id}", key)["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": "perhaps"}, "bad_field"),
        ({"verdict": 5}, "bad_field"),
        ({"verdict": None}, "missing_field"),
        ({"log_id": None}, "missing_field"),
        ({"log_id": "LOG1"}, "bad_field"),
        ({"log_id": 20241101}, "bad_field"),
        ({"answer": ["a"]}, "bad_field"),
        ({"answer": "x" * 257}, "bad_field"),
        ({"answer": "4\0"}, "bad_field"),  # which SQLite would keep, and PostgreSQL not
        ({"log_id": "LOG20241101000001"}, "unknown_log"),
    ],
)
def test_a_report_that_cannot_be_right_is_refused(
    client: TestClient, new_key: NewKey, post: Post, changes: dict[str, object], reason: str
) -> None:
    key = new_key()
    fields = {"log_id": solved(post, key), "verdict": "wrong"} | changes
    assert parse(report(client, key, **fields))["error"]["reason"] == reason


def test_a_report_may_carry_its_key_in_the_body(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    fields = {"api_key": key, "log_id": solved(post, key), "verdict": "correct"}
    assert client.post("/api/v1/report", json=fields).status_code == 200


def test_a_report_with_two_different_keys_is_refused(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    reply = report(client, key, api_key=new_key(), log_id=solved(post, key), verdict="wrong")
    assert (reply.status_code, parse(reply)["error"]["reason"]) == (401, "unauthenticated")


def test_a_second_report_is_refused(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    log_id = solved(post, key)
    codes = [report(client, key, log_id=log_id, verdict="correct").status_code for _ in range(2)]
    assert codes == [200, 400]


def test_a_failure_cannot_be_reported(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    log_id = parse(post(key=key, image="*"))["data"]["log_id"]
    reply = report(client, key, log_id=log_id, verdict="wrong")
    assert parse(reply)["error"]["reason"] == "report_refused"


def test_nobody_reports_for_another_account(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    log_id = solved(post, new_key())
    reply = report(client, new_key(), log_id=log_id, verdict="wrong")
    assert (reply.status_code, parse(reply)["error"]["reason"]) == (404, "unknown_log")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b" " * 20_000, b'{"log_id":'])
def test_a_report_that_cannot_be_read_is_400(
    client: TestClient, new_key: NewKey, body: bytes
) -> None:
    reply = client.post("/api/v1/report", headers={"X-API-Key": new_key()}, content=body)
    assert reply.status_code == 400


def test_a_refund_is_paid_where_the_operator_wants_it(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, "[reports]\nrefund = true\n" + REGISTRY, workers=1)
    image = base64.b64encode(BLACK).decode()
    with TestClient(create_app(settings)) as client:
        key = issue_key(settings, "1")
        fields = {"image": image, "type": fakes.ECHO}
        replies = [
            client.post("/api/v1/captcha.php", headers={"X-API-Key": key}, json=fields)
            for _ in range(2)
        ]
        right, wrong = (parse(reply)["data"]["log_id"] for reply in replies)
        kept = parse(report(client, key, log_id=right, verdict="correct"))["data"]
        paid = parse(report(client, key, log_id=wrong, verdict="wrong"))["data"]
    assert (kept["refunded"], kept["balance"]) == (0, Decimal("0.98"))
    assert (paid["refunded"], paid["balance"]) == (Decimal("0.01"), Decimal("0.99"))
    with open_database(settings.database, settings.database_url) as database:
        assert verify(database).problems == ()


def test_a_report_comes_too_late_after_the_operators_hours(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, "[reports]\nwithin_hours = 0\n" + REGISTRY, workers=1)
    with TestClient(create_app(settings)) as client:
        key = issue_key(settings, "1")
        fields = {"image": base64.b64encode(BLACK).decode(), "type": fakes.ECHO}
        reply = client.post("/api/v1/captcha.php", headers={"X-API-Key": key}, json=fields)
        late = report(client, key, log_id=parse(reply)["data"]["log_id"], verdict="wrong")
    assert parse(late)["error"]["reason"] == "report_refused"
