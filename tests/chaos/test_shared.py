"""Two real servers on one real PostgreSQL, and their deaths."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import fakes
from chaos import violent
from chaos.clients import BLACK
from chaos.shared import FAULTS, Pair, ask_at_once, play

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


@pytest.mark.parametrize(("type_id", "status"), [(violent.PAUSES, 200), (fakes.REFUSES, 400)])
def test_an_idempotency_key_that_two_servers_get_at_once_is_answered_once(
    pair: Pair, type_id: int, status: int
) -> None:
    """As one server answers it; the type takes its time, so none is done when the last comes."""
    name = {"Idempotency-Key": f"at-once-{type_id}"}
    replies = ask_at_once(pair, clients=16, type_id=type_id, image=BLACK, headers=name)
    assert [reply.status for reply in replies] == [status] * 16
    assert len({repr(reply.json) for reply in replies}) == 1
    assert sum("idempotent-replayed" in reply.headers for reply in replies) == 15
    pair.told.note(replies[0])
    assert pair.find_breaches() == []


def test_what_a_dead_server_held_is_released_by_the_other(pair: Pair) -> None:
    pair.postgres.execute(
        "INSERT INTO holds VALUES (7, 1, 500, 0); UPDATE accounts SET held = held + 500"
    )
    pair.ask(pair.servers[0])
    statement = "SELECT COUNT(*) FROM holds WHERE id = 7"
    pair.wait_until(lambda: pair.postgres.execute(statement) == [(0,)])
    assert pair.find_breaches() == []


def test_hold_that_a_living_server_leaves_over_is_seen(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.wait_until_nothing_is_held()
    monkeypatch.setattr("chaos.shared._GIVEN_BACK_WITHIN_S", 0.5)
    pair.postgres.execute(
        "INSERT INTO holds SELECT 8, 1, 500, 10^15, NULL, classid::bigint << 32 | objid::bigint"
        " FROM pg_locks WHERE locktype = 'advisory' LIMIT 1"
    )
    try:
        with pytest.raises(AssertionError, match="did not become so"):
            pair.wait_until_nothing_is_held()
    finally:
        pair.postgres.execute("DELETE FROM holds WHERE id = 8")


def test_sixty_four_clients_get_ten_answers_for_the_money_of_ten(tmp_path: Path) -> None:
    with Pair.open(tmp_path, balance_micros=120_000) as pair:  # two were spent to see it is ready
        replies = ask_at_once(pair, clients=64)
        assert Counter(reply.status for reply in replies) == {200: 10, 402: 54}
        charged = "SELECT COUNT(*), SUM(amount) FROM ledger WHERE kind = 'charge'"
        assert [tuple(map(int, row)) for row in pair.postgres.execute(charged)] == [(12, -120_000)]
        assert pair.postgres.execute("SELECT balance, held FROM accounts") == [(0, 0)]
