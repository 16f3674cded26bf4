"""Books are checked in a time that grows with them, whatever PostgreSQL expects to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loupette.store.audit import audit
from loupette.store.connection import Connection
from loupette.store.keys import create_key
from loupette.store.postgres.database import PostgresDatabase

pytestmark = pytest.mark.cluster

CHARGES = 40_000  # compared each with each they take minutes; a statement has 30 s
CHARGE = """
WITH charged AS (
    INSERT INTO logs(id, account_id, key_id, created_ms, type_id, code, outcome, cost, response_ms)
    SELECT number, 1, 1, 1, 50200, 200, 'ok', 1, 5 FROM generate_series(?1, ?2) AS number
    RETURNING id)
INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, created_ms)
SELECT 1, 'charge', -1, ?3 - id, id, 1 FROM charged ORDER BY id
"""


@pytest.mark.parametrize("known", [0, 1])
def test_burst_that_the_statistics_do_not_know_of_is_checked(
    new_postgres: Callable[[], str], tmp_path: Path, known: int
) -> None:
    def burst(connection: Connection) -> None:
        connection.execute(CHARGE, (1, known, CHARGES))
        connection.execute("ANALYZE ledger")
        connection.execute(CHARGE, (known + 1, CHARGES, CHARGES))
        connection.execute("UPDATE accounts SET balance = 0")

    with PostgresDatabase(new_postgres(), tmp_path / "front.db", serving=False) as database:
        create_key(database, "acme", opening_micros=CHARGES, now_ms=1)
        database.write(burst)
        found = audit(database.reader)
    assert (found.charges, found.problems) == (CHARGES, ())
