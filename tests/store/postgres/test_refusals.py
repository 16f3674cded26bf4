"""A database that refuses what is asked of it, and then no more: as before, without a restart."""

import asyncio

import pytest

from loupette.errors import StoreError
from loupette.store.keys import NewKey
from loupette.store.postgres.front import SharedFront
from pgfronts import charge
from pgserver import Server

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("charges", [0, 20])
def test_charges_are_made_as_before_after_some_were_refused(
    front: SharedFront,
    made: NewKey,
    runner: asyncio.Runner,
    postgres: Server,
    url: str,
    charges: int,
) -> None:
    """Whether or not their statements were prepared when the disk was full."""

    async def scenario() -> None:
        for _ in range(charges):
            await charge(front, made.record, 1)
        with postgres.refusing_charges(url.rpartition("/")[2]):
            for _ in range(12):
                with pytest.raises(StoreError, match="No space left"):
                    await charge(front, made.record, 1)
        for _ in range(30):
            await charge(front, made.record, 1)

    runner.run(scenario())
