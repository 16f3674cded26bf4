"""/console/try: send a picture as any caller would, and look at what is answered."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from starlette.responses import Response

from loupette.options import accepted_options
from loupette.plugin import Option
from loupette.registry import ServedType
from loupette.web.console.pictures import find_boxes, find_characters, picture_url
from loupette.web.console.visits import Visit, number
from loupette.web.solve import solve_for

_OPTION = "option."


class _Paid(msgspec.Struct):
    """The money of a reply, exact as it is there."""

    cost: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)


class _Reply(msgspec.Struct):
    data: _Paid


async def show(visit: Visit) -> Response:
    """The form; for another type with that type's options."""
    return _show(visit, number(visit.request.query_params, "type"), 200)


async def solve(visit: Visit) -> Response:
    """Solve, charge and log one picture as the API does, and show the answer."""
    type_id = visit.fields.get("type")
    served = _chosen(visit, type_id if isinstance(type_id, int) else None)
    given = {
        name.removeprefix(_OPTION): value
        for name, value in visit.fields.items()
        if name.startswith(_OPTION) and value != ""
    }
    options = {name: _typed(served, name, value) for name, value in given.items()}
    asked = {name: visit.fields.get(name) for name in ("type", "image", "image2")}
    response = await solve_for(visit.request, visit.key, {**asked, "options": options})
    body = bytes(response.body)
    reply = msgspec.json.decode(body)
    return _show(
        visit,
        served.spec.type_id if served else None,
        reply["code"],
        reply=reply,
        paid=msgspec.json.decode(body, type=_Reply).data,
        picture=picture_url(visit.fields.get("image")),
        given=given,
    )


def _show(
    visit: Visit,
    type_id: int | None,
    status_code: int,
    *,
    reply: Mapping[str, Any] | None = None,
    paid: "_Paid | None" = None,
    picture: str | None = None,
    given: Mapping[str, object] | None = None,
) -> Response:
    served = _chosen(visit, type_id)
    detail = reply["data"].get("detail", {}) if reply else {}
    error_detail = (reply or {}).get("error", {}).get("detail", {})
    return visit.show(
        "try.html",
        status_code=status_code,
        types=visit.service.engine.catalogue.types,
        served=served,
        options=accepted_options(served.spec) if served else (),
        reply=reply,
        paid=paid,
        raw=msgspec.json.format(msgspec.json.encode(reply), indent=2).decode() if reply else "",
        picture=picture,
        boxes=find_boxes(detail or error_detail),
        characters=find_characters(detail),
        given=given or {},
    )


def _chosen(visit: Visit, type_id: int | None) -> ServedType | None:
    types = visit.service.engine.catalogue.types
    return types.get(type_id or 0) or next(iter(types.values()), None)


def _typed(served: ServedType | None, name: str, value: object) -> object:
    """A form knows text only; what is no number goes on as it is, and is refused with a reason."""
    option = _option(served, name)
    if option is None or not isinstance(value, str):
        return value
    try:
        return {"integer": int, "number": float}.get(option.kind, str)(value)
    except ValueError:
        return value


def _option(served: ServedType | None, name: str) -> Option | None:
    options = accepted_options(served.spec) if served else ()
    return next((option for option in options if option.name == name), None)
