"""HTTP on the wire, for requests that no HTTP library would send, and for many of them."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field

REPLY_WITHIN_S = 10.0

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
_CLOSES = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A reply as it came; status 0 when the connection ended without one."""

    status: int
    body: bytes = b""


@dataclass
class Wire:
    """One connection after another to a server on loopback; each is kept as long as it lasts."""

    port: int
    _reader: asyncio.StreamReader | None = field(default=None, repr=False)
    _writer: asyncio.StreamWriter | None = field(default=None, repr=False)

    async def send(self, request: bytes) -> Answer:
        """Send a request and wait for its reply.

        Raises:
            TimeoutError: none came; the server hangs.
        """
        is_kept = self._reader is not None
        try:
            async with asyncio.timeout(REPLY_WITHIN_S):
                return await self._ask(request)
        except TimeoutError:
            await self.close()
            raise
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            # A connection that was kept may have been closed meanwhile; a new one tells.
            return await self.send(request) if is_kept else Answer(0)

    async def _ask(self, request: bytes) -> Answer:
        reader, writer = await self._open()
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(_END)
        while head[9:12] == b"100":
            head = await reader.readuntil(_END)
        length = _LENGTH.search(head)
        has_body = length is not None and not request.startswith(b"HEAD ")
        body = await reader.readexactly(int(length[1])) if length and has_body else b""
        if _CLOSES.search(head):
            await self.close()
        return Answer(int(head[9:12]), body)

    async def close(self) -> None:
        """Hang up; the next request has a new connection."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):  # the other side was quicker
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self._reader, self._writer


def request(
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A well-formed request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body
