"""What uvicorn leaves without a limit: the size of a head, the time for it, the rest of a body."""

import asyncio
from itertools import chain
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from loupette.errors import HeadTooLarge
from loupette.web.headers import SECURITY_HEADERS
from loupette.web.responses import code_and_msg, describe, render, respond

_LONGEST_HEAD = 65_536
_MOST_HEADERS = 100


class LimitedProtocol(HttpToolsProtocol):
    """One connection, which is closed where nothing comes of it.

    Settings come with the lifespan's state. Wherever no request is being answered, a connection has
    `LOUPETTE_BODY_TIMEOUT_S` for its next head. What remains of a body that was refused is no
    request, but read for so long: a client that sends all before it reads its reply can do so.
    """

    _in_body = False
    _unread = 0
    """Bytes that came in further pieces since the last head or body was complete, or the reply to
    one that is not."""
    _piece = 0
    """Bytes of what was received last."""
    _carried = 0
    """Of the piece in which the last body ended; a head may begin in it."""
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: whatever uvicorn gives
        super().__init__(*args, **kwargs)
        settings = self.app_state["settings"]
        self._timeout_s: float = settings.body_timeout_s
        # In chunks, what is no body may be as much again; of trailers nobody else counts the bytes.
        self._longest_body: int = 2 * settings.max_body_bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._stop_waiting()

    def data_received(self, data: bytes) -> None:
        """Count what came."""
        self._piece = len(data)
        self._unread += self._piece
        super().data_received(data)
        if self._unread > (self._longest_body if self._in_body else _LONGEST_HEAD):
            self._cut_off()
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_headers_complete(self) -> None:
        """Have the request answered, by a refusal if its head is too large."""
        most = self._unread + self._carried
        self._in_body = True
        self._unread = 0
        if self._deadline is not None:
            self._stop_waiting()
        # Added up only where it may be too much: this is done for every request.
        if len(self.headers) > _MOST_HEADERS or (
            most > _LONGEST_HEAD and self._head_bytes() > _LONGEST_HEAD
        ):
            self.app, self.url = _refusal(), b"/"  # uvicorn cannot parse one so long
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes now is a head."""
        self._in_body = False
        self._unread = 0
        self._carried = self._piece
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What comes now of the body is its rest."""
        if self._in_body:
            self._unread = 0
        super().on_response_complete()

    def drop_unfinished(self) -> None:
        """Close the connection if the body of its request is not complete."""
        if self._in_body:
            self.transport.close()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(map(len, chain.from_iterable(self.headers)))

    def _await_head(self) -> None:
        # Of uvicorn's, it closes the connection. Its own time ends with the first byte that comes.
        self._deadline = self.loop.call_later(self._timeout_s, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        if self.transport.is_closing():
            return
        if not self._in_body:
            refusal = _refusal()
            lines = b"".join(b"%b: %b\r\n" % header for header in refusal.raw_headers)
            self.transport.write(STATUS_LINE[431] + lines + b"\r\n" + bytes(refusal.body))
        self.transport.close()


def _refusal() -> Response:
    error = HeadTooLarge(f"a head may have {_LONGEST_HEAD} bytes and {_MOST_HEADERS} headers")
    code, msg = code_and_msg(error)
    return respond(
        code,
        render(code, msg, {}, error=describe(error)),
        always_200=False,
        headers={**SECURITY_HEADERS, "Connection": "close"},
    )
