"""What lives as long as the server, beside its endpoints."""

import asyncio
import logging
from typing import Any

import pytest

from loupette.errors import StoreError
from loupette.web.app import purge


class Forgetful:
    """An engine whose first purge fails."""

    def __init__(self) -> None:
        self.purges = 0
        self.twice = asyncio.Event()

    async def purge(self) -> None:
        self.purges += 1
        if self.purges == 1:
            raise StoreError("the disk is full")
        self.twice.set()


def test_a_purge_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        engine: Any = Forgetful()
        purging = asyncio.create_task(purge(engine, every_s=0))
        async with asyncio.timeout(10):
            await engine.twice.wait()
        purging.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "the disk is full" in caplog.text
