"""One shape for every reply of every path, and one table from errors to documented codes."""

import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from loupette import errors
from loupette.calls import Outcome
from loupette.errors import LoupetteError, Overloaded, RateLimited, Unsolvable
from loupette.plugin import Answer
from loupette.web.responses import (
    CODES,
    ENGLISH,
    code_and_msg,
    describe,
    disclose,
    error_headers,
    in_english,
    render,
    render_outcome,
)

DOCUMENTED = {400, 401, 402, 404, 405, 429, 431, 499, 500}
DOCUMENTED_MSG = {
    400: {"参数错误", "识别失败"},
    401: {"认证失败"},
    402: {"余额不足"},
    404: {"未找到"},
    405: {"请求方法不允许"},
    429: {"请求过于频繁"},
    431: {"请求头过大"},
    499: {"客户端已断开"},
    500: {"服务器错误"},
}


def descendants(kind: type[LoupetteError]) -> Iterator[type[LoupetteError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


ALL = [kind for kind in descendants(LoupetteError) if kind.__module__ == errors.__name__]


def make(kind: type[LoupetteError]) -> LoupetteError:
    if kind in (RateLimited, Overloaded):
        return kind("what was wrong", retry_after_s=2.0)  # type: ignore[call-arg]  # these two take it
    if kind is Unsolvable:
        return Unsolvable("no_gap", "what was wrong")
    return kind("what was wrong")


def parse(text: str | bytes) -> Any:  # Any: JSON
    return json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_a_documented_code_and_msg(kind: type[LoupetteError]) -> None:
    code, msg = code_and_msg(make(kind))
    assert code in DOCUMENTED
    assert msg in DOCUMENTED_MSG[code]


def test_every_msg_of_an_error_is_there_in_english() -> None:
    assert {msg for _, msg in CODES.values()} == ENGLISH.keys()


def test_the_english_of_a_message_is_what_follows_its_title() -> None:
    described = describe(errors.BadField("rate: must be a number"))["message"]
    assert in_english(str(described)) == "rate: must be a number"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_a_slug_and_a_chinese_title(kind: type[LoupetteError]) -> None:
    error = make(kind)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", error.reason)
    assert re.fullmatch(r"[A-Za-z0-9 \-一-鿿]+", error.zh)
    assert re.search(r"[一-鿿]", error.zh)


def test_no_two_errors_share_a_reason() -> None:
    branches = (errors.CallerError, errors.SolverError)  # never raised themselves
    raised = [kind for kind in ALL if kind not in branches and kind is not LoupetteError]
    reasons = [make(kind).reason for kind in raised]
    assert sorted(set(reasons)) == sorted(reasons)


def test_the_table_names_only_errors_that_exist() -> None:
    assert set(CODES) <= set(ALL)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.BadBase64, 400),
        (errors.Unsolvable, 400),
        (errors.KeyDisabled, 401),
        (errors.InsufficientBalance, 402),
        (errors.UnknownLog, 404),
        (errors.Overloaded, 429),
        (errors.ClientGone, 499),
        (errors.SolverTimeout, 500),
        (errors.StoreError, 500),
    ],
)
def test_a_class_without_a_line_takes_its_parents(kind: type[LoupetteError], code: int) -> None:
    assert code_and_msg(make(kind))[0] == code


def test_an_error_is_described_in_both_languages() -> None:
    error = errors.BadBase64("send base64", detail={"limit": 3})
    assert describe(error) == {
        "reason": "bad_base64",
        "message": "图片不是有效的 Base64: send base64",
        "detail": {"limit": 3},
    }


def test_without_facts_there_is_no_detail() -> None:
    assert "detail" not in describe(errors.NotFound("no such path"))


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (0.9, "1"), (1.0, "2"), (7.2, "8")])
def test_retry_after_is_whole_seconds_never_too_few(seconds: float, header: str) -> None:
    assert error_headers(RateLimited("slow down", retry_after_s=seconds)) == {"Retry-After": header}


def test_over_a_keys_rate_the_headers_say_which() -> None:
    error = RateLimited("slow down", retry_after_s=0.1, quota=(10, 20))
    assert error_headers(error) == {
        "Retry-After": "1", "RateLimit-Policy": '"key";q=20;w=2', "RateLimit": '"key";r=0;t=1',
    }  # fmt: skip


