"""A server made of one function: documented replies, money, and answers that get lost."""

import json
from collections import Counter
from dataclasses import dataclass, field

import httpx2

KEY = "ak_secretOfTheTests"


def reply(
    data: object = None,
    code: int = 200,
    *,
    msg: str = "识别成功",
    status: int | None = None,
    headers: dict[str, str] | None = None,
    **error: object,
) -> httpx2.Response:
    """A reply in the documented shape."""
    body = {"code": code, "msg": msg, "data": data or {}, "timestamp": 1}
    if error:
        body["error"] = error
    return httpx2.Response(status or code, json=body, headers=headers)


ANSWER = {
    "result": "r7k4m",
    "log_id": "LOG20241101000001",
    "cost": 0.001,
    "balance": 99.999,
    "response_time": 5,
    "group_name": "通用数英",
    "detail": {"confidence": 0.9986, "plugin": "p", "version": "1"},
}


@dataclass
class Charging:
    """A server that keeps its Idempotency-Keys, and loses its first replies.

    Attributes:
        losses: what happens in the place of each first reply, after the charge.
        charges: how often each Idempotency-Key was charged.
        seen: all requests.
    """

    losses: list[httpx2.Response | Exception]
    charges: Counter[str] = field(default_factory=Counter)
    seen: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        name = request.headers["Idempotency-Key"]
        if name not in self.charges:
            self.charges[name] += 1
        if not self.losses:
            return reply(ANSWER)
        lost = self.losses.pop(0)
        if isinstance(lost, Exception):
            raise lost
        return copy(lost)


def copy(response: httpx2.Response) -> httpx2.Response:
    """A fresh one: each can be read by one client only."""
    return httpx2.Response(response.status_code, content=response.content, headers=response.headers)


def posted(request: httpx2.Request) -> dict[str, object]:
    """The JSON of a request."""
    return dict(json.loads(request.content))


class Losing(httpx2.BaseTransport):
    """Passes requests on, and loses the first replies on their way back."""

    def __init__(self, below: httpx2.BaseTransport, losses: int) -> None:
        self._below, self.left = below, losses

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._below.handle_request(request)
        response.read()
        if self.left:
            self.left -= 1
            raise httpx2.ReadError("the connection was reset")
        return response

    def close(self) -> None:
        self._below.close()
