"""What a server answers, as frozen dataclasses under the words of this project.

A field that the documented page calls by another word has that word as its ``wire`` metadata.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T")
Json = Any  # what a plugin or a catalogue says; JSON has no narrower type that people can use


@dataclass(frozen=True)
class Answer:
    """What was read, and what it cost.

    Attributes:
        result: the answer.
        log_id: its number in the server's log; a report names it.
        cost: what was charged, in yuan, exactly.
        balance: of the account after it, in yuan, exactly.
        response_ms: from the arrival of the request to the answer, on the server.
        type_name: the type's Chinese name.
        detail: confidence, plugin and version, and what the plugin says beside the result.
    """

    result: str
    log_id: str
    cost: Decimal
    balance: Decimal
    response_ms: int = field(metadata={"wire": "response_time"})
    type_name: str = field(metadata={"wire": "group_name"})
    detail: dict[str, Json]

    @property
    def confidence(self) -> float:
        """How likely the result is right, 0 to 1."""
        return float(self.detail["confidence"])


@dataclass(frozen=True)
class Balance:
    """What an account has; what is held for requests in flight is not yet off.

    Attributes:
        balance: in yuan, exactly.
        currency: ``"CNY"``.
        account: its name.
    """

    balance: Decimal
    currency: str
    account: str


@dataclass(frozen=True)
class Log:
    """One request of the account.

    Attributes:
        log_id: its number.
        time: Unix seconds.
        type_id: what was asked for, where the request got that far.
        code: the code of the reply.
        outcome: ``"ok"``, ``"replayed"`` or an error's reason.
        result: the answer, if there was one.
        confidence: of the answer.
        cost: what was charged, in yuan.
        response_ms: how long it took on the server.
        verdict: what was reported of it: ``"correct"``, ``"wrong"`` or nothing.
        refunded: given back for a wrong answer, in yuan.
        detail: as in the reply.
    """

    log_id: str
    time: int
    type_id: int | None = field(metadata={"wire": "type"})
    code: int
    outcome: str
    result: str | None
    confidence: float | None
    cost: Decimal
    response_ms: int = field(metadata={"wire": "response_time"})
    verdict: str | None
    refunded: Decimal
    detail: dict[str, Json] | None

    @property
    def moment(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self.time, tz=UTC)


@dataclass(frozen=True)
class Reported:
    """A report that the server took.

    Attributes:
        log_id: of the answer.
        verdict: ``"correct"`` or ``"wrong"``.
        refunded: given back, in yuan.
        balance: of the account after it, in yuan.
    """

    log_id: str
    verdict: str
    refunded: Decimal
    balance: Decimal


@dataclass(frozen=True)
class ServedType:
    """One type that the server offers.

    Attributes:
        type_id: the number to ask for.
        name: in Chinese.
        name_en: in English.
        price: of one answer, in yuan.
        currency: ``"CNY"``.
        inputs: ``("image",)`` or ``("image", "image2")``.
        options: each with name, kind, meaning and limits.
        min_confidence: answers below are refused unless the request says otherwise.
        deadline_s: how long the solver may take.
        plugin: which reads it.
        version: of the plugin.
        sample_answer: the true answer of the type's sample image.
        status: how it is now; ``"ready"`` where all is well.
        accuracy: as measured by the plugin's author, with n, interval and command; None if never.
    """

    type_id: int = field(metadata={"wire": "type"})
    name: str
    name_en: str
    price: Decimal
    currency: str
    inputs: tuple[str, ...]
    options: tuple[dict[str, Json], ...]
    min_confidence: float
    deadline_s: float
    plugin: str
    version: str
    sample_answer: str
    status: str
    accuracy: Json | None


@dataclass(frozen=True)
class Page:
    """Some logs, newest first.

    Attributes:
        logs: the page.
        next: where the following page begins; None on the last one.
    """

    logs: tuple[Log, ...]
    next: str | None


def decode(kind: type[T], data: bytes | msgspec.Raw) -> T:
    """Make one of the above, each field checked, from a JSON object; money stays exact.

    Raises:
        msgspec.DecodeError: a field is absent or of another type.
    """
    given = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}  # checked by the decoder, which mypy cannot see
    for each in fields(kind):  # type: ignore[arg-type]  # the dataclasses above
        name = each.metadata.get("wire", each.name)
        if name not in given:
            raise msgspec.ValidationError(f"there is no {name!r}")
        values[each.name] = msgspec.json.decode(given[name], type=hints[each.name])
    return kind(**values)


def decode_page(data: bytes | msgspec.Raw) -> Page:
    """One page of logs."""
    page = msgspec.json.decode(data, type=_Page)
    return Page(tuple(decode(Log, log) for log in page.logs), page.next)


def decode_types(data: bytes | msgspec.Raw) -> Mapping[int, ServedType]:
    """The catalogue by type ID."""
    found = msgspec.json.decode(data, type=_Types).types
    types = [decode(ServedType, described) for described in found]
    return {served.type_id: served for served in types}


class _Page(msgspec.Struct):
    logs: list[msgspec.Raw]
    next: str | None


class _Types(msgspec.Struct):
    types: list[msgspec.Raw]
