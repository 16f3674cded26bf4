"""A request's body: read within limits, parsed as JSON or as a form, fields checked."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Receive

from loupette.calls import Posted
from loupette.decoding import decode_base64
from loupette.errors import (
    BadField,
    BodyTooLarge,
    ClientGone,
    EmptyBody,
    MissingField,
    NotJson,
    NotUtf8,
    SlowBody,
    UnsupportedContentType,
)
from loupette.plugin.types import LARGEST_TYPE_ID

Fields: TypeAlias = Mapping[str, object]

_SLOW = "slow"
"""Why a task was cancelled."""
_LONGEST_TEXT = 256
_MOST_FIELDS = 32
_MOST_OPTIONS = 16_384
_MOST_ESCAPES = 262_144
"""In a form; decoding these takes 75 ms, and base64 of 2 MiB has a third as many."""
_LARGE_FORM = 65_536
"""From here on a form is parsed beside the event loop."""


async def read_fields(request: Request, *, max_bytes: int, timeout_s: float) -> Fields:
    """Read a body and parse it."""
    body = await read_body(request, max_bytes=max_bytes, timeout_s=timeout_s)
    return await parse_body(body, request.headers)


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Read a body to its end.

    Raises:
        BodyTooLarge: announced or found to be over the limit.
        SlowBody: not complete in time.
        ClientGone: the sender hung up first.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > max_bytes:
        raise BodyTooLarge(f"the body has {announced} bytes, at most {max_bytes} are taken")
    task = asyncio.current_task()
    assert task
    # What `asyncio.timeout` does, which takes four times as long.
    cut = asyncio.get_running_loop().call_later(timeout_s, task.cancel, _SLOW)
    try:
        return await _receive(request.receive, max_bytes=max_bytes)
    except asyncio.CancelledError as cancelled:
        if cancelled.args == (_SLOW,) and task.uncancel() == 0:
            raise SlowBody(f"the body was not complete within {timeout_s:g} s") from None
        raise
    finally:
        cut.cancel()


async def _receive(receive: Receive, *, max_bytes: int) -> bytes:
    body = bytearray()
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up while sending")
        body += message.get("body", b"")
        is_complete = not message.get("more_body", False)
        if len(body) > max_bytes:
            raise BodyTooLarge(f"the body may have {max_bytes} bytes")
    return bytes(body)


async def parse_body(body: bytes, headers: Headers) -> Fields:
    """Parse JSON, a urlencoded form or a multipart form into fields.

    JSON sent under curl's default form type, or under none, is taken as JSON.

    Raises:
        EmptyBody, NotUtf8, NotJson, UnsupportedContentType: each says what was expected.
    """
    if not body.strip():
        raise EmptyBody("post a JSON object with api_key, image and type")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _parse_multipart(body, headers)
    looks_like_json = body.lstrip()[:1] == b"{"
    if kind.endswith(("/json", "+json")) or (looks_like_json and kind in ("", _FORM)):
        return _parse_json(body)
    if kind == _FORM and len(body) < _LARGE_FORM:
        return _parse_form(body)
    if kind == _FORM:
        return await asyncio.to_thread(_parse_form, body)
    raise UnsupportedContentType(
        f"{kind or 'no content type'} is not taken; send application/json, {_FORM}"
        " or multipart/form-data"
    )


_FORM = "application/x-www-form-urlencoded"


def _parse_json(body: bytes) -> Fields:
    _check_utf8(body)
    if body.lstrip()[:1] != b"{":
        raise NotJson("the body must be a JSON object")
    try:
        known = msgspec.structs.asdict(msgspec.json.decode(body, type=_Known))
        present = {name: raw for name, raw in known.items() if raw is not _ABSENT}
        return {name: _decode(name, memoryview(raw)) for name, raw in present.items()}
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotJson(str(error)) from error


_NAMES = ("api_key", "image", "image2", "slide_image", "type", "options", "log_id", "verdict",
          "answer")  # fmt: skip
_ABSENT = msgspec.Raw(b"null")
_Known = msgspec.defstruct("_Known", [(name, msgspec.Raw, _ABSENT) for name in _NAMES])
"""The fields of all endpoints, still JSON: what is unknown is skipped, and no objects are made."""


def _decode(name: str, value: memoryview) -> object:
    """One field; of a list or an object where a scalar is wanted only the kind matters."""
    if name == "options":
        return _decode_options(value)
    match value[:1].tobytes():
        case b"[":
            return []
        case b"{":
            return {}
    return msgspec.json.decode(value)


def _decode_options(value: memoryview | str) -> object:
    if len(value) > _MOST_OPTIONS:
        raise BadField(f"options may have {_MOST_OPTIONS} characters")
    return msgspec.json.decode(value)


def _check_utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(f"byte {error.start} is not UTF-8") from error


def _parse_form(body: bytes) -> Fields:
    if body.count(b"%") > _MOST_ESCAPES:
        raise BadField(f"a form may have {_MOST_ESCAPES} percent escapes; send JSON instead")
    try:
        pairs = parse_qsl(
            _check_utf8(body), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeDecodeError as error:
        raise NotUtf8("a percent-encoded field is not UTF-8") from error
    except ValueError as error:
        raise BadField(f"a form may have {_MOST_FIELDS} fields") from error
    # Senders that do not encode base64's "+" have it arrive as a blank.
    fields = {name: v.replace(" ", "+") if name in _IMAGES else v for name, v in pairs}
    return _unpack_form(fields)


async def _parse_multipart(body: bytes, headers: Headers) -> Fields:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    _check_charset(headers["content-type"])
    parser = MultiPartParser(
        headers, stream(), max_files=4, max_fields=_MOST_FIELDS, max_part_size=len(body)
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise UnsupportedContentType(f"the multipart body cannot be parsed: {error}") from error
    except UnicodeError as error:
        raise NotUtf8("a form field is not UTF-8") from error
    try:
        return _unpack_form(
            {
                name: await value.read() if isinstance(value, UploadFile) else value
                for name, value in form.items()
            }
        )
    finally:
        await form.close()


def _check_charset(content_type: str) -> None:
    """The parser would decode with any codec of Python, and punycode's is quadratic."""
    charset = parse_options_header(content_type)[1].get(b"charset", b"utf-8")
    if charset.lower() not in (b"utf-8", b"utf8"):
        raise UnsupportedContentType("the charset of a multipart form must be utf-8")


