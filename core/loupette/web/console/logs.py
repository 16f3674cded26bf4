"""/console/logs: the requests, searched and filtered, and one of them with its detail."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from starlette.responses import Response

from loupette.errors import BadField, SolverError, UnknownLog, UnsupportedOption
from loupette.store.logs import LogRecord, format_log_id, parse_log_id
from loupette.web.body import text_in
from loupette.web.console.pictures import find_boxes, picture_url
from loupette.web.console.visits import Visit, number, see
from loupette.web.responses import REASONS, encode

_PAGE = 50
_FILTERS = ("q", "account", "type", "outcome", "since", "until")


async def show(visit: Visit) -> Response:
    """A page of the log, newest first."""
    query = visit.request.query_params
    asked = {name: text_in(query, name).strip()[:100] for name in _FILTERS}
    if parse_log_id(asked["q"]):
        return see(f"/console/logs/{asked['q']}")
    found = await _find(visit, asked)
    page = found[:_PAGE]
    return visit.show(
        "logs.html",
        logs=page,
        keys=await visit.service.management.key_names(page),
        asked=asked,
        is_filtered=any(asked.values()),
        next=format_log_id(page[-1].id) if len(found) > _PAGE else None,
        query={name: value for name, value in asked.items() if value},
        types=_type_names(visit),
        outcomes=["ok", "replayed", *sorted(REASONS)],
    )


async def _find(visit: Visit, asked: dict[str, str]) -> list[LogRecord]:
    account_id = visit.account_id
    if visit.is_admin and asked["account"]:
        account_id = await visit.service.management.account_id(asked["account"])
    until = _day(asked, "until")
    return await visit.service.management.logs(
        account_id,
        before=parse_log_id(visit.request.query_params.get("before", "")),
        limit=_PAGE + 1,
        type_id=number(asked, "type"),
        outcome=asked["outcome"] or None,
        since_ms=_ms(_day(asked, "since")),
        until_ms=_ms(until + timedelta(days=1)) if until else None,
        answer=asked["q"] or None,
    )


async def show_one(visit: Visit) -> Response:
    """One request, with all that is known of it."""
    return await _show_one(visit, await _asked(visit))


async def read_again(visit: Visit) -> Response:
    """Have its images read again by today's plugins, and show both readings."""
    log = await _asked(visit)
    management = visit.service.management
    if not (sent := await management.images(log)):
        raise UnknownLog(f"the images of {format_log_id(log.id)} are not kept")
    try:
        read = await management.read_again(visit.key, log, sent)
    except (SolverError, BadField, UnsupportedOption) as error:
        return await _show_one(visit, log, Reading(error.reason))
    return await _show_one(visit, log, Reading("ok", read.result, _shown(read.confidence)))


@dataclass(frozen=True)
class Reading:
    """How a request ended, or ends with today's plugins; a confidence as it is shown."""

    outcome: str
    answer: str | None = None
    confidence: str | None = None


def _shown(confidence: float | None) -> str | None:
    """With the four decimals that replies have; what differs beyond them is the same to people."""
    return None if confidence is None else f"{confidence:.4f}"


async def _asked(visit: Visit) -> LogRecord:
    text = visit.request.path_params["log_id"]
    log_id = parse_log_id(text)
    log = await visit.service.management.log(visit.account_id, log_id) if log_id else None
    if log is None:
        raise UnknownLog(f"there is no log {text[:40]}")
    return log


async def _show_one(visit: Visit, log: LogRecord, now: Reading | None = None) -> Response:
    management = visit.service.management
    names = _type_names(visit)
    keys = await management.key_names([log])
    sent = await management.images(log)
    return visit.show(
        "log.html",
        log=log,
        by=keys[log.key_id],
        names=names,
        detail=_pretty(log.detail),
        pictures=[url for url in map(picture_url, sent) if url],
        boxes=find_boxes(log.detail or {}),
        can_read_again=visit.is_admin and bool(sent) and log.type_id in names,
        then=Reading(log.outcome, log.answer, _shown(log.confidence)),
        now=now,
    )


def _pretty(detail: object) -> str:
    return msgspec.json.format(encode(detail), indent=2).decode() if detail else ""


def _type_names(visit: Visit) -> dict[int, tuple[str, str]]:
    """Of all types in registry.toml, served or not, in both languages."""
    specs = (one.registered.spec for one in visit.service.management.types())
    return {spec.type_id: (spec.name, spec.name_en) for spec in specs}


def _day(asked: dict[str, str], name: str) -> datetime | None:
    if not asked[name]:
        return None
    try:
        return datetime.strptime(asked[name], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadField(f"{name} must be a day such as 2027-01-31") from error


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
