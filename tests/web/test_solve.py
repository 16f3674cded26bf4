"""POST /api/v1/captcha.php: the documented request and reply, money, limits, repeats."""

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.errors import StoreError
from loupette.money import to_micros
from loupette.settings import Settings
from loupette.store.keys import account_id_of, disable_account, disable_key, find_key
from loupette.store.ledger import topup, verify
from loupette.store.logs import query
from loupette.store.opening import open_database
from loupette.web.app import create_app
from pools import black

URL = "/api/v1/captcha.php"
Post = Callable[..., httpx2.Response]
NewKey = Callable[..., str]

IMAGE = base64.b64encode(fakes.draw_png()).decode()
BLACK = fakes.draw_png(colour="black")


def parse(response: httpx2.Response) -> Any:  # Any: JSON
    return json.loads(response.text, parse_float=Decimal)


def balance_of(client: TestClient, key: str) -> Decimal:
    return Decimal(
        parse(client.get("/api/v1/balance", headers={"X-API-Key": key}))["data"]["balance"]
    )


def logs_of(client: TestClient, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parse(
        client.get("/api/v1/logs?limit=500", headers={"X-API-Key": key})
    )["data"]["logs"]
    return found


def assert_adds_up(settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as database:
        assert verify(database).problems == ()


def assert_free(
    response: httpx2.Response, client: TestClient, key: str, *, code: int, reason: str
) -> None:
    """A documented failure: logged, uncharged."""
    body = parse(response)
    assert (response.status_code, body["code"], body["error"]["reason"]) == (code, code, reason)
    assert body["data"]["cost"] == 0
    assert body["data"]["balance"] == balance_of(client, key) == 100
    newest = logs_of(client, key)[0]
    assert newest["log_id"] == body["data"]["log_id"]
    assert (newest["code"], newest["outcome"], newest["cost"]) == (code, reason, 0)


# --- the documented reply


def test_a_success_has_the_documented_shape(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    body = parse(post(key=new_key("95.51")))
    data = body["data"]
    assert list(body) == ["code", "msg", "data", "timestamp"]
    assert (body["code"], body["msg"]) == (200, "识别成功")
    assert abs(body["timestamp"] - time.time()) < 60
    assert (data["result"], data["group_name"]) == ("40x20", "回声")
    assert (data["cost"], data["balance"]) == (Decimal("0.01"), Decimal("95.50"))
    assert type(data["response_time"]) is int
    assert list(data) == [
        "result", "log_id", "cost", "balance", "response_time", "group_name", "detail",
    ]  # fmt: skip


def test_a_failure_has_the_documented_shape(post: Post) -> None:
    body = parse(post(fakes.REFUSES, image=BLACK))
    assert (body["code"], body["msg"]) == (400, "识别失败")
    assert list(body["data"]) == ["log_id", "cost", "balance", "response_time"]
    assert (body["data"]["cost"], body["data"]["balance"]) == (0, 100)
    assert body["error"]["reason"] == "no_text"
    assert body["error"]["message"] == "无法识别: there is nothing to read"
    assert body["error"]["detail"] == {"candidates": [1, 2]}


def test_a_log_id_is_the_day_and_at_least_six_digits(post: Post) -> None:
    before = time.strftime("%Y%m%d", time.gmtime())
    log_id = parse(post())["data"]["log_id"]
    after = time.strftime("%Y%m%d", time.gmtime())
    assert log_id[:3] == "LOG"
    assert log_id[3:11] in (before, after)
    assert log_id[11:].isdigit()
    assert len(log_id) >= 17


def test_log_ids_are_never_given_twice(post: Post, new_key: NewKey) -> None:
    key = new_key()
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: parse(post(key=key)), range(40)))
    assert len({reply["data"]["log_id"] for reply in replies}) == 40


def test_a_success_says_how_sure_it_is_and_who_read_it(post: Post) -> None:
    detail = parse(post())["data"]["detail"]
    assert (detail["confidence"], detail["plugin"], detail["version"]) == (
        Decimal("0.9"),
        "fakes",
        "",
    )


def test_the_result_is_always_a_text(post: Post) -> None:
    assert parse(post(options={"charset": "12345"}))["data"]["result"] == "12345"


def test_money_is_written_as_exact_numbers(post: Post, new_key: NewKey) -> None:
    text = post(key=new_key("0.1")).text
    assert '"cost":0.01,' in text
    assert '"balance":0.09,' in text


def test_many_small_charges_leave_no_rounding(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key("1")
    for _ in range(30):
        assert post(key=key).status_code == 200
    assert balance_of(client, key) == Decimal("0.70")


# --- the key


def test_the_key_may_come_in_the_header(client: TestClient, new_key: NewKey) -> None:
    reply = client.post(URL, headers={"X-API-Key": new_key()}, json={"image": IMAGE, "type": 60001})
    assert reply.status_code == 200


def test_the_key_may_come_in_the_body(client: TestClient, new_key: NewKey) -> None:
    fields = {"api_key": new_key(), "image": IMAGE, "type": 60001}
    assert client.post(URL, json=fields).status_code == 200


def test_the_same_key_may_come_in_both(client: TestClient, new_key: NewKey) -> None:
    key = new_key()
    fields = {"api_key": key, "image": IMAGE, "type": 60001}
    assert client.post(URL, headers={"X-API-Key": key}, json=fields).status_code == 200
    assert balance_of(client, key) == Decimal("99.99")


def test_two_different_keys_are_refused(client: TestClient, new_key: NewKey) -> None:
    fields = {"api_key": new_key(), "image": IMAGE, "type": 60001}
    reply = client.post(URL, headers={"X-API-Key": new_key()}, json=fields)
    assert (reply.status_code, parse(reply)["msg"]) == (401, "认证失败")
    assert "differ" in parse(reply)["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "ak_unknown"},
        {"X-API-Key": "kö".encode("latin-1")},
        {"X-API-Key": "钥匙".encode()},
        {"X-API-Key": b"\xff\xfe\x80"},
        {"X-API-Key": "x" * 5000},
    ],
)
def test_no_key_or_an_unknown_one_is_401(client: TestClient, headers: dict[str, Any]) -> None:
    reply = client.post(URL, headers=headers, json={"image": IMAGE, "type": 60001})
    body = parse(reply)
    assert (reply.status_code, body["code"], body["msg"]) == (401, 401, "认证失败")
    assert (body["data"], body["error"]["reason"]) == ({}, "unauthenticated")


@pytest.mark.parametrize("key", ["ak_unknown", "钥匙", "x" * 5000, "\x00"])
def test_an_unknown_key_in_the_body_is_401(client: TestClient, key: str) -> None:
    reply = client.post(URL, json={"api_key": key, "image": IMAGE, "type": 60001})
    assert (reply.status_code, parse(reply)["error"]["reason"]) == (401, "unauthenticated")


def test_half_a_surrogate_pair_in_the_key_is_a_clear_error(client: TestClient) -> None:
    body = b'{"api_key": "\\ud800", "image": "AAAA", "type": 60001}'
    reply = client.post(URL, content=body)
    assert reply.status_code in (400, 401)
    assert parse(reply)["error"]["reason"] in ("not_json", "unauthenticated")


@pytest.mark.parametrize("whole_account", [False, True])
def test_a_disabled_key_or_account_is_401(
    settings: Settings, new_key: NewKey, post: Post, whole_account: bool
) -> None:
    name = f"disabled-{whole_account}"
    key = new_key(account=name)
    with open_database(settings.database, settings.database_url) as database:
        if whole_account:
            disable_account(database, name, now_ms=1)
        else:
            found = find_key(database.reader, key)
            assert found
            disable_key(database, found.prefix, now_ms=1)
    body = parse(post(key=key))
    assert (body["code"], body["error"]["reason"]) == (401, "key_disabled")
    assert body["data"] == {}
    with open_database(settings.database, settings.database_url) as database:
        logged = query(database.reader, account_id_of(database.reader, name))
    assert [log.outcome for log in logged] == ["key_disabled"]


# --- what the caller asks


def test_a_second_image_is_taken_under_either_name(post: Post) -> None:
    piece = base64.b64encode(fakes.draw_png(9, 9)).decode()
    for name in ("image2", "slide_image"):
        assert parse(post(**{name: piece}))["data"]["detail"]["image2_width"] == 9


def test_equal_second_images_under_both_names_are_one(post: Post) -> None:
    piece = base64.b64encode(fakes.draw_png(9, 9)).decode()
    assert post(image2=piece, slide_image=f"data:image/png;base64,{piece}").status_code == 200


def test_different_second_images_under_both_names_are_refused(post: Post) -> None:
    other = base64.b64encode(BLACK).decode()
    body = parse(post(image2=IMAGE, slide_image=other))
    assert (body["code"], body["error"]["reason"]) == (400, "bad_field")


def test_a_second_image_for_a_type_that_takes_one_is_refused(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    reply = post(fakes.CLOSED, key=key, image2=IMAGE)
    assert_free(reply, client, key, code=400, reason="unsupported_option")


@pytest.mark.parametrize(
    "options",
    [
        {},
        None,
        {"charset": "FIXED"},
        {"min_length": 5, "max_length": 5},
        {"case": "upper"},
        {"case": "keep", "min_confidence": 0.9},
        {"charset": None},
    ],
)
def test_an_answer_within_the_options_is_a_success(post: Post, options: object) -> None:
    assert parse(post(fakes.CLOSED, options=options))["data"]["result"] == "FIXED"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"charset": "0123456789"}, "options_broken"),
        ({"min_length": 6}, "options_broken"),
        ({"max_length": 4}, "options_broken"),
        ({"case": "lower"}, "options_broken"),
        ({"min_confidence": 0.91}, "low_confidence"),
        ({"min_length": 6, "max_length": 5}, "bad_field"),
        ({"min_confidence": 2}, "bad_field"),
        ({"charset": 5}, "bad_field"),
        ({"colour": "red"}, "unsupported_option"),
        ([], "bad_field"),
        ("charset", "bad_field"),
        ({"width": 10**30}, "bad_field"),
        ({"width": [10**30]}, "bad_field"),
    ],
)
def test_options_that_cannot_be_met_are_a_free_failure(
    client: TestClient, new_key: NewKey, post: Post, options: object, reason: str
) -> None:
    key = new_key()
    reply = post(fakes.CLOSED, key=key, options=options)
    assert_free(reply, client, key, code=400, reason=reason)


