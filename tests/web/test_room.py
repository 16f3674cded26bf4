"""Who gets a place on a full server, and who is told to come again before anything is read."""

import base64
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from rawhttp import head, read_reply, read_whole_reply
from serving import Server, serve

BODY_OF_LATER = "Content-Length: 1000"


@contextmanager
def senders(server: Server, *keys: str) -> Iterator[list[socket.socket]]:
    """Senders of these keys that have sent their heads, and hold their bodies back."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in keys]
        for connection, key in zip(connections, keys, strict=True):
            connection.sendall(head(key, BODY_OF_LATER))
        yield connections


def wait_for_refusals(server: Server, connections: list[socket.socket]) -> list[socket.socket]:
    """Once each sender has a place or its refusal; gives those that are refused."""
    deadline_s, before = time.monotonic() + 30, -1
    while True:
        taken = server.metric("loupette_in_flight")
        refused = select.select(connections, [], [], 0)[0]
        # Twice alike: one that is being refused has its place until it is told.
        if len(refused) + taken == len(connections) and len(refused) == before:
            return refused
        before = len(refused)
        assert time.monotonic() < deadline_s, f"{taken} have a place, {len(refused)} are refused"
        time.sleep(0.01)  # a poll; the deadline decides


def test_a_full_server_refuses_at_once_without_reading_the_body(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """With the key in the body, that was read and parsed first."""
    settings = make_settings(tmp_path, workers=1, max_in_flight=1, body_timeout_s=30)
    key = issue_key(settings)
    with serve(settings) as server:
        server.wait_until_ready()
        with senders(server, key) as holders:
            assert wait_for_refusals(server, holders) == []
            for named in (key, None):
                with server.connect() as connection:
                    connection.settimeout(10)  # a third of what its body would be waited for
                    connection.sendall(head(named, BODY_OF_LATER))
                    status, headers, body = read_whole_reply(connection)
                assert (status, body["error"]["reason"]) == (429, "overloaded")
                assert int(headers["retry-after"]) >= 1


@pytest.mark.parametrize("accounts", [1, 2, 4])
def test_accounts_that_hold_their_bodies_back_leave_places_for_others(
    make_settings: Callable[..., Settings], tmp_path: Path, accounts: int
) -> None:
    """Two ordinary keys took all places with ten heads a second, without a body to any."""
    settings = make_settings(tmp_path, workers=1, max_in_flight=8, body_timeout_s=30)
    slow = [issue_key(settings) for _ in range(accounts)]
    image = base64.b64encode(fakes.draw_png()).decode()
    with serve(settings) as server:
        server.wait_until_ready()
        with senders(server, *slow * 8) as connections:
            refused = wait_for_refusals(server, connections)
            reply = server.post({"image": image, "type": fakes.ECHO}, issue_key(settings))
            told = [read_reply(connection)[1]["error"]["reason"] for connection in refused]
    assert (reply.status, reply.json["data"].get("result")) == (200, "40x20"), reply.json
    assert set(told) == {"overloaded"}


def test_an_account_whose_bodies_have_come_has_every_place(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """What is bounded is what it holds back, not what it is having solved."""
    registry = f"[types.{fakes.SLOW}]\ndeadline_s = 60"
    settings = make_settings(tmp_path, registry, workers=1, max_in_flight=4)
    key = issue_key(settings)
    image = base64.b64encode(fakes.draw_png(colour="black")).decode()
    body = json.dumps({"image": image, "type": fakes.SLOW}).encode()
    asked = head(key, f"Content-Length: {len(body)}") + body
    with serve(settings) as server, ExitStack() as stack:
        server.wait_until_ready()
        connections = [stack.enter_context(server.connect()) for _ in range(4)]
        for taken, connection in enumerate(connections, start=1):
            connection.sendall(asked)
            assert wait_for_refusals(server, connections[:taken]) == []
