"""The client against a server process, over sockets."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx2
import pytest

import fakes
from flaky import Losing
from loupette import Client
from loupette.client import NoReply, Retries
from loupette.settings import Settings
from serving import serve

pytestmark = pytest.mark.slow
SOON = Retries(first_s=0.01)


@pytest.fixture(scope="module")
def loopback(settings: Settings) -> Iterator[str]:
    """The URL of a server; it listens before it is ready, so clients just wait."""
    with serve(settings) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_a_lost_reply_is_charged_once(loopback: str, new_key: Callable[..., str]) -> None:
    losing = Losing(httpx2.HTTPTransport(), 1)
    with Client(loopback, new_key("1"), transport=losing, retries=SOON) as client:
        assert client.solve(fakes.draw_png(), fakes.ECHO).balance == Decimal("0.99")
        assert [log.outcome for log in client.logs()] == ["replayed", "ok"]


def test_a_read_that_times_out_costs_nothing(loopback: str, new_key: Callable[..., str]) -> None:
    with (
        Client(loopback, new_key("1"), timeout_s=0.3, retries=Retries(most=0)) as client,
        pytest.raises(NoReply, match="ReadTimeout"),
    ):
        client.solve(fakes.draw_png(colour="black"), fakes.SLOW)
    with Client(loopback, client._address.key) as patient:
        assert patient.balance().balance == 1


def test_a_key_over_its_rate_is_slowed_down_and_not_refused(
    loopback: str, new_key: Callable[..., str]
) -> None:
    with Client(loopback, new_key("1", rate=10), retries=SOON) as client:
        results = [client.solve(fakes.draw_png(), fakes.ECHO).result for _ in range(15)]
    assert results == ["40x20"] * 15


def test_threads_share_a_client(loopback: str, new_key: Callable[..., str]) -> None:
    with Client(loopback, new_key("1")) as client:
        results: list[str] = []

        def work() -> None:
            results.append(client.solve(fakes.draw_png(), fakes.ECHO).result)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert results == ["40x20"] * 8
        assert client.balance().balance == Decimal("0.92")


def test_nobody_listens_is_no_reply() -> None:
    with (
        Client("http://127.0.0.1:1", "ak_x", retries=SOON) as client,
        pytest.raises(NoReply, match="at 5 attempts: ConnectError"),
    ):
        client.balance()
