"""What lives as long as the server, beside its endpoints."""

import asyncio
import logging
from typing import Any

import pytest

from loupette.errors import StoreError
from loupette.web.app import follow_types, purge


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


class Follower:
    """An engine and its management, which reads decisions on types.

    The first time the database is away, the second time another server decides meanwhile.
    """

    def __init__(self) -> None:
        self.front = self
        self.types_changed = asyncio.Event()
        self.reads = 0
        self.third = asyncio.Event()

    async def apply_overrides(self) -> None:
        self.reads += 1
        if self.reads == 1:
            raise StoreError("the database is away")
        if self.reads == 2:
            self.types_changed.set()
        else:
            self.third.set()


def test_decisions_that_could_not_be_read_or_came_meanwhile_are_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> Follower:
        follower: Any = Follower()
        follower.types_changed.set()
        following = asyncio.create_task(follow_types(follower, follower, again_s=0))
        async with asyncio.timeout(10):
            await follower.third.wait()
        following.cancel()
        assert not follower.types_changed.is_set()
        return follower  # type: ignore[no-any-return]  # see above

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(scenario()).reads == 3
    assert "the database is away" in caplog.text
