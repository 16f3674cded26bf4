"""/console/keys: who may call; for administrators also to create, limit, roll over and disable."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from starlette.responses import Response

from loupette.errors import BadField, MissingField
from loupette.money import format_yuan, to_micros
from loupette.store.keys import SCOPES, NewKey
from loupette.web.body import text_in
from loupette.web.console.visits import Visit, number, see

_PAGE = 25
_DAY_MS = 86_400_000
_LONGEST_DAYS = 3650
_MOST_MICROS = 10**15


async def show(visit: Visit) -> Response:
    """A page of the keys."""
    return await _show(visit)


async def change(visit: Visit) -> Response:
    """Do what one of the forms asks for."""
    name = visit.text("action")
    if name not in _ACTIONS:
        raise BadField(f"action must be one of {', '.join(_ACTIONS)}")
    return await _ACTIONS[name](visit)


async def _create(visit: Visit) -> Response:
    account = _needed(visit, "account")
    made = await visit.service.management.create_key(
        visit.key,
        account,
        key_name=visit.text("name") or None,
        rate=_rate(visit),
        scopes=[scope for scope in SCOPES if visit.text(f"scope_{scope}")],
        expires_ms=_expiry(visit),
        opening_micros=_amount(visit, "balance"),
    )
    return await _show(visit, made)


async def _roll(visit: Visit) -> Response:
    hours = _whole(visit, "overlap", most=24 * 365)
    done = await visit.service.management.roll_key(
        visit.key,
        _needed(visit, "prefix"),
        overlap_ms=(hours or 0) * _DAY_MS // 24,
        expires_ms=_expiry(visit),
    )
    return await _show(visit, done.new)


async def _disable(visit: Visit) -> Response:
    await visit.service.management.disable_key(visit.key, _needed(visit, "prefix"))
    return see("/console/keys?done=disabled")


async def _limit(visit: Visit) -> Response:
    _needed(visit, "burst")
    burst = _whole(visit, "burst", most=10**8) or 0  # the store knows how many may be
    prefix, rate = _needed(visit, "prefix"), _rate(visit)
    await visit.service.management.set_rate(visit.key, prefix, rate=rate, burst=burst)
    return see("/console/keys?done=limited")


async def _top_up(visit: Visit) -> Response:
    await visit.service.management.top_up(
        visit.key,
        _needed(visit, "account"),
        _amount(visit, "amount"),
        note=visit.text("note") or f"console, {visit.key.prefix}",
        form=_needed(visit, "form"),
    )
    return see("/console/keys?done=topped_up")


_ACTIONS: Mapping[str, Callable[[Visit], Awaitable[Response]]] = {
    "create": _create,
    "roll": _roll,
    "disable": _disable,
    "limit": _limit,
    "top_up": _top_up,
}


async def _show(visit: Visit, made: NewKey | None = None) -> Response:
    query = visit.request.query_params
    text = text_in(query, "q").strip()[:100]
    offset = min(number(query, "offset") or 0, 10**6)
    found = await visit.service.management.keys(
        visit.account_id, text=text, offset=offset, limit=_PAGE + 1
    )
    return visit.show(
        "keys.html",
        keys=found[:_PAGE],
        more=offset + _PAGE if len(found) > _PAGE else None,
        offset=offset,
        q=text,
        made=made,
        done=query.get("done", ""),
        now_ms=_now_ms(),
        scopes=SCOPES,
        # Of each form that moves money: clicked twice, or sent again, it does so once.
        new_form=secrets.token_urlsafe,
    )


def _needed(visit: Visit, name: str) -> str:
    if not (value := visit.text(name)):
        raise MissingField(f"{name} is required")
    return value


def _rate(visit: Visit) -> float:
    try:
        return float(visit.text("rate") or 10)
    except ValueError as error:
        raise BadField("the rate must be a number of requests per second") from error


def _amount(visit: Visit, name: str) -> int:
    try:
        amount = to_micros(Decimal(visit.text(name) or 0))
    except (ArithmeticError, ValueError) as error:  # 1e999999 is more than Decimal can round
        raise BadField(f"{name} must be an amount in yuan, of at most six decimals") from error
    if not 0 <= amount <= _MOST_MICROS:
        raise BadField(f"{name} must be from {format_yuan(0)} to {format_yuan(_MOST_MICROS)}")
    return amount


def _expiry(visit: Visit) -> int | None:
    days = _whole(visit, "days", most=_LONGEST_DAYS)
    return _now_ms() + days * _DAY_MS if days else None


def _whole(visit: Visit, name: str, *, most: int) -> int | None:
    text = visit.text(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
        raise BadField(f"{name} must be a whole number up to {most}")
    return int(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
