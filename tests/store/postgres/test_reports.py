"""One answer that is reported at two servers."""

import asyncio
from contextlib import closing

import pytest

from loupette.errors import ReportRefused
from loupette.store.keys import NewKey
from loupette.store.ledger import verify
from loupette.store.postgres.connection import connect
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront
from loupette.store.reports import report
from pgfronts import NOW_MS, charge, until

pytestmark = pytest.mark.cluster


def test_answer_that_two_servers_are_told_of_at_once_is_refunded_once(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    url: str,
) -> None:
    """The other one is in the middle of it, and then ends well."""
    waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    insert = "INSERT INTO reports VALUES (?, ?, 'wrong', NULL, 0, 0)"

    async def scenario() -> None:
        entry = await charge(front, made.record)
        with closing(connect(url)) as other:
            other.execute("BEGIN")
            other.execute(insert, (entry.id, made.record.account_id))
            asked = asyncio.wrap_future(
                report(
                    server, made.record.account_id, entry.id, "wrong", None, refund=True,
                    within_ms=1, now_ms=NOW_MS,
                )
            )  # fmt: skip

            async def is_waiting() -> bool:
                row = await asyncio.to_thread(lambda: server.reader.execute(waits).fetchone())
                return row == (1,)

            await until(is_waiting)
            other.execute("COMMIT")
            with pytest.raises(ReportRefused, match="reported before"):
                await asked

    runner.run(scenario())
    assert verify(server).balance_micros == 900_000
