"""What both clients send, read, raise and try again, on transports that misbehave."""

import base64
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from flaky import ANSWER, KEY, Charging, copy, posted, reply
from loupette import errors
from loupette.client import Answer, BadReply, NoReply, Retries

Connect = Callable[..., Any]

IMAGE = b"\x89PNG\r\n\x1a\nnot looked at here"


def always(response: httpx2.Response) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda request: copy(response)


def test_solve_sends_what_is_documented(connect: Connect) -> None:
    server = Charging([])
    connect(server).solve(IMAGE, 50200, image2=b"piece", charset="012", min_confidence=0.5)
    (request,) = server.seen
    assert (request.method, str(request.url)) == ("POST", "http://server/api/v1/captcha.php")
    assert request.headers["X-API-Key"] == KEY
    assert posted(request) == {
        "type": 50200,
        "image": base64.b64encode(IMAGE).decode(),
        "image2": base64.b64encode(b"piece").decode(),
        "options": {"charset": "012", "min_confidence": 0.5},
    }


def test_solve_gives_a_typed_answer_with_exact_money(connect: Connect) -> None:
    body = b"""{"code": 200, "msg": "", "data": {"result": "r7k4m", "log_id": "LOG1",
        "cost": 0.001, "balance": 9007199254.740993, "response_time": 5, "group_name": "n",
        "detail": {"confidence": 0.75}, "of_a_newer_server": []}}"""
    answer = connect(lambda request: httpx2.Response(200, content=body)).solve(IMAGE, 50200)
    assert answer == Answer(
        result="r7k4m",
        log_id="LOG1",
        cost=Decimal("0.001"),
        balance=Decimal("9007199254.740993"),
        response_ms=5,
        type_name="n",
        detail={"confidence": 0.75},
    )
    assert answer.confidence == 0.75


LOST = [
    httpx2.ReadError("reset"),
    httpx2.RemoteProtocolError("closed without a reply"),
    httpx2.ReadTimeout("slow"),
    httpx2.ConnectError("refused"),
    httpx2.Response(502, text="<h1>bad gateway</h1>"),
    httpx2.Response(503),
    httpx2.Response(504),
]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: str(lost) or type(lost).__name__)
def test_an_answer_lost_after_the_charge_is_fetched_with_the_same_key(
    connect: Connect, lost: httpx2.Response | Exception
) -> None:
    server, slept_s = Charging([lost, lost]), list[float]()
    assert connect(server, slept_s).solve(IMAGE, 50200).result == "r7k4m"
    assert list(server.charges.values()) == [1]
    assert len({request.content for request in server.seen}) == 1
    assert (len(server.seen), len(slept_s)) == (3, 2)


def test_each_call_has_an_idempotency_key_of_its_own(connect: Connect) -> None:
    server = Charging([])
    client = connect(server)
    client.solve(IMAGE, 50200)
    client.solve(IMAGE, 50200)
    assert sorted(server.charges.values()) == [1, 1]


def test_a_server_that_stays_away_is_no_reply_with_the_key_to_go_on_with(connect: Connect) -> None:
    server, slept_s = Charging([httpx2.ReadError("reset")] * 3), list[float]()
    with pytest.raises(NoReply, match="at 3 attempts: ReadError reset") as caught:
        connect(server, slept_s, retries=Retries(most=2)).solve(IMAGE, 50200)
    assert [*server.charges] == [caught.value.idempotency_key]
    answer = connect(server).solve(IMAGE, 50200, idempotency_key=caught.value.idempotency_key)
    assert (answer.result, [*server.charges.values()]) == ("r7k4m", [1])


@pytest.mark.parametrize("reason", ["overloaded", "rate_limited"])
def test_a_busy_server_is_asked_again_when_it_says(connect: Connect, reason: str) -> None:
    busy = reply(code=429, headers={"Retry-After": "7"}, reason=reason, message="later")
    slept_s: list[float] = []
    connect(Charging([busy]), slept_s, retries=Retries(first_s=1)).solve(IMAGE, 50200)
    assert len(slept_s) == 1
    assert 7 <= slept_s[0] <= 8


