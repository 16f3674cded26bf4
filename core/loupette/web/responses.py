"""One shape for every reply, and the one table from errors to documented codes."""

import logging
import time
from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from loupette.calls import Outcome
from loupette.errors import (
    BadImage,
    BadRequest,
    CallerError,
    ClientGone,
    HeadTooLarge,
    InsufficientBalance,
    InternalError,
    LoupetteError,
    MethodNotAllowed,
    NotFound,
    OperatorError,
    RateLimited,
    ReportRefused,
    SlowBody,
    SolverError,
    Unauthenticated,
    Unsolvable,
    by_reason,
)
from loupette.money import to_yuan
from loupette.store.logs import format_log_id, parse_log_id

_log = logging.getLogger(__name__)

CODES: Mapping[type[LoupetteError], tuple[int, str]] = {
    BadRequest: (400, "参数错误"),
    BadImage: (400, "参数错误"),
    ReportRefused: (400, "参数错误"),
    CallerError: (400, "参数错误"),
    Unsolvable: (400, "识别失败"),
    Unauthenticated: (401, "认证失败"),
    InsufficientBalance: (402, "余额不足"),
    NotFound: (404, "未找到"),
    MethodNotAllowed: (405, "请求方法不允许"),
    RateLimited: (429, "请求过于频繁"),
    HeadTooLarge: (431, "请求头过大"),
    ClientGone: (499, "客户端已断开"),
    SolverError: (500, "服务器错误"),
    InternalError: (500, "服务器错误"),
    OperatorError: (500, "服务器错误"),
    LoupetteError: (500, "服务器错误"),
}
"""Error class -> (documented code, documented msg); a class not listed takes its parent's line."""

ENGLISH: Mapping[str, str] = {
    "参数错误": "Bad request",
    "识别失败": "Not read",
    "认证失败": "Not authenticated",
    "余额不足": "Balance too low",
    "未找到": "Not found",
    "请求方法不允许": "Method not allowed",
    "请求过于频繁": "Too many requests",
    "请求头过大": "Request head too large",
    "客户端已断开": "Client gone",
    "服务器错误": "Server error",
}
"""Each msg as pages in English have it; programs get the documented Chinese."""

REASONS: Mapping[str, type[LoupetteError]] = {
    reason: kind
    for reason, kind in by_reason(LoupetteError).items()
    if kind is not LoupetteError and not issubclass(kind, OperatorError)
}
"""Every reason that can reach a caller, with its class; plugins add reasons to Unsolvable's."""

SOLVED = "识别成功"
SUCCESS = "请求成功"

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Decimals become exact JSON numbers, as `cost` and `balance` must be."""


def code_and_msg(error: LoupetteError | type[LoupetteError]) -> tuple[int, str]:
    """The documented code and Chinese msg of an error, or of a class of them."""
    kinds = error.__mro__ if isinstance(error, type) else type(error).__mro__
    return next(CODES[kind] for kind in kinds if kind in CODES)


def render(
    code: int,
    msg: str,
    data: Mapping[str, object],
    *,
    error: object = None,
    timestamp: int | None = None,
) -> bytes:
    """The body of any reply; its timestamp is now, if not given."""
    body: dict[str, object] = {"code": code, "msg": msg, "data": data}
    if error is not None:
        body["error"] = error
    return encode(body | {"timestamp": int(time.time()) if timestamp is None else timestamp})


def disclose(error: Exception, *, of: str) -> LoupetteError:
    """What a caller may know of an error; what the operator must know goes to the server's log.

    Args:
        error: why there is no answer.
        of: the log ID, or another name, of the request.
    """
    known: LoupetteError = InternalError("the server's log has the reason")
    if isinstance(error, LoupetteError) and not isinstance(error, OperatorError):
        known = error
    if isinstance(known, InternalError | SolverError) and not isinstance(known, Unsolvable):
        facts = {"log_id": of} if parse_log_id(of) else {}
        # What ended a solver is said in the message; a trace would lead through the engine alone.
        # So is what is the operator's, such as a full disk, and that may be for many requests.
        is_unforeseen = isinstance(known, InternalError) and not isinstance(error, OperatorError)
        has_cause = isinstance(error, SolverError) and error.__cause__
        trace = error if is_unforeseen or has_cause else None
        _log.error("%s failed: %s", of, error, exc_info=trace, extra=facts)
    return known


def describe(error: LoupetteError) -> dict[str, object]:
    """The `error` object of a failed reply: Chinese title and English facts in one message."""
    described: dict[str, object] = {
        "reason": error.reason,
        "message": f"{error.zh}: {error.message}",
    }
    return described | {"detail": error.detail} if error.detail else described


def in_english(message: str) -> str:
    """A message of `describe` without its Chinese title, for pages in English."""
    return message.partition(": ")[2]


def render_outcome(outcome: Outcome) -> bytes:
    """The body of a reply to a recognition, answered or not, as documented."""
    data: dict[str, object] = {
        "log_id": format_log_id(outcome.log_id),
        "cost": to_yuan(outcome.cost_micros) or 0,
        "balance": to_yuan(outcome.balance_micros),
        "response_time": outcome.response_ms,
    }
    if outcome.error is not None:
        code, msg = code_and_msg(outcome.error)
        described = describe(outcome.error)
        return render(code, msg, data, error=described, timestamp=outcome.ended_s)
    assert outcome.answer is not None
    data = {"result": outcome.answer.result, **data, "group_name": outcome.type_name}
    confidence = {"confidence": outcome.answer.confidence}
    detail = {**confidence, **outcome.answer.detail, **confidence}
    return render(200, SOLVED, data | {"detail": detail}, timestamp=outcome.ended_s)


def respond(
    code: int, body: bytes, *, always_200: bool, headers: Mapping[str, str] | None = None
) -> Response:
    """A response whose HTTP status is the body's code, unless a proxy needs 200 always."""
    return Response(
        body,
        status_code=200 if always_200 else code,
        media_type="application/json",
        headers=dict(headers or {}),
    )


def error_headers(error: LoupetteError) -> dict[str, str]:
    """Headers that belong to an error: when to come again, or that the connection ends."""
    if isinstance(error, SlowBody):
        # The rest of the body would go on coming, and a next request be taken for it.
        return {"Connection": "close"}
    if not isinstance(error, RateLimited):
        return {}
    headers = {"Retry-After": str(max(1, round(error.retry_after_s + 0.5)))}
    if error.quota is None:
        return headers
    return headers | rate_headers(*error.quota, remaining=0, retry_after_s=error.retry_after_s)


def rate_headers(
    rate: float, burst: int, *, remaining: int, retry_after_s: float
) -> dict[str, str]:
    """RateLimit and RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers has them."""
    window_s = max(1, round(burst / rate))
    return {
        "RateLimit-Policy": f'"key";q={burst};w={window_s}',
        "RateLimit": f'"key";r={remaining};t={max(1, round(retry_after_s + 0.5))}',
    }
