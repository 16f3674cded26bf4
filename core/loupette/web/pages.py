"""Pages for people: templates, language, and what a browser may do with them."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from loupette import __version__
from loupette.money import format_yuan, to_micros
from loupette.web.responses import ENGLISH, in_english

Language: TypeAlias = Literal["zh", "en"]

STATIC = Path(__file__).parent / "static"
PAGE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""All a page uses is a file of this server; nothing is written into the page itself."""

_COOKIE = "lang"
_A_YEAR_S = 31_536_000
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_TAGS = {"zh": "zh-CN", "en": "en"}


def wants_html(request: Request) -> bool:
    """Browsers name text/html; curl and the HTTP libraries send */* or name JSON."""
    accept = request.headers.get("accept", "")
    return "text/html" in accept and "application/json" not in accept


def language_of(request: Request) -> Language:
    """What the visitor chose, else what the browser asks for first, else Chinese."""
    wanted = [request.query_params.get(_COOKIE, ""), request.cookies.get(_COOKIE, "")]
    if not any(tag in _TAGS for tag in wanted):
        wanted = [tag[:2] for tag in _by_preference(request.headers.get("accept-language", ""))]
    return next((language for tag in wanted for language in _LANGUAGES if tag == language), "zh")


def _by_preference(header: str) -> list[str]:
    """The tags of Accept-Language, the most wanted first; one with a broken weight is left out."""
    weighted = []
    for part in header[:1000].lower().split(","):
        tag, _, weight = part.partition(";q=")
        try:
            weighted.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]


def show(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    policy: str = PAGE_POLICY,
    **context: object,
) -> Response:
    """A page.

    Args:
        request: whose language and path are looked at.
        template: file name in templates/.
        status_code: of the reply.
        policy: what a browser may do with it.
        context: what the template shows; all of it is escaped.
    """
    language = language_of(request)
    text = (
        _templates()
        .get_template(template)
        .render(
            t=_translator(language),
            lang=language,
            lang_tag=_TAGS[language],
            other_language=_switch(request.url, "en" if language == "zh" else "zh"),
            path=request.url.path,
            static=static_url,
            english=ENGLISH,
            in_english=in_english,
            yuan=format_yuan,
            to_micros=to_micros,
            version=__version__,
            **context,
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "Content-Language": _TAGS[language],
        "Vary": "Accept, Accept-Language, Cookie",
    }
    response = HTMLResponse(text, status_code=status_code, headers=headers)
    if request.query_params.get(_COOKIE) == language:
        response.set_cookie(
            _COOKIE,
            language,
            max_age=_A_YEAR_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    return response


def _translator(language: Language) -> Callable[[str, str], str]:
    """Templates say each text where it is used, in both languages: ``t("价格", "Price")``."""
    return (lambda zh, en: zh) if language == "zh" else (lambda zh, en: en)


def _switch(url: URL, language: Language) -> str:
    """The same page in the other language; without the host, which may be anything."""
    return f"?{url.include_query_params(**{_COOKIE: language}).query}"


@cache
def static_url(name: str) -> str:
    """Where a file of static/ is served; another content is another URL."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


class Static(StaticFiles):
    """The files of static/, with ETag and Last-Modified; browsers keep them for an hour."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """One file, or 304 where the browser has it."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # as given
        response.headers.setdefault("Cache-Control", "public, max-age=3600")
        return response


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("loupette.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