def _unpack_form(form: Mapping[str, str | bytes]) -> Fields:
    """A form knows text only: give `type` and `options` the kinds they have in JSON."""
    fields: dict[str, object] = dict(form)
    type_id = fields.get("type")
    if isinstance(type_id, str) and type_id.isascii() and type_id.isdigit() and len(type_id) < 10:
        fields["type"] = int(type_id)
    options = fields.get("options")
    if isinstance(options, str):
        try:
            fields["options"] = _decode_options(options) if options else {}
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadField(f"options must be a JSON object: {error}") from error
    return fields


_IMAGES = ("image", "image2", "slide_image")


def text_in(fields: Fields, name: str) -> str:
    """A field of text that can be kept; empty where it is absent.

    Raises:
        BadField: it is none, is too long, or has a NUL, which PostgreSQL keeps in no text.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or "\0" in value:
        raise BadField(f"{name} must be a text of at most {_LONGEST_TEXT} characters, without NUL")
    return value


def api_key_in(fields: Fields) -> str | None:
    """The body's api_key.

    Raises:
        BadField: it is no text.
    """
    key = fields.get("api_key")
    if key is not None and not isinstance(key, str):
        raise BadField("api_key must be a text")
    return key or None


def type_id_in(fields: Fields) -> int:
    """The type ID.

    Raises:
        MissingField: absent.
        BadField: not a positive integer.
    """
    type_id = fields.get("type")
    if type_id is None or type_id == "":
        raise MissingField("type is required: an integer type ID, see /types")
    if isinstance(type_id, bool) or not isinstance(type_id, int):
        raise BadField(f"type must be an integer, not {_name_kind(type_id)}")
    if not 1 <= type_id <= LARGEST_TYPE_ID:
        raise BadField(f"type must be within 1 and {LARGEST_TYPE_ID}, not {type_id}")
    return type_id


def posted_in(fields: Fields) -> Posted:
    """The whole request.

    Raises:
        MissingField, BadField, BadBase64, ImageTooLarge: naming the field.
    """
    type_id = type_id_in(fields)
    image = _image(fields, "image")
    if image is None:
        raise MissingField("image is required: the picture's bytes as base64")
    options = fields.get("options")
    if options is not None and not isinstance(options, dict):
        raise BadField(f"options must be an object, not {_name_kind(options)}")
    try:  # what is later hashed, and sent to a worker
        msgspec.msgpack.encode(options)
    except (OverflowError, RecursionError) as error:
        raise BadField("options has an integer beyond 64 bits, or is nested too deeply") from error
    return Posted(type_id, image, _second_image(fields), options or {})


def _second_image(fields: Fields) -> bytes | None:
    image2, alias = _image(fields, "image2"), _image(fields, "slide_image")
    if image2 is not None and alias is not None and image2 != alias:
        raise BadField("image2 and slide_image are two names of one field; they differ")
    return image2 if image2 is not None else alias


def _image(fields: Fields, name: str) -> bytes | None:
    value = fields.get(name)
    if value is None or value in ("", b""):
        return None
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise BadField(f"{name} must be a text of base64, not {_name_kind(value)}")
    return decode_base64(value)


def _name_kind(value: object) -> str:
    names = {str: "a text", bool: "a boolean", int: "an integer", float: "a float", list: "a list"}
    return names.get(type(value), "an object")
