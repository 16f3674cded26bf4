"""How an endpoint is put in OpenAPI: its parameters, its reply and the errors it may answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from loupette.errors import InternalError, LoupetteError
from loupette.web.responses import REASONS, SUCCESS, code_and_msg
from loupette.web.schemas import COUNT, SECONDS, TEXT, Schema, described, record, ref

JSON = "application/json"
STAMP = 1699999999
"""The time of every example."""


def page(tag: str, summary: str, data: str, example: object, **more: Any) -> dict[str, Any]:
    """A page for browsers, and its data for programs."""
    found = operation(tag, summary, data, example, **more)
    found["responses"]["200"]["content"]["text/html"] = {"schema": TEXT}
    return found


def html_page(
    summary: str,
    *,
    errors: Sequence[type[LoupetteError]] = (),
    parameters: Sequence[Schema] = (),
) -> dict[str, Any]:
    """A page for browsers, whatever else is asked for."""
    return {
        **head("pages", summary),
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "网页 a page", "content": {"text/html": {"schema": TEXT}}},
            **failures((*errors, InternalError)),
        },
    }


def operation(
    tag: str,
    summary: str,
    data: str,
    example: object,
    *,
    errors: Sequence[type[LoupetteError]] = (InternalError,),
    msg: str = SUCCESS,
    description: str = "",
    parameters: Sequence[Schema] = (),
    needs_key: bool = False,
) -> dict[str, Any]:
    """An endpoint that answers in the one shape of all replies."""
    body = {"code": 200, "msg": msg, "data": example, "timestamp": STAMP}
    headers = ("RateLimit", "RateLimit-Policy") if needs_key else ()
    found: dict[str, Any] = {
        **head(tag, summary, description),
        "parameters": list(parameters),
        "responses": {
            "200": {
                "description": msg,
                "headers": {name: header(name) for name in headers},
                "content": {JSON: {"schema": _envelope(ref(data)), "example": body}},
            },
            **failures(errors),
        },
    }
    # The second way, the body's api_key, is no security scheme in OpenAPI.
    return found | ({"security": [{"ApiKey": []}]} if needs_key else {})


def head(tag: str, summary: str, description: str = "") -> dict[str, Any]:
    """What every endpoint has: its tag and what it is for."""
    return {
        "tags": [tag],
        "summary": summary,
        **({"description": description} if description else {}),
    }


def _envelope(data: Schema, **more: Schema) -> Schema:
    return record({"code": COUNT, "msg": TEXT, "data": data, **more, "timestamp": SECONDS})


def failures(kinds: Sequence[type[LoupetteError]]) -> dict[str, Any]:
    """What these errors and their kinds look like, by code; with one example for each reason."""
    by_code: dict[int, dict[str, type[LoupetteError]]] = {}
    for reason, kind in REASONS.items():
        if issubclass(kind, tuple(kinds)):
            by_code.setdefault(code_and_msg(kind)[0], {})[reason] = kind
    return {str(code): _failure(code, found) for code, found in sorted(by_code.items())}


def _failure(code: int, reasons: Mapping[str, type[LoupetteError]]) -> dict[str, Any]:
    texts = dict.fromkeys(code_and_msg(kind)[1] for kind in reasons.values())
    headers = ("Retry-After",) if code == 429 else ()
    return {
        "description": " / ".join(texts),
        "headers": {name: header(name) for name in headers},
        "content": {
            JSON: {
                "schema": _envelope(ref("Failed"), error=ref("Error")),
                "examples": {
                    reason: {"summary": _meaning(kind), "value": _failed(reason, kind)}
                    for reason, kind in reasons.items()
                },
            }
        },
    }


def _meaning(kind: type[LoupetteError]) -> str:
    return f"{kind.zh}: {(kind.__doc__ or '').splitlines()[0].rstrip('.')}"


def _failed(reason: str, kind: type[LoupetteError]) -> dict[str, Any]:
    code, msg = code_and_msg(kind)
    error = {"reason": reason, "message": f"{kind.zh}: ..."}
    return {"code": code, "msg": msg, "data": {}, "error": error, "timestamp": STAMP}


def header(name: str) -> Schema:
    """A reply's header, by its name."""
    return {"$ref": f"#/components/headers/{name}"}


def query(name: str, schema: Schema, zh: str, en: str) -> Schema:
    """A parameter in the query, which may be left out."""
    return described({"name": name, "in": "query", "schema": schema}, zh, en)


def path(name: str, schema: Schema, zh: str, en: str, example: object) -> Schema:
    """A parameter in the path."""
    place = {"name": name, "in": "path", "required": True, "schema": schema, "example": example}
    return described(place, zh, en)