def test_the_solver_sees_the_options(post: Post) -> None:
    detail = parse(post(options={"width": 3, "charset": "abc"}))["data"]["detail"]
    assert detail["options"] == {"width": 3, "charset": "abc"}


@pytest.mark.parametrize(
    ("type_id", "posted", "kept"),
    [
        (fakes.ECHO, {"charset": "数a", "width": 3, "case": None}, {"charset": "数a", "width": 3}),
        (fakes.CLOSED, {"max_length": 4}, {"max_length": 4}),  # refused, for its options
        (fakes.ECHO, {}, None),
        (fakes.ECHO, {"width": 99}, None),  # never asked
        (5, {"width": 3}, None),
    ],
)
def test_options_are_in_the_log_as_they_were_checked_answered_or_not(
    settings: Settings, new_key: NewKey, post: Post, type_id: int, posted: Any, kept: Any
) -> None:
    key = new_key()
    post(type_id, key=key, options=posted)
    with open_database(settings.database, settings.database_url) as database:
        record = find_key(database.reader, key)
        assert record
        (log,) = query(database.reader, record.account_id)
    assert log.options == kept


def test_options_of_concurrent_callers_never_mix(post: Post, new_key: NewKey) -> None:
    key = new_key()
    texts = [f"{number:03d}" for number in range(60)]

    def ask(text: str) -> str:
        return str(parse(post(key=key, options={"charset": text}))["data"]["result"])

    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(ask, texts)) == texts


