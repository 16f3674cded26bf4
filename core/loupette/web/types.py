"""The catalogue: what is served, for programs and for people."""

import asyncio
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from loupette.card import Card, Weights
from loupette.errors import UnknownType
from loupette.money import to_yuan
from loupette.options import accepted_options
from loupette.plugin import Option
from loupette.registry import ServedType
from loupette.tiers import Tier
from loupette.web.etags import cached
from loupette.web.pages import show, wants_html
from loupette.web.responses import SUCCESS, render, respond
from loupette.web.samples import quotable, samples_for
from loupette.web.service import State, service_of


async def types(request: Request) -> Response:
    """GET /types: an HTML page for browsers, JSON for everything else."""
    if not wants_html(request):
        return await types_json(request)
    return show(request, "types.html", types=await _describe_all(request))


async def types_json(request: Request) -> Response:
    """GET /api/v1/types: the catalogue as JSON."""
    return _reply(request, {"types": await _describe_all(request)})


async def one_type(request: Request) -> Response:
    """GET /types/{type_id}: one type, with samples of code for browsers, JSON for all others."""
    described = await _describe(request, _served(request))
    if not wants_html(request):
        return _reply(request, described)
    host = quotable(str(request.base_url))
    type_id = _served(request).spec.type_id
    samples = samples_for(type_id, host=host)
    return show(request, "type.html", type=described, host=host, samples=samples)


async def sample(request: Request) -> Response:
    """GET /types/{type_id}/sample: the plugin's own sample image, a PNG."""
    image = await service_of(request).sample(_served(request))
    return cached(request, image, media_type="image/png", max_age_s=3600)


def describe_type(
    served: ServedType, *, state: State, card: Card | None, tier: Tier | None
) -> dict[str, object]:
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
        "status": state,
        "tier": tier,
        "weights": [_describe_weights(one) for one in (card, *card.further)] if card else [],
        "accuracy": msgspec.to_builtins(card.measured) if card and card.measured else None,
    }


def _describe_weights(weights: Weights) -> dict[str, object]:
    return {"file": weights.model_file, "sha256": weights.sha256, "date": weights.date}


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


def _served(request: Request) -> ServedType:
    text = request.path_params["type_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UnknownType(f"{text[:40]!r} is no type ID")
    return service_of(request).engine.catalogue.find(int(text))


async def _describe(request: Request, served: ServedType) -> dict[str, object]:
    service = service_of(request)
    state = service.state(served.spec.type_id)
    card, tier = await asyncio.gather(service.card(served), service.tier(served))
    return describe_type(served, state=state, card=card, tier=tier)


async def _describe_all(request: Request) -> list[dict[str, object]]:
    served = service_of(request).engine.catalogue.types.values()
    return await asyncio.gather(*(_describe(request, one) for one in served))


def _reply(request: Request, data: Mapping[str, object]) -> Response:
    body = render(200, SUCCESS, data)
    return respond(200, body, always_200=service_of(request).settings.always_200)
