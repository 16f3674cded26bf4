"""kill -9 under load: what was acknowledged is charged, once, and nothing else is lost."""

import base64
import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from loupette.store.ledger import verify
from loupette.store.logs import format_log_id
from loupette.store.opening import open_database
from serving import Reply, Server, running, serve, wait_until_gone

pytestmark = pytest.mark.slow

ROUNDS = 10
CLIENTS = 8
PER_ROUND = 40
"""Acknowledged answers before the server is killed."""

IMAGE = base64.b64encode(fakes.draw_png()).decode()
FIELDS = {"image": IMAGE, "type": fakes.ECHO}


class Load:
    """Clients that ask without pause until told to stop, and write down what they were told."""

    def __init__(self, server: Server, key: str, *, name: str) -> None:
        self._server = server
        self._key = key
        self._name = name
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self.replies: list[Reply] = []
        self.sent: list[str] = []
        self.named: dict[str, str] = {}
        self._threads = [threading.Thread(target=self._ask, args=[n]) for n in range(CLIENTS)]

    def _ask(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            name = f"{self._name}-{number}-{count}"
            self.sent.append(name)
            try:
                reply = self._server.post(FIELDS, self._key, {"Idempotency-Key": name})
            except (OSError, http.client.HTTPException):
                return  # the server is dead, or was while this was on its way
            with self._changed:
                self.replies.append(reply)
                if reply.status == 200:
                    self.named[name] = reply.json["data"]["log_id"]
                self._changed.notify_all()

    def wait_for(self, answers: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.named) >= answers, timeout=60)

    @contextmanager
    def run(self) -> Iterator[None]:
        with running(self._threads, self._stop):
            yield

    @property
    def acknowledged(self) -> list[str]:
        return list(self.named.values())


def charges(settings: Settings) -> Counter[str]:
    """How often each log id was charged; the ledger must add up besides."""
    with open_database(settings.database, settings.database_url) as opened:
        assert verify(opened).problems == ()
        rows = opened.reader.execute("SELECT log_id FROM ledger WHERE kind = 'charge'")
        return Counter(format_log_id(log_id) for (log_id,) in rows)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def test_kill_of_the_server_loses_and_doubles_no_charge(settings: Settings) -> None:
    key = issue_key(settings, "1000", rate=100_000)
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        with serve(settings) as server:
            load = Load(server, key, name=f"round-{number}")
            with load.run():
                load.wait_for(PER_ROUND)
                workers = server.workers()
                server.process.kill()
                assert server.process.wait(30) == -signal.SIGKILL
            assert all(wait_until_gone(pid) for pid in workers)
        acknowledged += load.acknowledged
        charged = charges(settings)
        assert set(charged.values()) == {1}
        assert not set(acknowledged) - set(charged)
        assert {reply.status for reply in load.replies} == {200}
    assert len(set(acknowledged)) == len(acknowledged) >= ROUNDS * PER_ROUND


def test_repeating_every_request_after_a_kill_charges_each_once(settings: Settings) -> None:
    key = issue_key(settings, "1000", rate=100_000)
    with serve(settings) as server:
        load = Load(server, key, name="lost")
        with load.run():
            load.wait_for(PER_ROUND)
            server.process.kill()
            server.process.wait(30)
    before = charges(settings)
    with serve(settings) as server:
        again = {name: server.post(FIELDS, key, {"Idempotency-Key": name}) for name in load.sent}
    assert {reply.status for reply in again.values()} == {200}
    after = charges(settings)
    assert not set(before) - set(after)
    assert len(after) == after.total() == len(load.sent)
    told = {name: reply.json["data"]["log_id"] for name, reply in again.items()}
    assert load.named.items() <= told.items()


def test_kill_of_the_workers_costs_no_charge(settings: Settings) -> None:
    key = issue_key(settings, "1000", rate=100_000)
    with serve(settings) as server:
        load = Load(server, key, name="workers")
        with load.run():
            for number in range(ROUNDS):
                load.wait_for((number + 1) * PER_ROUND)
                victim = server.all_workers(settings.workers)[number % settings.workers]
                os.kill(victim, signal.SIGKILL)
                assert wait_until_gone(victim)
            load.wait_for((ROUNDS + 1) * PER_ROUND)
        live = charges(settings)
    assert set(live.values()) == {1}
    assert set(load.acknowledged) == set(live)
    codes = Counter(reply.status for reply in load.replies)
    assert codes[200] == len(load.acknowledged)
    assert set(codes) <= {200, 429, 500}


def test_workers_of_a_killed_server_exit_though_a_solver_hangs(settings: Settings) -> None:
    key = issue_key(settings)
    black = base64.b64encode(fakes.draw_png(colour="black")).decode()
    body = f'{{"image": "{black}", "type": {fakes.SLOW}}}'.encode()
    head = f"POST /api/v1/captcha.php HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
    with serve(settings) as server:
        server.post(FIELDS, key)
        workers = server.workers()
        with server.connect() as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            # The reply to a second client comes after the first one's task was handed out.
            server.post(FIELDS, key)
            server.process.kill()
            server.process.wait(30)
        assert all(wait_until_gone(pid, 15) for pid in workers)


def test_a_terminated_server_ends_its_workers_and_frees_the_database(settings: Settings) -> None:
    key = issue_key(settings, "1")
    for _ in range(2):
        with serve(settings) as server:
            assert server.post(FIELDS, key).status == 200
            workers = server.workers()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(30)
        assert all(wait_until_gone(pid) for pid in workers)
    assert len(charges(settings)) == 2
