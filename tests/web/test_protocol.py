"""`loupette serve` on bare sockets: heads without end, senders that stop, bodies nobody reads."""

import base64
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from rawhttp import head, read_reply
from serving import Server, find_port, start, stop

KILOBYTE = 1024
TIMEOUT_S = 0.5


@pytest.fixture(scope="module")
def settings(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp("protocol")
    return make_settings(folder, workers=1, body_timeout_s=TIMEOUT_S, max_body_bytes=64 * KILOBYTE)


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Server]:
    running = start(settings, find_port())
    try:
        running.wait_until_ready()
        yield running
    finally:
        stop(running.process)


def livez(*lines: str, query: str = "") -> bytes:
    start = [f"GET /livez{query} HTTP/1.1", "Host: localhost"]
    return "\r\n".join([*start, *lines, "", ""]).encode()


def send_until_answered(connection: socket.socket, piece: bytes, *, most: int) -> int:
    """Send the same again and again until there is a reply, or the end; gives the bytes sent."""
    sent = 0
    with suppress(ConnectionError):
        while sent < most and not select.select([connection], [], [], 0)[0]:
            connection.sendall(piece)
            sent += len(piece)
    return sent


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection, without another reply, in good time."""
    connection.settimeout(4)  # uvicorn's own limit, for an idle one, is 5
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def assert_refused(reply: tuple[int, Any]) -> None:
    status, body = reply
    assert (status, body["code"], body["msg"]) == (431, 431, "请求头过大")
    assert body["error"]["reason"] == "head_too_large"


@pytest.mark.parametrize("piece", [b"x" * 1000, b"a: b\r\n" * 200], ids=["one", "many"])
def test_a_head_without_end_is_refused_and_read_no_further(server: Server, piece: bytes) -> None:
    """150 MB of headers were taken, and answered with 200."""
    with server.connect() as connection:
        connection.sendall(livez()[:-2] + b"X-Long: ")
        assert send_until_answered(connection, piece, most=64 * KILOBYTE**2) < 64 * KILOBYTE**2
        assert_refused(read_reply(connection))
        assert is_closed(connection)


LARGE = "x" * 70_000
TOO_LARGE = {
    "value": livez(f"X-Long: {LARGE}"),
    "name": livez(f"{LARGE}: x"),
    "url": livez(query=f"?image={LARGE}"),
    "many": livez(*["a: b"] * 100),
}


@pytest.mark.parametrize("request_", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_over_the_limits_is_refused(server: Server, request_: bytes) -> None:
    """Also where all of it comes at once."""
    with server.connect() as connection:
        connection.sendall(request_)
        assert_refused(read_reply(connection))
        assert is_closed(connection)


@pytest.mark.parametrize("request_", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("share", [0.9, 1.0])
def test_a_head_that_comes_along_with_another_request_is_refused(
    server: Server, request_: bytes, share: float
) -> None:
    cut = int(len(request_) * share)
    with server.connect() as connection:
        connection.sendall(livez() + request_[:cut])
        assert read_reply(connection)[0] == 200
        connection.sendall(request_[cut:])
        assert_refused(read_reply(connection))
        assert is_closed(connection)


def test_heads_just_below_the_limits_are_taken_on_one_connection(server: Server) -> None:
    with server.connect() as connection:
        for long in (livez(f"X-Long: {'x' * 65_000}"), livez(*["a: b"] * 99)):
            for part in (long[:9], long[9:-3], long[-3:]):
                connection.sendall(part)
            assert read_reply(connection)[0] == 200


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /livez HTT", livez()[:-2]], ids=repr)
def test_a_connection_without_a_whole_head_is_closed(server: Server, sent: bytes) -> None:
    """A silent one and half a head were open for as long as the sender liked."""
    with server.connect() as connection:
        connection.sendall(sent)
        assert is_closed(connection)


@pytest.mark.parametrize("sent", [b"\r\n", b"GET /livez HTT", livez()[:-2]], ids=repr)
def test_so_is_one_whose_next_head_stays_away(server: Server, sent: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(livez())
        assert read_reply(connection)[0] == 200
        connection.sendall(sent)
        assert is_closed(connection)


def test_a_request_that_is_being_answered_may_take_longer(
    server: Server, settings: Settings
) -> None:
    image = base64.b64encode(fakes.draw_png(colour="black")).decode()
    body = json.dumps({"image": image, "type": fakes.SLOW}).encode()
    request = head(issue_key(settings), f"Content-Length: {len(body)}") + body
    with server.connect() as connection:
        connection.sendall(request + livez()[:10])  # and what is ahead of its time may wait, too
        status, reply = read_reply(connection)
        assert (status, reply["error"]["reason"]) == (500, "solver_timeout")
        connection.sendall(livez()[10:])
        assert read_reply(connection)[0] == 200


def test_the_rest_of_a_refused_body_is_read_and_the_connection_kept(server: Server) -> None:
    """A client may send all before it reads; closed on it, it would lose the reply."""
    rest = b"x" * 60 * KILOBYTE
    with server.connect() as connection:
        connection.sendall(head("ak_of_nobody", f"Content-Length: {len(rest)}"))
        assert read_reply(connection)[0] == 401
        connection.sendall(rest + livez())
        assert read_reply(connection)[0] == 200


ENDLESS = {
    "announced": ("Content-Length: 99999999999", b"x" * KILOBYTE),
    "chunked": ("Transfer-Encoding: chunked", b"400\r\n" + b"x" * KILOBYTE + b"\r\n"),
    "trailers": ("Transfer-Encoding: chunked", b"a: b\r\n" * 200),
}


@pytest.mark.parametrize(("line", "piece"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_a_refused_body_without_end_is_cut_off(
    server: Server, settings: Settings, is_known: bool, line: str, piece: bytes
) -> None:
    key = issue_key(settings) if is_known else "ak_of_nobody"
    most = 64 * KILOBYTE**2
    with server.connect() as connection:
        connection.sendall(head(key, line) + (b"0\r\n" if piece.startswith(b"a") else b""))
        sent = 0
        with suppress(ConnectionError):
            while sent < most:
                connection.sendall(piece)
                sent += len(piece)
        assert sent < most


def test_a_refused_body_that_trickles_is_cut_off(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("ak_of_nobody", "Content-Length: 1000"))
        assert read_reply(connection)[0] == 401
        deadline_s = time.monotonic() + 10
        with suppress(ConnectionError):
            while not select.select([connection], [], [], 0.05)[0]:
                assert time.monotonic() < deadline_s, "it goes on being read"
                connection.sendall(b"x")
        assert is_closed(connection)
