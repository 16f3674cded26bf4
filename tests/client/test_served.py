"""Both clients against the real application: in process."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from flaky import Losing
from loupette import AsyncClient, Client, errors
from loupette.client import NoReply, Retries
from loupette.settings import Settings
from loupette.web.app import create_app

SOON = Retries(first_s=0.01)


class LosingAsync(httpx2.AsyncBaseTransport):
    """The same for asyncio."""

    def __init__(self, below: httpx2.AsyncBaseTransport, losses: int) -> None:
        self._below, self.left = below, losses

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._below.handle_async_request(request)
        await response.aread()
        if self.left:
            self.left -= 1
            raise httpx2.ReadError("the connection was reset")
        return response


@pytest.fixture
def in_process(client: TestClient) -> httpx2.BaseTransport:
    return client._transport


def test_every_call_works_in_process(
    in_process: httpx2.BaseTransport, new_key: Callable[..., str]
) -> None:
    with Client("http://testserver", new_key("1"), transport=in_process) as client:
        answer = client.solve(fakes.draw_png(33, 11), fakes.ECHO, image2=fakes.draw_png(), width=3)
        assert (answer.result, answer.confidence, answer.cost) == ("33x11", 0.9, Decimal("0.01"))
        assert answer.detail["options"] == {"width": 3}
        assert client.balance().balance == answer.balance == Decimal("0.99")
        with pytest.raises(errors.Unsolvable) as caught:
            client.solve(fakes.draw_png(colour="black"), fakes.REFUSES)
        assert caught.value.reason == "no_text"
        newest, oldest = client.logs()
        assert (newest.outcome, newest.log_id) == ("no_text", caught.value.log_id)
        assert client.log(answer.log_id) == oldest
        assert (oldest.result, oldest.type_id) == ("33x11", fakes.ECHO)
        assert client.report(answer.log_id, "correct").refunded == 0
        with pytest.raises(errors.ReportRefused):
            client.report(answer.log_id, "wrong", answer="x")
        served = client.types()[fakes.ECHO]
        assert (served.price, served.inputs) == (Decimal("0.01"), ("image", "image2"))
        assert served.status in ("starting", "ready")
        assert client.solve(client.sample(fakes.ECHO), fakes.ECHO).result == served.sample_answer


def test_the_real_server_charges_once_for_a_reply_that_was_lost(
    in_process: httpx2.BaseTransport, new_key: Callable[..., str]
) -> None:
    losing = Losing(in_process, 2)
    with Client("http://testserver", new_key("1"), transport=losing, retries=SOON) as client:
        answer = client.solve(fakes.draw_png(), fakes.ECHO)
        assert losing.left == 0
        assert client.balance().balance == answer.balance == Decimal("0.99")
        assert [log.outcome for log in client.logs()] == ["replayed", "replayed", "ok"]
        losing.left = 3
        no_more = Client(
            "http://testserver",
            client._address.key,
            transport=losing,
            retries=Retries(most=2, first_s=0.01),
        )
        with pytest.raises(NoReply) as caught:
            no_more.solve(fakes.draw_png(), fakes.ECHO)
        key = caught.value.idempotency_key
        assert client.solve(fakes.draw_png(), fakes.ECHO, idempotency_key=key).cost
        assert client.balance().balance == Decimal("0.98")


def test_the_client_of_asyncio_works_in_process(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path)
    key = issue_key(settings.database, "1")

    async def go() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            transport = LosingAsync(httpx2.ASGITransport(app), 3)
            async with AsyncClient(
                "http://server", key, transport=transport, retries=SOON
            ) as client:
                images = [fakes.draw_png(width) for width in range(20, 30)]
                answers = await asyncio.gather(
                    *(client.solve(image, fakes.ECHO) for image in images)
                )
                assert [answer.result for answer in answers] == [
                    f"{width}x20" for width in range(20, 30)
                ]
                assert transport.left == 0
                assert (await client.balance()).balance == Decimal("0.90")
                outcomes = [log.outcome async for log in client.logs(outcome="ok")]
                assert outcomes == ["ok"] * 10

    asyncio.run(asyncio.wait_for(go(), 120))
