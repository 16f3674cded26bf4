"""POST /api/v1/captcha.php: the documented endpoint."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from loupette.engine import Call, Outcome, Posted
from loupette.errors import BadField, InternalError, KeyDisabled, LoupetteError, RateLimited
from loupette.web.auth import header_key, identify, one_key, require_enabled
from loupette.web.body import api_key_in, parse_body, posted_in, read_body, type_id_in
from loupette.web.responses import (
    code_and_msg,
    describe,
    error_headers,
    render,
    render_outcome,
    respond,
)
from loupette.web.service import Service, rate_headers, service_of

_log = logging.getLogger(__name__)


@dataclass
class _Progress:
    """How far a request has come, so that a failure is logged with all that is known by then."""

    started_s: float
    call: Call | None = None
    type_id: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


async def solve(request: Request) -> Response:
    """Answer one challenge; every reply of a known key is in its log."""
    service = service_of(request)
    progress = _Progress(time.monotonic())
    try:
        return await _solve(request, service, progress)
    except LoupetteError as error:
        return await _fail(service, progress, error)
    except Exception:
        _log.exception("a request failed for a reason of the server's own")
        return await _fail(service, progress, InternalError("the server's log has the reason"))


async def _solve(request: Request, service: Service, progress: _Progress) -> Response:
    in_header = header_key(request)
    if in_header:  # refusals are cheapest before the body is read
        _admit(service, progress, in_header)
    with service.room():
        return await _solve_in_room(request, service, progress, in_header)


async def _solve_in_room(
    request: Request, service: Service, progress: _Progress, in_header: str | None
) -> Response:
    body = await read_body(
        request,
        max_bytes=service.settings.max_body_bytes,
        timeout_s=service.settings.body_timeout_s,
    )
    fields = await parse_body(body, request.headers)
    secret = one_key(in_header, api_key_in(fields))
    call = progress.call or _admit(service, progress, secret)
    progress.type_id = type_id_in(fields)
    posted = posted_in(fields)
    call = progress.call = replace(call, idempotency=_idempotency(request, posted))
    async with service.engine.once(call) as stored:
        if stored is not None:
            return _respond(service, progress, (stored.status, stored.reply), _REPLAYED)
        try:
            outcome = await _solve_unless_gone(request, service, call, posted)
        except LoupetteError as error:  # here, as a duplicate that waits must find it stored
            return await _fail(service, progress, error)
        return _respond(service, progress, render_outcome(outcome))


_REPLAYED = {"Idempotent-Replayed": "true"}


def _admit(service: Service, progress: _Progress, secret: str) -> Call:
    """Find the key, number the request, count it against the key's rate."""
    key = identify(service.engine, secret)
    progress.call = service.engine.begin(key, progress.started_s)
    require_enabled(key)
    progress.headers |= service.count(key)
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
    gone = asyncio.ensure_future(_until_gone(request.receive))
    try:
        return await service.engine.solve(call, posted, gone=gone, render=render_outcome)
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _fail(service: Service, progress: _Progress, error: LoupetteError) -> Response:
    code, msg = code_and_msg(error)
    headers = error_headers(error)
    if progress.call is None:  # nobody known to log it for
        body = render(code, msg, {}, error=describe(error))
        return _respond(service, progress, (code, body), headers)
    if isinstance(error, RateLimited):
        headers |= rate_headers(progress.call.key, 0, error.retry_after_s)
    outcome = await service.engine.fail(
        progress.call, error, type_id=progress.type_id, render=render_outcome
    )
    if isinstance(error, KeyDisabled):  # in the log, but who holds a stolen key sees no balance
        return _respond(service, progress, (code, render(code, msg, {}, error=describe(error))))
    return _respond(service, progress, render_outcome(outcome), headers)


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
