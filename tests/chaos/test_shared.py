"""Two real servers on one real PostgreSQL, and their deaths."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.shared import FAULTS, Pair, play, spend

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair.open(tmp_path_factory.mktemp("pair")) as opened:
        yield opened


def test_death_of_a_server_or_of_the_database_breaks_no_promise(pair: Pair) -> None:
    rows = list(play(pair, 2 * len(FAULTS)))
    assert [breach for row in rows for breach in row.breaches] == []
    assert len(pair.told.charged) >= 160
    assert set(pair.told.replies) == {200}, "a caller who repeats saw a failure"


def test_what_a_dead_server_held_is_released_by_the_other(pair: Pair) -> None:
    pair.postgres.execute(
        "INSERT INTO holds VALUES (7, 1, 500, 0); UPDATE accounts SET held = held + 500"
    )
    pair.ask(pair.servers[0])
    statement = "SELECT COUNT(*) FROM holds WHERE id = 7"
    pair.wait_until(lambda: pair.postgres.execute(statement) == [(0,)])
    assert pair.find_breaches() == []


def test_sixty_four_clients_get_ten_answers_for_the_money_of_ten(tmp_path: Path) -> None:
    with Pair.open(tmp_path, balance_micros=120_000) as pair:  # two were spent to see it is ready
        replies = spend(pair, clients=64)
        assert Counter(reply.status for reply in replies) == {200: 10, 402: 54}
        charged = "SELECT COUNT(*), SUM(amount) FROM ledger WHERE kind = 'charge'"
        assert [tuple(map(int, row)) for row in pair.postgres.execute(charged)] == [(12, -120_000)]
        assert pair.postgres.execute("SELECT balance, held FROM accounts") == [(0, 0)]
