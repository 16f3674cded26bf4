"""The catalogue: what is served, for programs and for people."""

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loupette.errors import UnknownType
from loupette.money import to_yuan
from loupette.options import accepted_options
from loupette.plugin import Option
from loupette.registry import ServedType
from loupette.web.responses import SUCCESS, render, respond
from loupette.web.service import service_of

_PAGE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No script, nothing from elsewhere; the page's own style is in it."""


async def types(request: Request) -> Response:
    """GET /types: an HTML page for browsers, JSON for everything else."""
    if not _wants_html(request.headers.get("accept", "")):
        return await types_json(request)
    described = _describe_all(request)
    page = _templates().get_template("types.html")
    text = page.render(types=described, host=str(request.base_url).rstrip("/"))
    return HTMLResponse(text, headers={"Content-Security-Policy": _PAGE_POLICY})


async def types_json(request: Request) -> Response:
    """GET /api/v1/types: the catalogue as JSON."""
    body = render(200, SUCCESS, {"types": _describe_all(request)})
    return respond(200, body, always_200=service_of(request).settings.always_200)


async def sample(request: Request) -> Response:
    """GET /types/{type_id}/sample: the plugin's own sample image, a PNG."""
    text = request.path_params["type_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UnknownType(f"{text[:40]!r} is no type ID")
    served = service_of(request).engine.catalogue.find(int(text))
    image = await service_of(request).sample(served)
    return Response(image, media_type="image/png", headers={"Cache-Control": "max-age=3600"})


def describe_type(served: ServedType) -> dict[str, object]:
    """One type as JSON."""
    spec = served.spec
    return {
        "type": spec.type_id,
        "name": spec.name,
        "name_en": spec.name_en,
        "price": to_yuan(served.price_micros),
        "currency": "CNY",
        "inputs": ["image", "image2"] if spec.second_image == "optional" else ["image"],
        "options": [_describe_option(option) for option in accepted_options(spec)],
        "min_confidence": served.min_confidence,
        "deadline_s": served.deadline_s,
        "plugin": served.plugin,
        "version": served.version,
        "sample": f"/types/{spec.type_id}/sample",
        "sample_answer": spec.sample_answer,
    }


def _describe_option(option: Option) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": option.name,
        "kind": option.kind,
        "zh": option.zh,
        "en": option.en,
        "default": option.default,
        "minimum": option.minimum,
        "maximum": option.maximum,
        "choices": option.choices or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _describe_all(request: Request) -> list[Mapping[str, object]]:
    catalogue = service_of(request).engine.catalogue
    return [describe_type(served) for served in catalogue.types.values()]


def _wants_html(accept: str) -> bool:
    """Browsers name text/html; curl and the HTTP libraries send */* or name JSON."""
    return "text/html" in accept and "application/json" not in accept


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("loupette.web"), autoescape=select_autoescape(), auto_reload=False
    )
