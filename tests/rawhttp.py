"""Requests in bytes over a bare socket: what no HTTP library would send."""

import socket
from typing import Any

from serving import parse

URL = "/api/v1/captcha.php"


def head(key: str | None, *lines: str) -> bytes:
    """The head of a request for an answer; without X-API-Key where there is no key."""
    start = [f"POST {URL} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    named = [] if key is None else [f"X-API-Key: {key}"]
    return "\r\n".join([*start, *named, *lines, "", ""]).encode()


def read_reply(connection: socket.socket) -> tuple[int, Any]:
    """The next reply: its status and its JSON."""
    status, _, body = read_whole_reply(connection)
    return status, body


def read_whole_reply(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """The same with its headers, their names in lower case."""
    top = b""
    while not top.endswith(b"\r\n\r\n"):
        top += _receive(connection, 1)  # no more: another reply may follow
    first, *lines = top.decode().removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = b""
    while (missing := int(headers["content-length"]) - len(body)) > 0:
        body += _receive(connection, missing)
    return int(first.split()[1]), headers, parse(body)


def _receive(connection: socket.socket, most: int) -> bytes:
    data = connection.recv(most)
    assert data, "the connection was closed before the reply was complete"
    return data
