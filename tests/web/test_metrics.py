"""GET /metrics: what moves it, and who may read it."""

import asyncio
import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.errors import StoreError
from loupette.settings import Settings
from loupette.store.audit import Audit, Problem
from loupette.store.database import Database
from loupette.store.opening import open_database
from loupette.web.app import check_ledger, create_app
from pools import black

Post = Callable[..., httpx2.Response]
NewKey = Callable[..., str]

BLACK = fakes.draw_png(colour="black")


def get(client: TestClient, sender: str = "127.0.0.1", **headers: str) -> httpx2.Response:
    """Ask for the metrics as a machine with this address; the server runs already."""
    machine = TestClient(client.app, client=(sender, 50000), raise_server_exceptions=False)
    machine.portal = client.portal  # the event loop that answers all else too
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return machine.get("/metrics", headers=names)


def scrape(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its label values, in the alphabet's order of the labels."""
    reply = get(client)
    assert reply.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def changes(client: TestClient, act: Callable[[], object]) -> dict[tuple[str, ...], float]:
    """The requests counted while something was done."""
    before = scrape(client)
    act()
    after = scrape(client)
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if key[0] == "loupette_requests_total" and value != before.get(key, 0)
    }


def test_it_is_prometheus_text(client: TestClient) -> None:
    reply = get(client)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE loupette_requests_total counter\n" in reply.text
    assert "# TYPE loupette_request_seconds histogram\n" in reply.text


@pytest.mark.parametrize(
    ("type_id", "image", "outcome"),
    [
        (fakes.ECHO, None, "ok"),
        (fakes.ECHO, b"no image", "not_an_image"),
        (fakes.REFUSES, BLACK, "unsolvable"),
        (fakes.RAISES, BLACK, "solver_crashed"),
        (fakes.SLOW, black(), "solver_timeout"),
    ],
    ids=["ok", "bad-image", "refused", "crashed", "late"],
)
def test_a_reply_is_counted_once_by_type_and_outcome(
    client: TestClient, post: Post, type_id: int, image: bytes | None, outcome: str
) -> None:
    counted = changes(client, lambda: post(type_id, image=image))
    assert counted == {("loupette_requests_total", outcome, str(type_id)): 1}


def test_refusals_before_the_type_is_known_are_counted(
    client: TestClient, post: Post, new_key: NewKey
) -> None:
    slow_key = new_key(rate=0.001)
    post(key=slow_key)

    def act() -> None:
        post(key="ak_of_nobody")
        post(key=slow_key)
        post("no type")
        client.post("/api/v1/captcha.php")

    assert changes(client, act) == {
        ("loupette_requests_total", "unauthenticated", "none"): 1,
        ("loupette_requests_total", "rate_limited", "none"): 1,
        ("loupette_requests_total", "bad_field", "none"): 1,
        ("loupette_requests_total", "empty_body", "none"): 1,
    }


def test_type_ids_that_strangers_make_up_add_no_series(client: TestClient, post: Post) -> None:
    def series() -> set[tuple[str, ...]]:
        """All but the workers', of which one may get ready meanwhile."""
        return {key for key in scrape(client) if key[0] != "loupette_worker_rss_bytes"}

    post(1)
    before = series()
    counted = changes(client, lambda: [post(type_id) for type_id in range(2, 22)])
    assert counted == {("loupette_requests_total", "unknown_type", "none"): 20}
    assert series() == before


def test_a_replayed_reply_is_told_from_an_answer(client: TestClient, post: Post) -> None:
    repeat = {"headers": {"Idempotency-Key": "order-1"}, "key": issue(client)}
    post(**repeat)
    counted = changes(client, lambda: post(**repeat))
    assert counted == {("loupette_requests_total", "replayed", str(fakes.ECHO)): 1}


def issue(client: TestClient) -> str:
    app: Any = client.app
    return issue_key(app.state.service.settings)


@pytest.mark.sqlite  # whose reader the test breaks
def test_a_reply_that_the_database_prevents_is_counted_as_an_internal_error(
    client: TestClient, post: Post, new_key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()

    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Database, "submit", refuse)
    for image in (None, b"no image"):
        counted = changes(client, lambda image=image: post(key=key, image=image))
        assert counted == {("loupette_requests_total", "internal_error", str(fakes.ECHO)): 1}


def test_latency_is_measured_by_type(client: TestClient, post: Post) -> None:
    count = ("loupette_request_seconds_count", str(fakes.ECHO))
    total = ("loupette_request_seconds_sum", str(fakes.ECHO))
    before = scrape(client)
    took_ms = post().json()["data"]["response_time"]
    after = scrape(client)
    assert after[count] - before[count] == 1
    assert 0 < after[total] - before[total] < took_ms / 1000 + 5


def test_a_worker_killed_at_the_deadline_is_counted(client: TestClient, post: Post) -> None:
    restarts = ("loupette_worker_restarts_total", "deadline")
    before = scrape(client)[restarts]
    post(fakes.SLOW, image=black())
    assert post().status_code == 200  # by then the pool has seen the end, or uses the other one
    after = wait_for(client, lambda now: now[restarts] > before)
    assert after[restarts] == before + 1


