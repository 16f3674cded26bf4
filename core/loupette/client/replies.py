"""A reply's bytes to its data, or to the error that the server reported."""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from loupette import errors
from loupette.client.errors import BadReply, NoReply
from loupette.errors import LoupetteError, by_reason

_UNSOLVED = "识别失败"
"""The documented msg of a challenge that was not read; the reason may be a plugin's own."""
AWAY = (502, 503, 504)
"""What a proxy says of a server that it cannot reach."""
BUSY = 429
_LONGEST_SHOWN = 120

_BY_REASON = by_reason(LoupetteError)
_BY_CODE: Mapping[int, type[LoupetteError]] = {
    401: errors.Unauthenticated,
    402: errors.InsufficientBalance,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    429: errors.RateLimited,
}
"""For reasons that a newer server has and this client does not know."""


@dataclass(frozen=True)
class Reply:
    """One HTTP reply.

    Attributes:
        status: the HTTP status.
        content: the body.
        retry_after: the header, if there is one.
        location: the header, if there is one.
    """

    status: int
    content: bytes
    retry_after: str | None = None
    location: str | None = None


class _Error(msgspec.Struct):
    reason: str = ""
    message: str = ""
    detail: dict[str, Any] = {}  # JSON


class _Envelope(msgspec.Struct):
    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None


class _Logged(msgspec.Struct):
    log_id: str | None = None


def code_of(reply: Reply) -> int:
    """The documented code: the body's, as the HTTP status may always be 200."""
    try:
        return _open(reply).code
    except msgspec.DecodeError:
        return reply.status


def data_of(reply: Reply) -> msgspec.Raw:
    """What a reply says beside code and msg.

    Raises:
        LoupetteError: the class of `loupette.errors` that the server named.
        NoReply: a proxy could not reach the server.
        BadReply: not a reply of a Loupette server.
    """
    try:
        envelope = _open(reply)
    except msgspec.DecodeError as error:
        raise _foreign(reply) from error
    if envelope.code == 200:
        return envelope.data
    raise _reported(envelope, reply)


def content_of(reply: Reply) -> bytes:
    """The body of a reply that is no JSON where all went well.

    Raises:
        LoupetteError: as `data_of`.
    """
    if code_of(reply) == 200:
        return reply.content
    data_of(reply)
    raise _foreign(reply)


def retry_after_s(reply: Reply, *, now: datetime | None = None) -> float:
    """Seconds that a reply asks to wait, by number or by date; 0 where it says nothing usable."""
    text = (reply.retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _open(reply: Reply) -> _Envelope:
    return msgspec.json.decode(reply.content, type=_Envelope)


def _foreign(reply: Reply) -> LoupetteError:
    if reply.status in AWAY:
        return NoReply(f"a proxy answers {reply.status}: the server is away")
    if reply.status == BUSY:
        wait_s = retry_after_s(reply)
        return errors.RateLimited("a proxy answers 429: too many requests", retry_after_s=wait_s)
    if reply.location:
        return BadReply(
            f"status {reply.status} leads to {reply.location[:_LONGEST_SHOWN]!r};"
            " redirects are not followed, as they would take the key along: correct the URL"
        )
    shown = reply.content[:_LONGEST_SHOWN].decode("utf-8", "replace")
    return BadReply(f"status {reply.status} with {shown!r} is no reply of a Loupette server")


def _reported(envelope: _Envelope, reply: Reply) -> LoupetteError:
    said = envelope.error or _Error()
    message = said.message or envelope.msg
    error = _make(envelope, said, message, retry_after_s(reply))
    error.log_id = _log_id(envelope.data)
    if error.log_id:
        error.add_note(f"log ID {error.log_id}")
    return error


def _make(envelope: _Envelope, said: _Error, message: str, wait_s: float) -> LoupetteError:
    unknown = errors.InternalError if envelope.code >= 500 else errors.CallerError
    kind = _BY_REASON.get(said.reason) or _BY_CODE.get(envelope.code, unknown)
    if issubclass(kind, errors.LowConfidence | errors.OptionsBroken):
        return kind(message, detail=said.detail)
    if envelope.msg == _UNSOLVED or issubclass(kind, errors.Unsolvable):
        return errors.Unsolvable(said.reason or "unsolvable", message, detail=said.detail)
    if issubclass(kind, errors.RateLimited):
        return kind(message, retry_after_s=wait_s)
    return kind(message, detail=said.detail)


def _log_id(data: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Logged).log_id
    except msgspec.DecodeError:
        return None
