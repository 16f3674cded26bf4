"""SIGTERM: what is in flight is answered, or voided and told so, within the time there is."""

import base64
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from loupette.store.logs import query
from loupette.store.opening import open_database
from rawhttp import head
from serving import Reply, Server, find_port, start, stop

pytestmark = pytest.mark.slow

CONTAINERS_S = 10
"""That Docker waits by default, until it kills."""

PLUGIN = """
import os, time
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

def wait(challenge):
    while not os.path.exists({permission!r}):
        time.sleep(0.01)
    return Answer("done", 1.0)

@hookimpl
def loupette_solvers():
    load = lambda: fakes.Fake(wait)
    return [SolverSpec(60001, "名", "name", Decimal("0.01"), load, fakes.draw_png, "done")]
"""


@pytest.fixture
def permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The solver of type 60001 answers while this file is there."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    path = tmp_path / "permission"
    (tmp_path / "waiting_plugin.py").write_text(PLUGIN.format(permission=str(path)))
    path.touch()
    return path


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., Settings]) -> Settings:
    registry = "[types.60001]\ndeadline_s = 60\n"
    return make_settings(tmp_path, registry, plugins=("waiting_plugin",), workers=1)


@pytest.fixture
def server(settings: Settings, permission: Path, tmp_path: Path) -> Iterator[Server]:
    with (tmp_path / "messages").open("wb") as messages:
        running = start(settings, find_port(), messages=messages)
        try:
            running.wait_until_ready()
            permission.unlink()
            yield running
        finally:
            stop(running.process)


def post(server: Server, key: str) -> Reply:
    image = base64.b64encode(fakes.draw_png()).decode()
    return server.post({"image": image, "type": 60001}, key)


def wait_for(is_so: Callable[[], bool], *, within_s: float = 30) -> None:
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)  # a poll; the deadline decides


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def outcomes(settings: Settings) -> dict[str, int]:
    with open_database(settings.database, settings.database_url) as database:
        return {log.outcome: log.cost_micros for log in query(database.reader, None)}


def test_a_request_in_flight_is_answered_and_charged(
    server: Server, settings: Settings, permission: Path
) -> None:
    key = issue_key(settings)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(post, server, key)
        wait_for(lambda: server.metric("loupette_in_flight") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not listens(server.port))
        permission.touch()
        reply = asked.result()
    assert (reply.status, reply.json["data"]["result"]) == (200, "done")
    assert reply.headers["connection"] == "close"
    assert server.process.wait(30) == 0
    assert outcomes(settings) == {"ok": 10_000}


def test_what_is_not_answered_in_time_is_void_told_so_and_in_the_log(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    """The caller got a bare "Internal Server Error", and there was no row in the log."""
    key = issue_key(settings)
    with ThreadPoolExecutor(1) as threads, server.connect() as slow:
        asked = threads.submit(post, server, key)
        slow.sendall(head(key, "Content-Length: 1000"))
        wait_for(lambda: server.metric("loupette_in_flight") == 2)
        server.process.send_signal(signal.SIGTERM)
        asked_to_end_s = time.monotonic()
        assert slow.recv(1) == b""
        reply = asked.result()
        assert server.process.wait(30) == 0
        assert time.monotonic() - asked_to_end_s < CONTAINERS_S
    assert (reply.status, reply.json["error"]["reason"]) == (429, "overloaded")
    assert "the server is stopping" in reply.json["error"]["message"]
    assert outcomes(settings) == {"overloaded": 0, "client_gone": 0}
    assert "Traceback" not in (tmp_path / "messages").read_text("utf-8")
