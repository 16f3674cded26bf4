"""Sign in with a key, and out again."""

import re
import time
import zlib

from starlette.requests import Request
from starlette.responses import Response

from loupette.errors import LoupetteError, RateLimited
from loupette.management import SESSION_S
from loupette.store.keys import KeyRecord
from loupette.web.auth import identify, permit
from loupette.web.body import read_fields
from loupette.web.console.visits import (
    COOKIE,
    HOME,
    POLICY,
    Visit,
    is_from_here,
    least_scope,
    refuse_strangers,
    see,
)
from loupette.web.pages import show
from loupette.web.responses import code_and_msg, describe, disclose, error_headers
from loupette.web.service import Service, service_of

_LARGEST_FORM = 4096
_RATE, _BURST = 0.2, 10
"""Attempts of one address: ten, then one in five seconds."""
_ADDRESSES = 4096
"""Addresses that are told apart; so strangers cannot fill the memory."""
_NEXT = re.compile(r"/console(/[\w-]+)*")


async def show_form(request: Request) -> Response:
    """GET /console/login."""
    return _form(request, request.query_params.get("next", ""))


async def sign_in(request: Request) -> Response:
    """POST /console/login: a key in, a session out."""
    service = service_of(request)
    if not is_from_here(request):
        return refuse_strangers(request)
    wanted = ""
    try:
        _count_attempt(request, service)
        with service.stranger():
            sent = await read_fields(
                request, max_bytes=_LARGEST_FORM, timeout_s=service.settings.body_timeout_s
            )
        wanted = str(sent.get("next") or "")
        key = await _key_of(service, str(sent.get("key") or "").strip())
        secret = await service.management.sign_in(key, address=_address(request))
    except LoupetteError as error:
        return _form(request, wanted, disclose(error, of="a sign-in"))
    response = see(_place(wanted))
    response.set_cookie(
        COOKIE,
        secret,
        max_age=SESSION_S,
        path=HOME,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


async def sign_out(visit: Visit) -> Response:
    """POST /console/logout."""
    await visit.service.management.sign_out(visit.key, visit.secret)
    response = see(f"{HOME}/login")
    response.delete_cookie(COOKIE, path=HOME)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _key_of(service: Service, secret: str) -> KeyRecord:
    key = await identify(service.engine, secret)
    permit(key, least_scope(key))
    return key


def _count_attempt(request: Request, service: Service) -> None:
    slot = zlib.crc32(_address(request).encode()) % _ADDRESSES
    verdict = service.sign_ins.check(slot, rate=_RATE, burst=_BURST, now_s=time.monotonic())
    if not verdict.allowed:
        raise RateLimited("too many attempts", retry_after_s=verdict.retry_after_s)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _place(wanted: str) -> str:
    """Where to go on: a page of the console, whatever a link said."""
    return wanted if _NEXT.fullmatch(wanted) else HOME


def _form(request: Request, wanted: str, error: LoupetteError | None = None) -> Response:
    response = show(
        request,
        "console/login.html",
        status_code=code_and_msg(error)[0] if error else 200,
        policy=POLICY,
        next=_place(wanted),
        error=describe(error) if error else None,
    )
    if error:
        response.headers.update(error_headers(error))
    return response
