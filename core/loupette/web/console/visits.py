"""Who looks at a page of the console: session, rights, and that what is done was meant."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loupette.errors import LoupetteError, OperatorError
from loupette.money import to_yuan
from loupette.store.keys import KeyRecord
from loupette.store.logs import format_log_id
from loupette.web.auth import permit, refusal
from loupette.web.body import Fields, read_fields, text_in
from loupette.web.console.texts import moment
from loupette.web.pages import show
from loupette.web.responses import code_and_msg, describe, disclose, error_headers
from loupette.web.service import Service, service_of
from loupette.wording import counted

COOKIE = "console"
HOME = "/console"
POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""As `PAGE_POLICY`, and pictures to be tried are shown without being stored anywhere."""

_LARGEST_FORM = 16_384


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is signed in.

    Attributes:
        request: the request.
        service: the server.
        key: who; as it is now, not as it was at the sign-in.
        secret: of the session.
        fields: what was sent, where something is to be done.
    """

    request: Request
    service: Service
    key: KeyRecord
    secret: str = field(repr=False)
    fields: Fields = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        """Whether all accounts are shown, and may be changed."""
        return self.key.may("admin")

    @property
    def account_id(self) -> int | None:
        """Whose keys, logs and books are shown; None for everybody's."""
        return None if self.is_admin else self.key.account_id

    def text(self, name: str) -> str:
        """A field of what was sent; empty where it is absent."""
        return text_in(self.fields, name).strip()

    def show(self, template: str, *, status_code: int = 200, **context: object) -> Response:
        """A page of the console."""
        return show(
            self.request,
            f"console/{template}",
            status_code=status_code,
            policy=POLICY,
            key=self.key,
            is_admin=self.is_admin,
            csrf=csrf_of(self.secret),
            to_yuan=to_yuan,
            counted=counted,
            moment=moment,
            log_name=format_log_id,
            **context,
        )


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def page(handler: Handler, *, scope: str | None = None) -> Endpoint:
    """An endpoint that only looks, for whoever is signed in and has the scope."""

    async def endpoint(request: Request) -> Response:
        visit = await _visit(request)
        return to_sign_in(request) if visit is None else await _run(handler, visit, scope)

    return endpoint


def action(handler: Handler, *, scope: str | None = None, takes_images: bool = False) -> Endpoint:
    """An endpoint that does something; it must have been asked for by a page of this session."""

    async def endpoint(request: Request) -> Response:
        visit = await _visit(request)
        if visit is None:
            return to_sign_in(request)
        settings = visit.service.settings
        most = settings.max_body_bytes if takes_images else _LARGEST_FORM

        async def act(visit: Visit) -> Response:
            # Until its token is read, whoever has sent it may be a page of another site.
            with visit.service.stranger():
                sent = await read_fields(request, max_bytes=most, timeout_s=settings.body_timeout_s)
            token = sent.get("csrf")
            if not isinstance(token, str) or not _is_same(token, csrf_of(visit.secret)):
                return refuse_strangers(request)
            return await handler(Visit(visit.request, visit.service, visit.key, visit.secret, sent))

        if not is_from_here(request):
            return refuse_strangers(request)
        return await _run(act, visit, scope)

    return endpoint


def is_from_here(request: Request) -> bool:
    """Whether a browser sent this from a page of this server, as browsers say themselves."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def csrf_of(secret: str) -> str:
    """What each form of a session carries; a page of another site cannot know it."""
    return hmac.digest(secret.encode(), b"csrf", "sha256").hex()


def to_sign_in(request: Request) -> Response:
    """Where to sign in, and then go on."""
    place = f"{HOME}/login?next={request.url.path}"
    if "hx-request" in request.headers:  # else the form would be put into a part of the page
        return Response(status_code=401, headers={"HX-Redirect": place})
    return RedirectResponse(place, status_code=303)


def refuse_strangers(request: Request) -> Response:
    """What was sent did not come from a page of this session: nothing is done."""
    return show(request, "console/refused.html", status_code=403, policy=POLICY)


def see(path: str) -> Response:
    """Go and look, after something was done; a reload does not do it again."""
    return RedirectResponse(path, status_code=303)


async def _run(handler: Handler, visit: Visit, scope: str | None) -> Response:
    try:
        visit.service.count_visit(visit.key)
        if scope is not None:
            permit(visit.key, scope)
        return await handler(visit)
    except LoupetteError as error:
        return _show_error(visit, error)


def _show_error(visit: Visit, error: LoupetteError) -> Response:
    """What went wrong; of the operator's own matters an administrator is told all."""
    if visit.is_admin and isinstance(error, OperatorError):
        return visit.show("error.html", status_code=400, msg="参数错误", error=describe(error))
    known = disclose(error, of=visit.request.url.path[:80])
    code, msg = code_and_msg(known)
    response = visit.show("error.html", status_code=code, msg=msg, error=describe(known))
    response.headers.update(error_headers(known))
    return response


async def _visit(request: Request) -> Visit | None:
    """The session of a request, as long as its key may do anything here."""
    service = service_of(request)
    secret = request.cookies.get(COOKIE, "")
    key = await service.management.signed_in(secret) if secret else None
    if key is None or refusal(key, least_scope(key)) is not None:
        return None
    return Visit(request, service, key, secret)


def least_scope(key: KeyRecord) -> str:
    """What a key must have to be shown anything."""
    return "admin" if key.may("admin") else "read"


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def number(fields: Mapping[str, str], name: str) -> int | None:
    """A whole number of a query; None where it is absent or none."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
