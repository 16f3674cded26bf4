from collections.abc import Callable

import pytest

from loupette.errors import IdempotencyTaken
from loupette.store import logs
from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply, StoredReply, find, purge
from loupette.store.keys import KeyRecord, create_key
from loupette.store.logs import LogEntry

ON_BOTH = True

MakeLog = Callable[..., LogEntry]

DAY_MS = 86_400_000


def store(db: Database, key: str, entry: LogEntry, body: bytes = b"reply") -> None:
    reply = IdempotentReply(key, b"hash of the body", 400, lambda left: body)
    logs.record(db, entry, reply).result()


def test_stored_reply_is_found_as_it_was(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    entry = make_log(outcome="no_gap")
    store(db, "again", entry)
    assert find(db.reader, key.account_id, "again") == StoredReply(
        body_hash=b"hash of the body",
        reply=b"reply",
        status=400,
        log_id=entry.id,
        created_ms=now_ms,
    )


@pytest.mark.parametrize("name", ["", "Again", "again ", "再来"])
def test_other_keys_find_nothing(
    db: Database, key: KeyRecord, make_log: MakeLog, name: str
) -> None:
    store(db, "again", make_log(outcome="no_gap"))
    assert find(db.reader, key.account_id, name) is None


def test_key_of_one_account_is_free_for_another(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    other = create_key(db, "other", now_ms=now_ms).record
    store(db, "again", make_log(outcome="no_gap"), b"first")
    store(db, "again", make_log(outcome="no_gap", account_id=other.account_id), b"second")
    found = [find(db.reader, account, "again") for account in (key.account_id, other.account_id)]
    assert [reply.reply for reply in found if reply] == [b"first", b"second"]


def test_first_reply_stays_and_the_second_request_leaves_no_trace(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    store(db, "again", make_log(outcome="no_gap"), b"first")
    late = make_log(outcome="no_gap")
    with pytest.raises(IdempotencyTaken):
        store(db, "again", late, b"second")
    found = find(db.reader, key.account_id, "again")
    assert found is not None
    assert found.reply == b"first"
    assert logs.get(db.reader, key.account_id, late.id) is None


def test_purge_forgets_replies_after_a_day(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    store(db, "old", make_log(outcome="no_gap", created_ms=now_ms - DAY_MS - 1))
    store(db, "a day", make_log(outcome="no_gap", created_ms=now_ms - DAY_MS))
    store(db, "new", make_log(outcome="no_gap"))
    assert purge(db, now_ms=now_ms) == 1
    assert find(db.reader, key.account_id, "old") is None
    assert find(db.reader, key.account_id, "a day") is not None


def test_purge_by_a_clock_that_is_ahead_forgets_nothing_newer_than_a_day(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    store(db, "may be repeated", make_log(outcome="no_gap"))
    assert purge(db, now_ms=now_ms + 400 * DAY_MS) == 0
    assert find(db.reader, key.account_id, "may be repeated") is not None


def test_purge_goes_on_after_its_first_thousand(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    futures = [
        logs.record(
            db,
            make_log(outcome="no_gap"),
            IdempotentReply(str(number), b"", 400, lambda left: b""),
        )
        for number in range(1_500)
    ]
    for future in futures:
        future.result()
    store(db, "new", make_log(outcome="no_gap", created_ms=now_ms + DAY_MS + 1))
    assert purge(db, now_ms=now_ms + DAY_MS + 1) == 1_500
    assert purge(db, now_ms=now_ms + DAY_MS + 1) == 0


def test_purged_key_may_be_used_again(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    store(db, "again", make_log(outcome="no_gap"))
    store(db, "new", make_log(outcome="no_gap", created_ms=now_ms + DAY_MS + 1))
    purge(db, now_ms=now_ms + DAY_MS + 1)
    store(db, "again", make_log(outcome="no_gap"), b"another")
    found = find(db.reader, key.account_id, "again")
    assert found is not None
    assert found.reply == b"another"