def wait_for(
    client: TestClient, condition: Callable[[dict[tuple[str, ...], float]], bool]
) -> dict[tuple[str, ...], float]:
    """Scrape until a condition holds."""
    deadline_s = time.monotonic() + 60
    while not condition(now := scrape(client)):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)  # a poll; the deadline decides
    return now


def test_memory_of_all_workers_is_told(client: TestClient) -> None:
    workers = [("loupette_worker_rss_bytes", place) for place in ("0", "1")]
    now = wait_for(client, lambda now: all(worker in now for worker in workers))
    assert all(now[worker] > 1_000_000 for worker in workers)


def test_requests_in_progress_are_in_flight_and_hold_their_price(
    client: TestClient, post: Post, new_key: NewKey
) -> None:
    key = new_key()
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(post, fakes.SLOW, image=black(), key=key)
        during = wait_for(client, lambda now: now[("loupette_open_holds",)] > 0)
        slow.result()
    after = scrape(client)
    for name in ("loupette_in_flight", "loupette_open_holds"):
        assert (during[(name,)], after[(name,)]) == (1, 0)


def test_two_applications_count_for_themselves(
    client: TestClient, post: Post, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with TestClient(create_app(make_settings(tmp_path, workers=1))) as other:
        counted = changes(other, lambda: post())
    assert counted == {}


# --- the money


def test_the_ledger_is_checked_soon_after_the_start(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, workers=1)
    issue_key(settings)
    with TestClient(create_app(settings)) as client:
        now = wait_for(client, lambda now: ("loupette_ledger_mismatch",) in now)
    assert now[("loupette_ledger_mismatch",)] == 0


def test_money_that_does_not_add_up_is_told_and_logged(
    make_settings: Callable[..., Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(tmp_path, workers=1)
    issue_key(settings)
    with open_database(settings.database, settings.database_url) as database:
        database.write(lambda writer: writer.execute("UPDATE accounts SET balance = 5"))
    with TestClient(create_app(settings)) as client:
        now = wait_for(client, lambda now: ("loupette_ledger_mismatch",) in now)
    assert now[("loupette_ledger_mismatch",)] == 1
    assert "the ledger does not add up: account" in caplog.text


class Unreadable:
    """An engine whose first verification fails."""

    def __init__(self) -> None:
        self.verified = 0
        self.twice = asyncio.Event()

    async def verify_ledger(self) -> Audit:
        self.verified += 1
        if self.verified == 1:
            raise StoreError("the disk is gone")
        self.twice.set()
        return Audit(0, 0, 0, 0, (Problem("一", "one"), Problem("二", "two")))


def test_a_check_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> Any:
        engine: Any = Unreadable()
        metrics: Any = SimpleNamespace(ledger_check=None)
        checking = asyncio.create_task(check_ledger(engine, metrics, every_s=0))
        async with asyncio.timeout(10):
            await engine.twice.wait()
        checking.cancel()
        with suppress(asyncio.CancelledError):
            await checking
        return metrics.ledger_check

    assert asyncio.run(scenario()).problems == 2
    assert "the disk is gone" in caplog.text


# --- who may read it


@pytest.mark.parametrize("sender", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read_it(client: TestClient, sender: str) -> None:
    assert get(client, sender).status_code == 200


@pytest.mark.parametrize("sender", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "unix", ""])
def test_others_are_told_that_there_is_nothing(client: TestClient, sender: str) -> None:
    reply, nowhere = get(client, sender), client.get("/nowhere")
    assert reply.status_code == nowhere.status_code == 404
    assert "loupette_" not in reply.text
    expected = nowhere.json()["error"]["message"].replace("/nowhere", "/metrics")
    assert reply.json()["error"] == {"reason": "not_found", "message": expected}


@pytest.mark.parametrize("name", ["forwarded", "via", "x_forwarded_for", "x_real_ip"])
def test_what_a_proxy_on_this_machine_passes_on_is_refused(client: TestClient, name: str) -> None:
    assert get(client, **{name: "127.0.0.1"}).status_code == 404


def test_a_key_opens_nothing(client: TestClient, new_key: NewKey) -> None:
    assert get(client, "192.0.2.7", x_api_key=new_key()).status_code == 404


@pytest.mark.parametrize(
    ("networks", "may", "may_not"),
    [
        (["192.0.2.0/24"], "192.0.2.7", "127.0.0.1"),
        (["0.0.0.0/0", "::/0"], "2001:db8::7", "unix"),
    ],
)
def test_the_operator_names_who_may(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    networks: list[str],
    may: str,
    may_not: str,
) -> None:
    named = tuple(ip_network(network) for network in networks)
    with TestClient(create_app(make_settings(tmp_path, workers=1, metrics_from=named))) as client:
        assert get(client, may).status_code == 200
        assert get(client, may_not).status_code == 404


def test_an_empty_list_lets_nobody(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(tmp_path, workers=1, metrics_from=())
    with TestClient(create_app(settings)) as client:
        assert get(client).status_code == 404


def test_the_metrics_hold_no_key_and_no_image(
    client: TestClient, post: Post, new_key: NewKey
) -> None:
    key = new_key()
    post(key=key)
    text = get(client).text
    assert key not in text
    assert base64.b64encode(fakes.draw_png()).decode() not in text