@pytest.mark.parametrize(
    ("type_id", "reason"),
    [
        (99999, "unknown_type"),
        (10**9, "unknown_type"),
        ("60001", "bad_field"),
        (60001.0, "bad_field"),
        (60001.5, "bad_field"),
        (-60001, "bad_field"),
        (0, "bad_field"),
        (True, "bad_field"),
        (None, "missing_field"),
        ("", "missing_field"),
        ([60001], "bad_field"),
        ({}, "bad_field"),
        (2**31, "bad_field"),
        (2**63, "bad_field"),
        (2**64, "bad_field"),
        (10**30, "bad_field"),
        (-(10**30), "bad_field"),
    ],
)
def test_a_type_that_is_none_is_a_clear_error(
    client: TestClient, new_key: NewKey, post: Post, type_id: object, reason: str
) -> None:
    key = new_key()
    assert_free(post(type_id, key=key), client, key, code=400, reason=reason)


@pytest.mark.parametrize("digits", ["9" * 5000, "1e400", "-1e400", "NaN", "Infinity", "0x1"])
def test_a_type_that_is_no_json_number_is_not_json(
    client: TestClient, new_key: NewKey, digits: str
) -> None:
    key = new_key()
    reply = client.post(
        URL, headers={"X-API-Key": key}, content=f'{{"image": "{IMAGE}", "type": {digits}}}'
    )
    assert_free(reply, client, key, code=400, reason="not_json")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("", "missing_field"),
        ("*no base64*", "bad_base64"),
        ("A", "bad_base64"),
        ("data:image/png;base64,", "bad_base64"),
        ("\x00", "bad_base64"),
        (b"hello, this is no image", "not_an_image"),
        (BLACK[:60], "broken_image"),
    ],
)
def test_an_image_that_is_none_is_a_clear_error(
    client: TestClient, new_key: NewKey, post: Post, image: str | bytes, reason: str
) -> None:
    key = new_key()
    assert_free(post(key=key, image=image), client, key, code=400, reason=reason)


