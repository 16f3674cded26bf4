"""GET /docs/reference: the OpenAPI document as a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from loupette.web.docs import anchor, sections
from loupette.web.highlighting import mark
from loupette.web.openapi import document
from loupette.web.pages import language_of, show
from loupette.web.responses import encode
from loupette.web.schemas import Schema


@dataclass(frozen=True)
class Field:
    """One line of a table: a parameter, or a field of a body or a reply.

    Attributes:
        name: dotted where it lies within another.
        kind: as ``"integer, 1–500"``.
    """

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class Reply:
    """One reply of an endpoint: its code, what it means, its data and an example."""

    code: str
    description: str
    media_types: tuple[str, ...]
    fields: tuple[Field, ...]
    examples: Mapping[str, Markup]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    needs_key: bool
    parameters: tuple[Field, ...]
    media_types: tuple[str, ...]
    fields: tuple[Field, ...]
    example: Markup | None
    replies: tuple[Reply, ...]


async def reference(request: Request) -> Response:
    """GET /docs/reference: the API's reference, from the OpenAPI document."""
    return show(
        request,
        "reference.html",
        name="reference",
        sections=sections(language_of(request)),
        info=document()["info"],
        tags=endpoints_by_tag(),
    )


@cache
def endpoints_by_tag() -> Mapping[str, tuple[Endpoint, ...]]:
    """All endpoints, under the descriptions of their tags."""
    return {
        tag["description"]: tuple(
            _endpoint(method, path, operation)
            for path, operations in document()["paths"].items()
            for method, operation in operations.items()
            if tag["name"] in operation["tags"]
        )
        for tag in document()["tags"]
    }


def _endpoint(method: str, path: str, operation: Mapping[str, Any]) -> Endpoint:
    content = operation.get("requestBody", {}).get("content", {})
    first: Mapping[str, Any] = next(iter(content.values()), {})
    return Endpoint(
        anchor=anchor(f"{method} {path}"),
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        needs_key="security" in operation,
        parameters=tuple(_parameter(one) for one in operation.get("parameters", ())),
        media_types=tuple(content),
        fields=tuple(_fields(first.get("schema", {}))),
        example=_json(first["example"]) if "example" in first else None,
        replies=tuple(_reply(code, reply) for code, reply in operation["responses"].items()),
    )


def _parameter(one: Mapping[str, Any]) -> Field:
    kind = _kind(one["schema"])
    place = {"header": "header", "path": "path", "query": "query"}[one["in"]]
    return Field(one["name"], f"{kind} ({place})", one.get("required", False), one["description"])


def _reply(code: str, reply: Mapping[str, Any]) -> Reply:
    content = reply.get("content", {})
    body = content.get("application/json", {})
    data = body.get("schema", {}).get("properties", {}).get("data", {})
    examples = {name: _json(example["value"]) for name, example in body.get("examples", {}).items()}
    if "example" in body:
        examples[""] = _json(body["example"])
    is_answer = code == "200"
    fields = tuple(_fields(data, "data.")) if is_answer else ()
    return Reply(code, reply["description"], tuple(content), fields, examples)


def _fields(schema: Schema, prefix: str = "") -> Iterator[Field]:
    """The fields of an object, and of the objects and lists in it."""
    whole = _resolve(schema)
    for name, part in whole.get("properties", {}).items():
        found = _resolve(part)
        is_required = name in whole.get("required", ())
        yield Field(prefix + name, _kind(part), is_required, found.get("description", ""))
        items = found.get("items")
        if isinstance(items, dict):
            yield from _fields(items, f"{prefix}{name}[].")
        else:
            yield from _fields(found, f"{prefix}{name}.")


def _resolve(schema: Schema) -> Schema:
    """A schema itself, where it is a reference or may be null."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found: Schema = document()["components"]["schemas"][name]
        return found
    if "anyOf" in schema:
        first = next(one for one in schema["anyOf"] if one.get("type") != "null")
        return _resolve(first)
    return schema


def _kind(schema: Schema) -> str:
    found = _resolve(schema)
    kind = found.get("type", "object")
    said = " | ".join(kind) if isinstance(kind, list) else str(kind)
    if "anyOf" in schema:
        said += " | null"
    if "enum" in found:
        said += f": {', '.join(found['enum'])}"
    low = found.get("minimum", found.get("minLength"))
    high = found.get("maximum", found.get("maxLength"))
    if high is not None:
        said += f", {low or 0:g}–{high:g}"
    return said


def _json(value: object) -> Markup:
    return mark(msgspec.json.format(encode(value), indent=2).decode(), "json")
