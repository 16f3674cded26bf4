"""POST /api/v1/captcha.php: the documented endpoint."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from loupette.calls import Call, Outcome, Posted
from loupette.errors import (
    BadField,
    IdempotencyTaken,
    InternalError,
    LoupetteError,
    OutcomeUnknown,
    RateLimited,
)
from loupette.messages import REQUESTS
from loupette.store.keys import KeyRecord
from loupette.store.logs import format_log_id
from loupette.web.auth import header_key, identify, one_key, permit, refusal
from loupette.web.body import Fields, api_key_in, posted_in, read_fields, type_id_in
from loupette.web.responses import (
    code_and_msg,
    describe,
    disclose,
    error_headers,
    render,
    render_outcome,
    respond,
)
from loupette.web.service import Service, service_of

_SCOPE = "solve"

_requests = logging.getLogger(REQUESTS)


@dataclass
class _Progress:
    """How far a request has come, so that a failure is logged with all that is known by then."""

    started_s: float
    call: Call | None = None
    type_id: int | None = None
    outcome: str = InternalError.reason  # until there is a reply
    headers: dict[str, str] = field(default_factory=dict)

    def elapsed_s(self) -> float:
        """Seconds since the request arrived."""
        return time.monotonic() - self.started_s

    def end(self, outcome: str, *, code: int) -> None:
        """Keep how a request ended that is in the log, and say so where messages are collected."""
        self.outcome = outcome
        if self.call and _requests.isEnabledFor(logging.INFO):
            facts = {
                "log_id": format_log_id(self.call.log_id),
                "type": self.type_id,
                "outcome": outcome,
                "code": code,
                "ms": round(self.elapsed_s() * 1000, 1),
            }
            _requests.info("%(log_id)s, type %(type)s: %(outcome)s", facts, extra=facts)


async def solve(request: Request) -> Response:
    """Answer one challenge; every reply of a known key is in its log."""
    service = service_of(request)
    progress = _Progress(time.monotonic())
    try:
        return await _solve(request, service, progress)
    except Exception as error:  # the outermost edge: whatever it was, it is told and logged
        return await _fail(service, progress, error)
    finally:
        service.metrics.count(progress.type_id, progress.outcome, seconds=progress.elapsed_s())


async def solve_for(request: Request, key: KeyRecord, fields: Fields) -> Response:
    """The same for a key that was found otherwise and a body that was read: the console's."""
    service = service_of(request)
    progress = _Progress(time.monotonic())
    try:
        call = await _admit(service, progress, key)
        with service.room():
            return await _answer(request, service, progress, call, fields)
    except Exception as error:  # an edge, as above
        return await _fail(service, progress, error)
    finally:
        service.metrics.count(progress.type_id, progress.outcome, seconds=progress.elapsed_s())


async def _solve(request: Request, service: Service, progress: _Progress) -> Response:
    in_header = header_key(request)
    if in_header is None:
        service.refuse_when_full()
        with service.stranger():
            fields = await _read(request, service)
        secret = one_key(None, api_key_in(fields))
        call = await _admit(service, progress, await identify(service.engine, secret))
        with service.room():
            return await _answer(request, service, progress, call, fields)
    # Refusals are cheapest before the body is read.
    call = await _admit(service, progress, await identify(service.engine, in_header))
    with service.room():
        with service.reading(call.key):
            fields = await _read(request, service)
        one_key(in_header, api_key_in(fields))
        return await _answer(request, service, progress, call, fields)


async def _read(request: Request, service: Service) -> Fields:
    settings = service.settings
    return await read_fields(
        request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )


async def _answer(
    request: Request, service: Service, progress: _Progress, call: Call, fields: Fields
) -> Response:
    progress.type_id = type_id_in(fields)
    posted = posted_in(fields)
    if (idempotency := _idempotency(request, posted)) is None:
        return await _answer_anew(request, service, progress, call, posted)
    call = progress.call = replace(call, idempotency=idempotency)
    async with service.engine.repeats.once(call) as stored:
        if stored is None:
            try:
                return await _answer_anew(request, service, progress, call, posted)
            except IdempotencyTaken:  # another server was quicker, and has stored what it replied
                stored = await service.engine.repeats.find(call)
                if stored is None:
                    raise
        progress.end("replayed", code=stored.status)
        return _respond(service, progress, (stored.status, stored.reply), _REPLAYED)


async def _answer_anew(
    request: Request, service: Service, progress: _Progress, call: Call, posted: Posted
) -> Response:
    call = progress.call = service.engine.note(call, posted)
    try:
        outcome = await _solve_unless_gone(request, service, call, posted)
    except IdempotencyTaken:
        raise
    except LoupetteError as error:  # here, as a duplicate that waits must find it stored
        return await _fail(service, progress, error)
    progress.end("ok", code=200)
    return _respond(service, progress, (200, render_outcome(outcome)))


_REPLAYED = {"Idempotent-Replayed": "true"}


async def _admit(service: Service, progress: _Progress, key: KeyRecord) -> Call:
    """Number the request, count it against the key's rate, see whether the key may."""
    progress.call = await service.engine.begin(key, progress.started_s)
    progress.headers |= await service.count(key)
    permit(key, _SCOPE)
    return progress.call


def _idempotency(request: Request, posted: Posted) -> tuple[str, bytes] | None:
    name = request.headers.get("idempotency-key")
    if name is None:
        return None
    if not 1 <= len(name) <= 255:
        raise BadField("Idempotency-Key may have 1 to 255 characters")
    # Over what is asked, not over the raw body: a multipart boundary differs at every retry.
    return name, hashlib.sha256(msgspec.msgpack.encode(posted, order="sorted")).digest()


async def _solve_unless_gone(
    request: Request, service: Service, call: Call, posted: Posted
) -> Outcome:
    gone = asyncio.create_task(_until_gone(request.receive))
    try:
        return await service.engine.solve(call, posted, gone=gone, code=200, render=render_outcome)
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _fail(service: Service, progress: _Progress, cause: Exception) -> Response:
    call = progress.call
    error = disclose(cause, of=format_log_id(call.log_id) if call else "a call without a key")
    code, msg = code_and_msg(error)
    bare = render(code, msg, {}, error=describe(error))
    if call is None or not _is_logged(service, call, error):
        progress.outcome = error.reason
        return _respond(service, progress, (code, bare), error_headers(error))
    outcome = await service.engine.fail(
        call, error, type_id=progress.type_id, code=code, render=render_outcome
    )
    # Who holds a stolen key sees no balance.
    body = bare if refusal(call.key, _SCOPE) else render_outcome(outcome)
    progress.end(error.reason, code=code)
    return _respond(service, progress, (code, body), error_headers(error))


def _is_logged(service: Service, call: Call, error: LoupetteError) -> bool:
    """Every request of a known key, but of those over its rate no more than the rate.

    One that may have been charged is logged with its charge, or not at all.
    """
    if isinstance(error, OutcomeUnknown):
        return False
    is_over_rate = isinstance(error, RateLimited) and error.quota is not None
    return not is_over_rate or service.logs_refusal(call.key)


def _respond(
    service: Service,
    progress: _Progress,
    reply: tuple[int, bytes],
    headers: Mapping[str, str] | None = None,
) -> Response:
    return respond(
        *reply,
        always_200=service.settings.always_200,
        headers={**progress.headers, **(headers or {})},
    )