@pytest.mark.parametrize("image", [5, True, ["AAAA"], {"data": "AAAA"}, 1.5])
def test_an_image_that_is_no_text_is_a_clear_error(
    client: TestClient, new_key: NewKey, image: object
) -> None:
    key = new_key()
    reply = client.post(URL, headers={"X-API-Key": key}, json={"image": image, "type": 60001})
    assert_free(reply, client, key, code=400, reason="bad_field")


def test_the_second_image_is_checked_as_the_first(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    assert_free(post(key=key, image2="*"), client, key, code=400, reason="bad_base64")


# --- when the solver does not answer


@pytest.mark.parametrize(
    ("type_id", "code", "msg", "reason"),
    [
        (fakes.REFUSES, 400, "识别失败", "no_text"),
        (fakes.RAISES, 500, "服务器错误", "solver_crashed"),
        (fakes.WRONG, 500, "服务器错误", "solver_crashed"),
        (fakes.DIES, 500, "服务器错误", "solver_crashed"),
        (fakes.SLOW, 500, "服务器错误", "solver_timeout"),
    ],
)
def test_no_answer_costs_nothing_and_is_logged(
    client: TestClient, new_key: NewKey, post: Post, settings: Settings,
    type_id: int, code: int, msg: str, reason: str,
) -> None:  # fmt: skip
    post()  # answered by a worker that is free next, whatever the test before did to the others
    key = new_key()
    reply = post(type_id, key=key, image=black())
    assert parse(reply)["msg"] == msg
    assert_free(reply, client, key, code=code, reason=reason)
    assert_adds_up(settings)


def test_the_types_own_threshold_refuses_an_unsure_answer(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    reply = post(fakes.UNSURE, key=key, image=BLACK, options={"min_confidence": 0.31})
    assert_free(reply, client, key, code=400, reason="low_confidence")
    assert post(fakes.UNSURE, key=key, image=BLACK).status_code == 200


def test_a_confidence_is_one_number_of_four_digits_wherever_it_is_told(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    refused = post(fakes.UNSURE, key=key, image=BLACK, options={"min_confidence": 0.30004})
    assert parse(refused)["error"]["detail"]["confidence"] == Decimal("0.3")
    told = parse(post(fakes.UNSURE, key=key, image=BLACK))["data"]["detail"]["confidence"]
    assert told == logs_of(client, key)[0]["confidence"] == Decimal("0.3")


# --- money


@pytest.mark.parametrize(
    ("balance", "answers"), [("0", 0), ("0.009999", 0), ("0.01", 1), ("0.03", 3)]
)
def test_an_account_pays_for_as_many_answers_as_its_balance_has(
    new_key: NewKey, post: Post, balance: str, answers: int
) -> None:
    key = new_key(balance)
    codes = [post(key=key).status_code for _ in range(answers + 2)]
    assert codes == [200] * answers + [402, 402]


def test_a_short_balance_is_402_and_logged(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key("0.005")
    body = parse(post(key=key))
    assert (body["code"], body["msg"], body["data"]["cost"]) == (402, "余额不足", 0)
    assert body["data"]["balance"] == Decimal("0.005")
    assert logs_of(client, key)[0]["outcome"] == "insufficient_balance"


def test_concurrent_requests_never_overdraw(
    client: TestClient, new_key: NewKey, post: Post, settings: Settings
) -> None:
    key = new_key("0.05")
    with ThreadPoolExecutor(16) as threads:
        codes = sorted(threads.map(lambda _: post(key=key).status_code, range(32)))
    assert codes == [200] * 5 + [402] * 27
    assert balance_of(client, key) == 0
    assert_adds_up(settings)


def test_an_answer_can_be_looked_up_in_the_log(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    data = parse(post(key=key))["data"]
    log = parse(client.get(f"/api/v1/logs/{data['log_id']}", headers={"X-API-Key": key}))["data"]
    assert (log["result"], log["type"], log["code"]) == ("40x20", fakes.ECHO, 200)
    assert (log["cost"], log["outcome"]) == (Decimal("0.01"), "ok")


# --- how often


def test_the_eleventh_request_at_once_is_429_with_all_headers(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key(rate=10)
    replies = [post(key=key, image="*") for _ in range(11)]
    refused = replies[-1]
    if refused.status_code != 429:  # this machine took over 0.1 s: one more had trickled in
        refused = next(
            r for r in (post(key=key, image="*") for _ in range(100)) if r.status_code == 429
        )
    assert [reply.status_code for reply in replies[:10]] == [400] * 10
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["RateLimit-Policy"] == '"key";q=10;w=1'
    assert refused.headers["RateLimit"] == '"key";r=0;t=1'
    assert (parse(refused)["code"], parse(refused)["msg"]) == (429, "请求过于频繁")


def test_a_request_over_the_rate_is_logged_and_free(
    client: TestClient, new_key: NewKey, post: Post, settings: Settings
) -> None:
    key = new_key(rate=0.001)
    assert post(key=key).status_code == 200
    body = parse(post(key=key))
    assert body["error"]["reason"] == "rate_limited"
    assert body["data"]["balance"] == Decimal("99.99")
    with open_database(settings.database, settings.database_url) as database:
        rows = database.reader.execute(
            "SELECT code, outcome FROM logs ORDER BY id DESC LIMIT 2"
        ).fetchall()
    assert rows == [(429, "rate_limited"), (200, "ok")]


def test_of_many_requests_over_the_rate_only_as_many_as_the_rate_are_logged(
    new_key: NewKey, post: Post, settings: Settings
) -> None:
    key = new_key(rate=0.001, account="flood")
    replies = [parse(post(key=key)) for _ in range(6)]
    assert [reply["code"] for reply in replies] == [200] + [429] * 5
    assert ["log_id" in reply["data"] for reply in replies] == [True, True] + [False] * 4
    with open_database(settings.database, settings.database_url) as database:
        found = query(database.reader, account_id_of(database.reader, "flood"))
    assert [log.outcome for log in found] == ["rate_limited", "ok"]


def test_a_disabled_key_counts_against_its_rate(
    new_key: NewKey, post: Post, settings: Settings
) -> None:
    key = new_key(rate=0.001)
    with open_database(settings.database, settings.database_url) as database:
        disable_key(database, key[:11], now_ms=1)
    replies = [post(key=key) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [401, 429, 429]
    assert [parse(reply)["data"] for reply in replies] == [{}, {}, {}]


def test_a_store_that_fails_is_in_the_servers_log_only(
    client: TestClient, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    app: Any = client.app
    engine = app.state.service.engine
    catalogue, engine.catalogue = engine.catalogue, _Failing()
    try:
        reply = parse(post())
    finally:
        engine.catalogue = catalogue
    assert (reply["error"]["reason"], "disk" in str(reply)) == ("internal_error", False)
    assert f"{reply['data']['log_id']} failed: the disk is full" in caplog.text


class _Failing:
    def find(self, type_id: int) -> None:
        raise StoreError("the disk is full")


def test_every_reply_says_what_is_left_of_the_rate(post: Post, new_key: NewKey) -> None:
    key = new_key(rate=0.001)
    assert post(key=key).headers["RateLimit"].startswith('"key";r=0;t=')
    assert post().headers["RateLimit-Policy"] == '"key";q=1000;w=1'


def test_a_key_in_the_body_counts_against_its_rate(client: TestClient, new_key: NewKey) -> None:
    fields = {"api_key": new_key(rate=0.001), "image": IMAGE, "type": 60001}
    assert [client.post(URL, json=fields).status_code for _ in range(2)] == [200, 429]


# --- repeats


def repeat(post: Post, key: str, name: str | bytes, **changes: Any) -> httpx2.Response:
    values = {"type_id": fakes.ECHO, "key": key, "headers": {"Idempotency-Key": name}} | changes
    return post(**values)


def test_a_repeat_gets_the_first_answer_and_is_not_charged_again(
    client: TestClient, new_key: NewKey, post: Post, settings: Settings
) -> None:
    key = new_key()
    first, second = repeat(post, key, "one"), repeat(post, key, "one")
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert balance_of(client, key) == Decimal("99.99")
    assert_adds_up(settings)


def test_a_repeat_is_logged_as_such(client: TestClient, new_key: NewKey, post: Post) -> None:
    key = new_key()
    first = parse(repeat(post, key, "one"))["data"]["log_id"]
    repeat(post, key, "one")
    newest = logs_of(client, key)[0]
    assert (newest["outcome"], newest["cost"], newest["detail"]) == ("replayed", 0, {"of": first})


@pytest.mark.parametrize("type_id", [fakes.ECHO, fakes.REFUSES])
def test_concurrent_duplicates_get_one_answer(
    client: TestClient, new_key: NewKey, post: Post, settings: Settings, type_id: int
) -> None:
    key = new_key()
    with ThreadPoolExecutor(8) as threads:
        replies = list(
            threads.map(
                lambda _: repeat(post, key, "same", type_id=type_id, image=BLACK), range(16)
            )
        )
    assert len({reply.content for reply in replies}) == 1
    assert sum("Idempotent-Replayed" in reply.headers for reply in replies) == 15
    assert balance_of(client, key) == (Decimal("99.99") if type_id == fakes.ECHO else 100)
    assert_adds_up(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"image": BLACK},
        {"type_id": fakes.CLOSED},
        {"options": {"width": 3}},
        {"image2": IMAGE},
    ],
)
def test_the_same_name_for_another_request_is_400(
    client: TestClient, new_key: NewKey, post: Post, changes: dict[str, Any]
) -> None:
    key = new_key()
    repeat(post, key, "one")
    reply = repeat(post, key, "one", **changes)
    assert (reply.status_code, parse(reply)["error"]["reason"]) == (400, "idempotency_mismatch")
    assert balance_of(client, key) == Decimal("99.99")


def test_accounts_do_not_share_names(client: TestClient, new_key: NewKey, post: Post) -> None:
    replies = [repeat(post, new_key(), "shared") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert "Idempotent-Replayed" not in replies[1].headers


def test_a_multipart_repeat_with_another_boundary_is_a_repeat(
    client: TestClient, new_key: NewKey
) -> None:
    key = new_key()

    def send(boundary: str) -> httpx2.Response:
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="type"\r\n\r\n60001\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"\r\n\r\n{IMAGE}\r\n'
            f"--{boundary}--\r\n"
        )
        kind = f"multipart/form-data; boundary={boundary}"
        headers = {"X-API-Key": key, "Idempotency-Key": "m", "Content-Type": kind}
        return client.post(URL, headers=headers, content=body)

    first, second = send("aaaa"), send("bbbb")
    assert first.status_code == 200
    assert second.content == first.content
    assert balance_of(client, key) == Decimal("99.99")


def test_the_same_request_in_another_spelling_is_a_repeat(
    client: TestClient, new_key: NewKey, post: Post
) -> None:
    key = new_key()
    first = repeat(post, key, "one", options={"width": 1, "charset": "x40x20"})
    url = f"data:image/png;base64,{IMAGE}"
    second = repeat(post, key, "one", image=url, options={"charset": "x40x20", "width": 1})
    assert first.content == second.content


def test_a_lack_of_money_is_not_final(new_key: NewKey, post: Post, settings: Settings) -> None:
    key = new_key("0.001", account="topped-up-later")
    assert repeat(post, key, "pay").status_code == 402
    with open_database(settings.database, settings.database_url) as database:
        topup(database, "topped-up-later", to_micros(Decimal("1")), now_ms=1)
    assert repeat(post, key, "pay").status_code == 200


@pytest.mark.parametrize("type_id", [fakes.RAISES, fakes.SLOW])
def test_a_crash_or_timeout_is_not_final(new_key: NewKey, post: Post, type_id: int) -> None:
    key = new_key()
    replies, image = [], black()
    for _ in range(2):
        post()  # so that a worker is free
        replies.append(repeat(post, key, "again", type_id=type_id, image=image))
    assert [reply.status_code for reply in replies] == [500, 500]
    assert "Idempotent-Replayed" not in replies[1].headers


def test_a_refusal_is_final(new_key: NewKey, post: Post) -> None:
    key = new_key()
    first, second = (repeat(post, key, "no", type_id=fakes.REFUSES, image=BLACK) for _ in range(2))
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (first.status_code, second.content) == (400, first.content)


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_of_a_wrong_length_is_400(
    client: TestClient, new_key: NewKey, post: Post, name: str
) -> None:
    key = new_key()
    assert_free(repeat(post, key, name), client, key, code=400, reason="bad_field")


@pytest.mark.parametrize("name", [b"\xff\xfe", "名".encode(), b"\xed\xa0\x80", b"x" * 255])
def test_a_name_of_odd_bytes_works_like_any_other(new_key: NewKey, post: Post, name: bytes) -> None:
    key = new_key()
    first, second = repeat(post, key, name), repeat(post, key, name)
    assert (first.status_code, first.content) == (200, second.content)


@pytest.mark.parametrize("number", [2**63, 2**64, -(10**30)])
def test_integers_beyond_64_bits_in_a_repeat_are_a_clear_error(
    client: TestClient, new_key: NewKey, post: Post, number: int
) -> None:
    key = new_key()
    reply = repeat(post, key, "big", options={"width": number})
    assert_free(reply, client, key, code=400, reason="bad_field")


# --- always_200, and a full house


@pytest.fixture(scope="module")
def patient(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp("always")
    return make_settings(folder, always_200=True, workers=1, max_in_flight=1)


def test_always_200_hides_the_code_from_http_only(patient: Settings) -> None:
    with TestClient(create_app(patient), raise_server_exceptions=False) as client:
        poor = {"X-API-Key": issue_key(patient, "0")}
        paths = [("POST", URL, 402), ("GET", URL, 405), ("GET", "/none", 404)]
        for method, path, code in paths:
            reply = client.request(method, path, headers=poor, json={"image": IMAGE, "type": 60001})
            assert (reply.status_code, parse(reply)["code"]) == (200, code)


def test_a_full_server_answers_429_and_logs_it(patient: Settings) -> None:
    with TestClient(create_app(patient), raise_server_exceptions=False) as client:
        key = issue_key(patient)

        def ask(type_id: int) -> Any:
            fields = {"image": base64.b64encode(BLACK).decode(), "type": type_id}
            return parse(client.post(URL, headers={"X-API-Key": key}, json=fields))

        assert ask(fakes.ECHO)["code"] == 200
        with ThreadPoolExecutor(4) as threads:
            replies = list(threads.map(ask, [fakes.SLOW] * 4))
        logged = {log["log_id"]: log["outcome"] for log in logs_of(client, key)}
    refused = [reply for reply in replies if reply["code"] == 429]
    assert len(refused) == 3
    for reply in refused:
        assert reply["error"]["reason"] == "overloaded"
        assert logged[reply["data"]["log_id"]] == "overloaded"