def test_a_full_server_does_not_say_that_the_keys_rate_is_used_up() -> None:
    assert error_headers(Overloaded("busy", retry_after_s=0.5)) == {"Retry-After": "1"}


@pytest.mark.parametrize("kind", [errors.StoreError, errors.IdempotencyTaken, ZeroDivisionError])
def test_what_is_the_operators_is_logged_and_not_told(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    told = disclose(kind("the disk is full"), of="LOG20241101000001")
    assert (told.reason, "disk" in told.message) == ("internal_error", False)
    assert "LOG20241101000001 failed: the disk is full" in caplog.text


def test_an_error_of_the_operators_that_says_what_happened_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        try:
            raise OSError("database or disk is full")
        except OSError as error:
            raise errors.StoreError(f"nothing was written: {error}") from error

    with pytest.raises(errors.StoreError) as caught:
        fail()
    disclose(caught.value, of="LOG20241101000001")
    assert len(caplog.text.splitlines()) == 1
    disclose(ZeroDivisionError("unforeseen"), of="LOG20241101000001")
    assert len(caplog.text.splitlines()) > 2


@pytest.mark.parametrize("kind", [errors.SolverTimeout, errors.SolverCrashed])
def test_a_solver_out_of_order_is_logged_with_its_cause(
    kind: type[LoupetteError], caplog: pytest.LogCaptureFixture
) -> None:
    error = kind("no answer")
    error.__cause__ = ZeroDivisionError("a plugin's own mistake")
    assert disclose(error, of="x") is error
    assert "a plugin's own mistake" in caplog.text


@pytest.mark.parametrize("error", [Unsolvable("no_text", "nothing"), errors.BadField("type")])
def test_what_is_the_callers_is_not_logged(
    error: LoupetteError, caplog: pytest.LogCaptureFixture
) -> None:
    assert disclose(error, of="x") is error
    assert caplog.text == ""


def test_other_errors_bring_no_headers() -> None:
    assert error_headers(errors.BadField("x")) == {}


def test_decimals_are_written_as_exact_numbers() -> None:
    text = render(200, "好", {"a": Decimal("0.001"), "b": Decimal("95.50"), "c": Decimal("0.00")})
    assert b'"a":0.001,"b":95.50,"c":0.00' in text


def test_a_body_has_the_four_documented_parts() -> None:
    body = parse(render(200, "好", {}))
    assert list(body) == ["code", "msg", "data", "timestamp"]
    assert abs(body["timestamp"] - time.time()) < 60


def outcome(**changes: Any) -> Outcome:
    values: dict[str, Any] = {"log_id": 20241101 * 10**10 + 1, "balance_micros": 95_500_000}
    return Outcome(**(values | {"response_ms": 245} | changes))


def test_the_documented_success_is_rendered_as_documented() -> None:
    answered = outcome(type_name="图像识别", cost_micros=50_000, answer=Answer("8", 0.9877))
    body = parse(render_outcome(answered))
    assert (body["code"], body["msg"]) == (200, "识别成功")
    assert body["data"] == {
        "result": "8",
        "log_id": "LOG20241101000001",
        "cost": Decimal("0.05"),
        "balance": Decimal("95.50"),
        "response_time": 245,
        "group_name": "图像识别",
        "detail": {"confidence": Decimal("0.9877")},
    }


def test_the_documented_failure_is_rendered_as_documented() -> None:
    body = parse(render_outcome(outcome(error=Unsolvable("no_text", "nothing there"))))
    assert (body["code"], body["msg"]) == (400, "识别失败")
    assert body["data"] == {
        "log_id": "LOG20241101000001",
        "cost": 0,
        "balance": Decimal("95.50"),
        "response_time": 245,
    }


def test_a_failure_costs_a_plain_zero() -> None:
    assert b'"cost":0,' in render_outcome(outcome(error=Unsolvable("no_text", "nothing there")))


def test_a_plugins_detail_does_not_hide_the_confidence() -> None:
    answered = outcome(answer=Answer("8", 0.9, {"confidence": 7, "note": "kept"}))
    detail = parse(render_outcome(answered))["data"]["detail"]
    assert detail == {"confidence": Decimal("0.9"), "note": "kept"}


def test_a_reply_rendered_again_later_is_the_same() -> None:
    """What is stored for an Idempotency-Key is made apart from what is sent."""
    answered = outcome(answer=Answer("8", 1.0), ended_s=1_699_999_999)
    body = parse(render_outcome(answered))
    assert body["timestamp"] == 1_699_999_999
    assert (
        abs(parse(render_outcome(outcome(answer=Answer("8", 1.0))))["timestamp"] - time.time()) < 60
    )


# --- every path of a running server


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/api/v2/captcha.php", 404, "not_found"),
        ("POST", "/api/v1/captcha.php/", 404, "not_found"),
        ("GET", "/types/", 404, "not_found"),
        ("GET", "/%2e%2e/etc/passwd", 404, "not_found"),
        ("GET", "/\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), 404, "not_found"),
        ("GET", "/api/v1/captcha.php", 405, "method_not_allowed"),
        ("PUT", "/api/v1/captcha.php", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/logs", 405, "method_not_allowed"),
        ("GET", "/api/v1/report", 405, "method_not_allowed"),
        ("POST", "/api/v1/balance", 405, "method_not_allowed"),
        ("POST", "/types", 405, "method_not_allowed"),
        ("GET", "/api/v1/balance", 401, "unauthenticated"),
        ("GET", "/api/v1/logs", 401, "unauthenticated"),
        ("GET", "/api/v1/logs/LOG20241101000001", 401, "unauthenticated"),
        ("POST", "/api/v1/report", 400, "empty_body"),
        ("POST", "/api/v1/captcha.php", 400, "empty_body"),
        ("GET", "/types/99/sample", 400, "unknown_type"),
        ("GET", "/types/x/sample", 400, "unknown_type"),
        ("GET", "/types/" + "9" * 5000 + "/sample", 400, "unknown_type"),
    ],
)
def test_every_failed_path_answers_in_the_one_shape(
    client: TestClient, method: str, path: str, code: int, reason: str
) -> None:
    reply = client.request(method, path, follow_redirects=False)
    body = parse(reply.text)
    assert reply.headers["content-type"] == "application/json"
    assert (reply.status_code, body["code"]) == (code, code)
    assert body["msg"] in DOCUMENTED_MSG[code]
    assert body["error"]["reason"] == reason
    assert isinstance(body["data"], dict)
    assert isinstance(body["timestamp"], int)


def test_a_method_that_is_not_allowed_says_which_are(client: TestClient) -> None:
    assert client.get("/api/v1/captcha.php").headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/api/v1/types", "/livez", "/readyz", "/api/v1/balance", "/api/v1/logs"]
)
def test_every_successful_path_answers_in_the_one_shape(
    client: TestClient, new_key: Callable[..., str], path: str
) -> None:
    if path == "/readyz":  # the first answer comes from a worker that is ready
        fields = {"image": "", "type": fakes.ECHO}
        client.post("/api/v1/captcha.php", headers={"X-API-Key": new_key()}, json=fields)
    reply = client.get(path, headers={"X-API-Key": new_key()})
    body = parse(reply.text)
    assert body["code"] == reply.status_code
    assert list(body) == ["code", "msg", "data", "timestamp"]
    assert isinstance(body["data"], dict)


def test_a_fault_of_the_server_itself_is_500_in_the_one_shape(
    client: TestClient, new_key: Callable[..., str]
) -> None:
    """A catalogue that vanished under the server: no caller can make this happen."""
    app: Any = client.app
    engine = app.state.service.engine
    key, catalogue = new_key(), engine.catalogue
    engine.catalogue = None
    try:
        replies: list[httpx2.Response] = [
            client.get("/api/v1/types"),
            client.post(
                "/api/v1/captcha.php",
                headers={"X-API-Key": key},
                json={"image": "AAAA", "type": fakes.ECHO},
            ),
        ]
    finally:
        engine.catalogue = catalogue
    for reply in replies:
        body = parse(reply.text)
        assert (reply.status_code, body["code"], body["msg"]) == (500, 500, "服务器错误")
        assert body["error"]["reason"] == "internal_error"
        assert "NoneType" not in reply.text
    assert parse(replies[1].text)["data"]["cost"] == 0