def test_who_is_asked_to_wait_too_long_hears_it_at_once(connect: Connect) -> None:
    busy = reply(code=429, headers={"Retry-After": "3600"}, reason="rate_limited", message="m")
    server = Charging([busy])
    with pytest.raises(errors.RateLimited) as caught:
        connect(server).solve(IMAGE, 50200)
    assert (caught.value.retry_after_s, len(server.seen)) == (3600, 1)


@pytest.mark.parametrize(
    ("code", "msg", "reason", "kind"),
    [
        (400, "参数错误", "bad_field", errors.BadField),
        (400, "参数错误", "not_an_image", errors.NotAnImage),
        (400, "参数错误", "idempotency_mismatch", errors.IdempotencyMismatch),
        (400, "参数错误", "of_a_newer_server", errors.CallerError),
        (400, "识别失败", "low_confidence", errors.LowConfidence),
        (400, "识别失败", "options_broken", errors.OptionsBroken),
        (400, "识别失败", "no_text", errors.Unsolvable),
        (400, "识别失败", "bad_field", errors.Unsolvable),
        (401, "认证失败", "key_disabled", errors.KeyDisabled),
        (402, "余额不足", "insufficient_balance", errors.InsufficientBalance),
        (404, "未找到", "unknown_log", errors.UnknownLog),
        (500, "服务器错误", "solver_timeout", errors.SolverTimeout),
        (500, "服务器错误", "of_a_newer_server", errors.InternalError),
    ],
)
@pytest.mark.parametrize("status", [None, 200], ids=["status", "always 200"])
def test_what_the_server_refuses_is_raised_once_as_its_class(
    connect: Connect,
    code: int,
    msg: str,
    reason: str,
    kind: type[errors.LoupetteError],
    status: int | None,
) -> None:
    refused = reply(
        {"log_id": "LOG2"},
        code,
        msg=msg,
        status=status,
        reason=reason,
        message="m",
        detail={"a": 1},
    )
    server = Charging([refused])
    with pytest.raises(errors.LoupetteError) as caught:
        connect(server).solve(IMAGE, 50200)
    error = caught.value
    assert type(error) is kind
    assert (error.message, error.detail, error.log_id) == ("m", {"a": 1}, "LOG2")
    assert len(server.seen) == 1
    if isinstance(error, errors.Unsolvable):
        assert error.reason == reason


@pytest.mark.parametrize(
    "strange",
    [
        httpx2.Response(200, text="<h1>Welcome</h1>"),
        httpx2.Response(200, json={"code": "200"}),
        httpx2.Response(200, json={"code": 200, "data": {"result": "x"}}),
        httpx2.Response(200, json={"code": 200, "data": {**ANSWER, "cost": "much"}}),
        httpx2.Response(200, json=[]),
        httpx2.Response(418),
    ],
    ids=range(6),
)
def test_what_no_loupette_sends_is_a_bad_reply(connect: Connect, strange: httpx2.Response) -> None:
    server = Charging([strange])
    with pytest.raises(BadReply):
        connect(server).solve(IMAGE, 50200)
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed_with_the_key(connect: Connect) -> None:
    server = Charging([httpx2.Response(301, headers={"Location": "https://elsewhere/"})])
    with pytest.raises(BadReply, match="https://elsewhere/"):
        connect(server).solve(IMAGE, 50200)
    assert len(server.seen) == 1


def test_a_proxys_429_is_a_rate_limit_too(connect: Connect) -> None:
    server = Charging([httpx2.Response(429, text="slow down", headers={"Retry-After": "99"})])
    with pytest.raises(errors.RateLimited):
        connect(server).solve(IMAGE, 50200)


def test_balance_is_typed(connect: Connect) -> None:
    data = {"balance": 12.5, "currency": "CNY", "account": "shop"}
    balance = connect(always(reply(data))).balance()
    assert (balance.balance, balance.account) == (Decimal("12.5"), "shop")


