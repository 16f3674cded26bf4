"""What a key may see and say of its own account: balance, logs, reports."""

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from loupette.errors import BadField, MissingField, UnknownLog
from loupette.money import to_yuan
from loupette.plugin.types import LARGEST_TYPE_ID
from loupette.store.keys import KeyRecord
from loupette.store.logs import LogRecord, format_log_id, parse_log_id
from loupette.web.auth import header_key, one_key
from loupette.web.body import Fields, api_key_in, read_fields, text_in
from loupette.web.responses import SUCCESS, render, respond
from loupette.web.service import Service, admit, service_of

_PAGE = 50
_LARGEST_PAGE = 500
_LARGEST_REPORT = 16_384
_VERDICTS = ("correct", "wrong")


async def balance(request: Request) -> Response:
    """GET /api/v1/balance: as committed; what is held for requests in flight is not yet off."""
    service = service_of(request)
    key, headers = await admit(service, one_key(header_key(request), None), "read")
    balance_micros = await service.engine.front.balance(key)
    data = {"balance": to_yuan(balance_micros), "currency": "CNY", "account": key.account_name}
    return _reply(service, data, headers)


async def list_logs(request: Request) -> Response:
    """GET /api/v1/logs: the account's own requests, newest first.

    Query: limit, before (a log_id, from `next`), since and until (Unix seconds or ISO 8601),
    type, outcome ("ok" or an error's reason).
    """
    service = service_of(request)
    key, headers = await admit(service, one_key(header_key(request), None), "read")
    query = request.query_params
    _check_names(query, ("limit", "before", "since", "until", "type", "outcome"))
    limit = _integer(query, "limit", _PAGE, 1, _LARGEST_PAGE) or _PAGE
    found = await service.engine.logs(
        key.account_id,
        before=_log_id("before", query["before"]) if query.get("before") else None,
        limit=limit + 1,
        since_ms=_time_ms(query, "since"),
        until_ms=_time_ms(query, "until"),
        type_id=_integer(query, "type", None, 1, LARGEST_TYPE_ID),
        outcome=text_in(query, "outcome") or None,
    )
    page = found[:limit]
    more = format_log_id(page[-1].id) if len(found) > limit else None
    return _reply(service, {"logs": [describe_log(log) for log in page], "next": more}, headers)


async def one_log(request: Request) -> Response:
    """GET /api/v1/logs/{log_id}: one of the account's own requests."""
    service = service_of(request)
    key, headers = await admit(service, one_key(header_key(request), None), "read")
    text = request.path_params["log_id"]
    log_id = parse_log_id(text)
    found = log_id and await service.engine.log(key.account_id, log_id)
    if not found:
        raise UnknownLog(f"this account has no log {text[:40]}")
    return _reply(service, describe_log(found), headers)


async def report(request: Request) -> Response:
    """POST /api/v1/report: say whether an answer was right; refunds as the operator decides."""
    service = service_of(request)
    key, headers, fields = await _read_report(request, service)
    log_id = _log_id("log_id", _required_text(fields, "log_id"))
    verdict = _required_text(fields, "verdict")
    if verdict not in _VERDICTS:
        raise BadField(f"verdict must be one of {', '.join(_VERDICTS)}")
    true_answer = _required_text(fields, "answer") if fields.get("answer") is not None else None
    done = await service.engine.report(
        key.account_id, log_id, verdict=verdict, true_answer=true_answer
    )
    data = {
        "log_id": format_log_id(log_id),
        "verdict": verdict,
        "refunded": to_yuan(done.refund_micros),
        "balance": to_yuan(done.balance_micros),
    }
    return _reply(service, data, headers)


async def _read_report(
    request: Request, service: Service
) -> tuple[KeyRecord, Mapping[str, str], Fields]:
    """Who reports, and what; a key in the header is looked at before the body."""
    timeout_s = service.settings.body_timeout_s
    if (in_header := header_key(request)) is not None:
        key, headers = await admit(service, in_header, "report")
        fields = await read_fields(request, max_bytes=_LARGEST_REPORT, timeout_s=timeout_s)
        one_key(in_header, api_key_in(fields))
        return key, headers, fields
    with service.stranger():
        fields = await read_fields(request, max_bytes=_LARGEST_REPORT, timeout_s=timeout_s)
    return *await admit(service, one_key(None, api_key_in(fields)), "report"), fields


def describe_log(log: LogRecord) -> dict[str, object]:
    """One log entry as JSON."""
    return {
        "log_id": format_log_id(log.id),
        "time": log.created_ms // 1000,
        "type": log.type_id,
        "code": log.code,
        "outcome": log.outcome,
        "result": log.answer,
        "confidence": log.confidence,
        "cost": to_yuan(log.cost_micros) or 0,
        "response_time": log.response_ms,
        "verdict": log.verdict,
        "refunded": to_yuan(log.refund_micros),
        "detail": log.detail,
    }


def _reply(service: Service, data: Mapping[str, object], headers: Mapping[str, str]) -> Response:
    body = render(200, SUCCESS, data)
    return respond(200, body, always_200=service.settings.always_200, headers=headers)


def _check_names(query: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in query:
        if name not in known:
            raise BadField(f"no parameter is called {name[:40]!r}; there are {', '.join(known)}")


def _integer(
    query: Mapping[str, str], name: str, default: int | None, low: int, high: int
) -> int | None:
    text = query.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise BadField(f"{name} must be an integer within {low} and {high}")
    return int(text)


def _time_ms(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text) * 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadField(f"{name} must be Unix seconds or an ISO 8601 time") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _required_text(fields: Fields, name: str) -> str:
    text = text_in(fields, name)
    if not text:
        raise MissingField(f"{name} is required")
    return text


def _log_id(name: str, text: str) -> int:
    log_id = parse_log_id(text)
    if log_id is None:
        raise BadField(f"{name} must be a log ID such as LOG20241101000001")
    return log_id
