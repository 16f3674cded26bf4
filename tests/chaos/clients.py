"""Clients that ask without pause, repeat what was lost, and write down what they were told."""

import base64
import http.client
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import fakes
from serving import Reply, Server, running

WHITE = base64.b64encode(fakes.draw_png()).decode()
BLACK = base64.b64encode(fakes.draw_png(colour="black")).decode()
"""The fakes answer a white image and misbehave on a black one."""

_LOST = (OSError, http.client.HTTPException)
_AGAIN_S = 0.05


@dataclass
class Told:
    """What clients were told, over all rounds.

    Attributes:
        charged: log ID of each acknowledged answer, and its cost.
        failed: log IDs of failures.
        replies: how many there were of each status.
        repeated: requests that were sent again because their reply was lost.
    """

    charged: dict[str, Decimal] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    replies: dict[int, int] = field(default_factory=dict)
    repeated: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, reply: Reply) -> None:
        """Write one reply down; a replayed one says again what is known already."""
        data = reply.json["data"]
        with self._lock:
            self.replies[reply.status] = self.replies.get(reply.status, 0) + 1
            if reply.status == 200:
                self.charged[data["log_id"]] = Decimal(data["cost"])
            elif "log_id" in data:
                self.failed.add(data["log_id"])


class Load:
    """Some clients at once; each request has an Idempotency-Key, as an honest caller's has.

    Args:
        server: where they ask; `Server` finds a restarted one by its port.
        key: whose balance they spend.
        told: where replies go.
        name: beginning of the Idempotency-Keys.
    """

    def __init__(self, server: Server, key: str, told: Told, *, name: str, clients: int) -> None:
        self._server = server
        self._key = key
        self._told = told
        self._names = (f"{name}-{number}" for number in itertools.count())
        self._naming = threading.Lock()
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self._lost: list[str] = []
        self.answers = 0
        self.failures = 0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Ask until the block ends; then repeat what is still without a reply."""
        with running(self._threads, self._stop):
            yield
        for name in self._lost:
            self._note(self._post(name))

    def wait_for(self, *, answers: int = 0, failures: int = 0, timeout_s: float = 30.0) -> None:
        """Wait for so many more of them."""
        with self._changed:
            answers, failures = self.answers + answers, self.failures + failures
            assert self._changed.wait_for(
                lambda: self.answers >= answers and self.failures >= failures, timeout_s
            ), f"{self.answers} of {answers} answers, {self.failures} of {failures} failures came"

    def _ask(self) -> None:
        while not self._stop.is_set():
            with self._naming:
                name = next(self._names)
            self._ask_until_told(name)

    def _ask_until_told(self, name: str) -> None:
        while True:
            try:
                return self._note(self._post(name))
            except _LOST:
                if self._stop.is_set():
                    return self._lost.append(name)
                self._told.repeated += 1
                time.sleep(_AGAIN_S)  # the server is dead; Load.run ends this

    def _post(self, name: str) -> Reply:
        fields = {"image": WHITE, "type": fakes.ECHO}
        return self._server.post(fields, self._key, {"Idempotency-Key": name})

    def _note(self, reply: Reply) -> None:
        self._told.note(reply)
        with self._changed:
            self.answers += reply.status == 200
            self.failures += reply.status != 200
            self._changed.notify_all()


def raw_request(key: str, type_id: int, image: str, name: str = "") -> tuple[bytes, bytes]:
    """Head and body of a request for an answer, to be sent by halves."""
    body = f'{{"image": "{image}", "type": {type_id}}}'.encode()
    head = f"POST /api/v1/captcha.php HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
    named = f"Idempotency-Key: {name}\r\n" if name else ""
    return f"{head}{named}Content-Length: {len(body)}\r\n\r\n".encode(), body


def hang_up(connection: socket.socket, *, with_reset: bool) -> None:
    """Close as a program does that ends, or with a reset as one does whose machine is gone."""
    if with_reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