def test_a_report_that_may_have_arrived_is_not_sent_again(connect: Connect) -> None:
    seen = []

    def lose(request: httpx2.Request) -> httpx2.Response:
        seen.append(posted(request))
        raise httpx2.ReadError("reset")

    with pytest.raises(NoReply):
        connect(lose).report("LOG1", "wrong", answer="abc")
    assert seen == [{"log_id": "LOG1", "verdict": "wrong", "answer": "abc"}]


def test_a_report_that_cannot_have_arrived_is_sent_again(connect: Connect) -> None:
    data = {"log_id": "LOG1", "verdict": "wrong", "refunded": 0.001, "balance": 1}
    answers = iter(
        [
            reply(code=429, headers={"Retry-After": "1"}, reason="overloaded", message="m"),
            reply(data),
        ]
    )
    assert connect(lambda request: copy(next(answers))).report("LOG1", "wrong").refunded == Decimal(
        "0.001"
    )


def log_line(number: int) -> dict[str, object]:
    return {
        "log_id": f"LOG{number}",
        "time": 1_700_000_000,
        "type": None,
        "code": 401,
        "outcome": "scope_missing",
        "result": None,
        "confidence": None,
        "cost": 0,
        "response_time": 1,
        "verdict": None,
        "refunded": 0,
        "detail": None,
    }


def serve_logs(total: int, seen: list[dict[str, str]]) -> Callable[..., httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        query = dict(request.url.params)
        seen.append(query)
        newest = int(query.get("before", f"LOG{total}").removeprefix("LOG"))
        oldest = max(0, newest - int(query["limit"]))
        following = f"LOG{oldest}" if oldest else None
        lines = [log_line(number) for number in range(newest, oldest, -1)]
        return reply({"logs": lines, "next": following})

    return answer


@pytest.mark.parametrize(
    ("limit", "found", "pages"),
    [(None, 1200, ["500", "500", "500"]), (700, 700, ["500", "200"]), (3, 3, ["3"])],
)
def test_logs_fetches_as_many_pages_as_are_wanted(
    connect: Connect, limit: int | None, found: int, pages: list[str]
) -> None:
    seen: list[dict[str, str]] = []
    logs = list(connect(serve_logs(1200, seen)).logs(limit=limit))
    assert [log.log_id for log in logs] == [f"LOG{1200 - number}" for number in range(found)]
    assert [query["limit"] for query in seen] == pages


def test_logs_passes_its_filters_on_to_each_page(connect: Connect) -> None:
    seen: list[dict[str, str]] = []
    since = datetime(2026, 11, 1, tzinfo=UTC)
    filters = {"since": since, "until": 1_800_000_000, "type": 50200, "outcome": "ok"}
    list(connect(serve_logs(600, seen)).logs(**filters))
    sent = {name: since.isoformat() if name == "since" else str(v) for name, v in filters.items()}
    assert seen == [sent | {"limit": "500"}, sent | {"limit": "500", "before": "LOG100"}]


def test_a_log_is_found_by_an_id_and_not_by_a_path(connect: Connect) -> None:
    log = connect(always(reply(log_line(7)))).log("LOG7")
    assert (log.type_id, log.moment) == (None, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    with pytest.raises(ValueError, match="no log ID"):
        connect(always(reply(log_line(7)))).log("../report")


def test_a_sample_is_the_file_itself(connect: Connect) -> None:
    png = httpx2.Response(200, content=IMAGE, headers={"Content-Type": "image/png"})
    assert connect(always(png)).sample(50200) == IMAGE
    unknown = reply(code=400, msg="参数错误", reason="unknown_type", message="m")
    with pytest.raises(errors.UnknownType):
        connect(always(unknown)).sample(1)


def test_the_key_is_neither_shown_nor_logged(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Charging([httpx2.ReadError("reset")])
    client = connect(server, url="http://somebody:password@server", retries=Retries(most=0))
    with pytest.raises(NoReply) as caught:
        client.solve(IMAGE, 50200)
    client.solve(IMAGE, 50200)
    shown = f"{client!r} {caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "http://server" in repr(client)
    assert "POST http://server/api" in caplog.text
    assert KEY not in shown
    assert "password" not in shown
    login = base64.b64encode(b"somebody:password").decode()
    assert server.seen[-1].headers["Authorization"] == f"Basic {login}"
