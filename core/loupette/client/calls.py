"""Every call of the API as a value: what is sent, and how its reply is read. No I/O."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from loupette.client.errors import BadReply
from loupette.client.images import Picture, image_bytes
from loupette.client.replies import Reply, content_of, data_of
from loupette.client.results import (
    Answer,
    Balance,
    Log,
    Page,
    Reported,
    ServedType,
    decode,
    decode_page,
    decode_types,
)

T = TypeVar("T")
Moment = int | datetime
LARGEST_PAGE = 500


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        method: of HTTP.
        path: below the server's URL.
        read: makes the result of the reply.
        query: the URL's parameters.
        content: the JSON body.
        idempotency_key: makes a repeat of a call that costs money safe.
        is_repeatable: whether it may be sent again when its reply was lost.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    query: Mapping[str, str | int] | None = None
    content: bytes | None = None
    idempotency_key: str | None = None
    is_repeatable: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Beside those that all calls have."""
        headers = {"Content-Type": "application/json"} if self.content is not None else {}
        if self.idempotency_key:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers


def _data(read: Callable[[msgspec.Raw], T]) -> Callable[[Reply], T]:
    """Read the data of a reply, and say so where it is not as documented."""

    def read_reply(reply: Reply) -> T:
        data = data_of(reply)
        try:
            return read(data)
        except msgspec.DecodeError as error:
            raise BadReply(f"the reply is not as documented: {error}") from error

    return read_reply


def solve(
    image: Picture,
    type_id: int,
    image2: Picture | None = None,
    *,
    options: Mapping[str, str | int | float],
    idempotency_key: str | None,
) -> Call[Answer]:
    """Read one challenge; without a key of the caller's it gets one of its own."""
    fields: dict[str, object] = {"type": type_id, "image": image_bytes(image)}
    if image2 is not None:
        fields["image2"] = image_bytes(image2)
    if options:
        fields["options"] = options
    return Call(
        "POST",
        "/api/v1/captcha.php",
        _data(lambda data: decode(Answer, data)),
        content=msgspec.json.encode(fields),  # bytes become base64
        idempotency_key=idempotency_key or str(uuid.uuid4()),
    )


def balance() -> Call[Balance]:
    """What the account has."""
    return Call("GET", "/api/v1/balance", _data(lambda data: decode(Balance, data)))


@dataclass(frozen=True)
class LogFilter:
    """Which logs, newest first.

    Attributes:
        limit: how many at most; None for all.
        since: from this time on.
        until: before this time.
        type: of this type ID.
        outcome: ``"ok"``, ``"replayed"`` or an error's reason.
        before: older than this log ID.
    """

    limit: int | None = None
    since: Moment | None = None
    until: Moment | None = None
    type: int | None = None
    outcome: str | None = None
    before: str | None = None

    @property
    def query(self) -> dict[str, str | int]:
        """As parameters of the URL, for one page."""
        values = {
            "limit": LARGEST_PAGE if self.limit is None else min(self.limit, LARGEST_PAGE),
            "since": _as_text(self.since),
            "until": _as_text(self.until),
            "type": self.type,
            "outcome": self.outcome,
            "before": self.before,
        }
        return {name: value for name, value in values.items() if value is not None}

    def after(self, page: Page) -> "LogFilter | None":
        """What is still wanted after a page; None when nothing is."""
        left = None if self.limit is None else self.limit - len(page.logs)
        if page.next is None or left == 0:
            return None
        return replace(self, limit=left, before=page.next)


def _as_text(moment: Moment | None) -> str | int | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def logs(wanted: LogFilter) -> Call[Page]:
    """One page of the account's logs."""
    return Call("GET", "/api/v1/logs", _data(decode_page), query=wanted.query)


def log(log_id: str) -> Call[Log]:
    """One log of the account."""
    return Call("GET", f"/api/v1/logs/{_part(log_id)}", _data(lambda data: decode(Log, data)))


def report(log_id: str, *, verdict: str, answer: str | None) -> Call[Reported]:
    """Say whether an answer was right; the server takes one report of each, so none is repeated."""
    fields = {"log_id": log_id, "verdict": verdict}
    if answer is not None:
        fields["answer"] = answer
    return Call(
        "POST",
        "/api/v1/report",
        _data(lambda data: decode(Reported, data)),
        content=msgspec.json.encode(fields),
        is_repeatable=False,
    )


def types() -> Call[Mapping[int, ServedType]]:
    """The catalogue."""
    return Call("GET", "/api/v1/types", _data(decode_types))


def sample(type_id: int) -> Call[bytes]:
    """The sample image of a type, a PNG file."""
    return Call("GET", f"/types/{int(type_id)}/sample", content_of)


def _part(text: str) -> str:
    """One segment of a path; whatever else a log ID cannot be, it is not a way elsewhere."""
    if not (text.isascii() and text.isalnum()):
        raise ValueError(f"{text[:40]!r} is no log ID")
    return text
