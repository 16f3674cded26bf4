import hashlib
import re

import pytest

from loupette.errors import StoreError
from loupette.store.database import Database
from loupette.store.keys import (
    SCOPES,
    KeyRecord,
    account_id_of,
    create_key,
    disable_account,
    disable_key,
    find_key,
    list_keys,
    roll_key,
    search_keys,
    set_rate,
)
from loupette.store.ledger import topup

ON_BOTH = True


def test_secret_is_long_random_and_url_safe(db: Database, now_ms: int) -> None:
    secrets = {create_key(db, "acme", now_ms=now_ms).secret for _ in range(20)}
    assert len(secrets) == 20
    assert all(re.fullmatch(r"ak_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_only_hash_and_prefix_of_a_secret_are_stored(db: Database, now_ms: int) -> None:
    record, secret = create_key(db, "acme", now_ms=now_ms)
    stored = db.reader.execute("SELECT * FROM api_keys").fetchone()
    assert hashlib.sha256(secret.encode()).digest() in stored
    assert record.prefix == secret[:11]
    assert secret not in map(str, stored)


def test_new_key_of_a_new_account_has_no_balance(db: Database, now_ms: int) -> None:
    record = create_key(db, "acme", key_name="laptop", now_ms=now_ms).record
    assert (record.account_name, record.name, record.created_ms) == ("acme", "laptop", now_ms)
    assert (record.balance_micros, record.is_disabled) == (0, False)


def test_second_key_of_an_account_spends_the_same_balance(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    second = create_key(db, "acme", now_ms=now_ms).record
    assert second.account_id == key.account_id
    assert second.balance_micros == 1_000_000


def test_key_allows_ten_requests_a_second_unless_told(db: Database, now_ms: int) -> None:
    record = create_key(db, "acme", now_ms=now_ms).record
    assert (record.rate, record.burst) == (10.0, 10)


def test_burst_is_the_rate_rounded_up_unless_told(db: Database, now_ms: int) -> None:
    assert create_key(db, "slow", rate=0.2, now_ms=now_ms).record.burst == 1
    assert create_key(db, "odd", rate=2.5, now_ms=now_ms).record.burst == 3
    assert create_key(db, "told", rate=2.5, burst=50, now_ms=now_ms).record.burst == 50


@pytest.mark.parametrize("rate", [0, -1, 1e-310, 1e30, float("nan"), float("inf")])
def test_impossible_rate_is_refused_and_opens_no_account(
    db: Database, now_ms: int, rate: float
) -> None:
    with pytest.raises(StoreError, match=r"rate must be within 0\.001 and 1,000,000"):
        create_key(db, "acme", rate=rate, now_ms=now_ms)
    assert list_keys(db.reader) == []


def test_burst_below_one_is_refused(db: Database, now_ms: int) -> None:
    with pytest.raises(StoreError, match="burst must be within 1"):
        create_key(db, "acme", burst=0, now_ms=now_ms)


def test_opening_balance_is_one_entry_made_with_the_key(db: Database, now_ms: int) -> None:
    record = create_key(db, "acme", opening_micros=7, now_ms=now_ms).record
    assert record.balance_micros == 7
    assert db.reader.execute("SELECT kind, amount, note FROM ledger").fetchall() == [
        ("topup", 7, "opening")
    ]


def test_opening_balance_of_an_account_that_is_there_is_refused_with_its_key(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    with pytest.raises(StoreError, match="loupette keys topup acme AMOUNT"):
        create_key(db, "acme", opening_micros=7, now_ms=now_ms)
    assert [key.balance_micros for key in list_keys(db.reader)] == [1_000_000]


def test_account_without_a_name_is_refused(db: Database, now_ms: int) -> None:
    with pytest.raises(StoreError, match="needs a name"):
        create_key(db, "", now_ms=now_ms)


def test_find_gives_the_newest_balance(db: Database, now_ms: int) -> None:
    secret = create_key(db, "acme", now_ms=now_ms).secret
    topup(db, "acme", 5, now_ms=now_ms)
    topup(db, "acme", 7, now_ms=now_ms)
    found = find_key(db.reader, secret)
    assert found is not None
    assert found.balance_micros == 12


@pytest.mark.parametrize("secret", ["", "ak_", "ak_unknown", "密钥", "\ud800", "a" * 100_000])
def test_unknown_secret_is_not_found(db: Database, key: KeyRecord, secret: str) -> None:
    assert find_key(db.reader, secret) is None


def test_prefix_does_not_authenticate(db: Database, key: KeyRecord) -> None:
    assert find_key(db.reader, key.prefix) is None


@pytest.mark.sqlite
def test_finding_a_key_searches_no_table_from_end_to_end(db: Database, now_ms: int) -> None:
    statements: list[str] = []
    secret = create_key(db, "acme", now_ms=now_ms).secret
    db.reader.set_trace_callback(statements.append)
    find_key(db.reader, secret)
    db.reader.set_trace_callback(None)
    (statement,) = statements
    plan = db.reader.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    assert not [step for *_, step in plan if step.startswith("SCAN")]


def test_keys_are_listed_by_account_then_age(db: Database, now_ms: int) -> None:
    for account, name in (("b", "1"), ("a", "2"), ("b", "3")):
        create_key(db, account, key_name=name, now_ms=now_ms)
    assert [(key.account_name, key.name) for key in list_keys(db.reader)] == [
        ("a", "2"),
        ("b", "1"),
        ("b", "3"),
    ]


def test_key_is_disabled_by_its_prefix_at_once(db: Database, now_ms: int) -> None:
    record, secret = create_key(db, "acme", now_ms=now_ms)
    assert disable_key(db, record.prefix, now_ms=now_ms + 5).disabled_ms == now_ms + 5
    found = find_key(db.reader, secret)
    assert found is not None
    assert found.is_disabled


def test_key_is_disabled_by_its_name_and_others_stay(db: Database, now_ms: int) -> None:
    create_key(db, "acme", key_name="laptop", now_ms=now_ms)
    create_key(db, "acme", key_name="server", now_ms=now_ms)
    disable_key(db, "laptop", now_ms=now_ms)
    assert [(key.name, key.is_disabled) for key in list_keys(db.reader)] == [
        ("laptop", True),
        ("server", False),
    ]


def test_ambiguous_name_disables_nothing_and_shows_the_prefixes(db: Database, now_ms: int) -> None:
    one = create_key(db, "a", key_name="laptop", now_ms=now_ms).record
    two = create_key(db, "b", key_name="laptop", now_ms=now_ms).record
    with pytest.raises(StoreError, match=f"{one.prefix}, {two.prefix}"):
        disable_key(db, "laptop", now_ms=now_ms)
    assert not any(key.is_disabled for key in list_keys(db.reader))


def test_name_of_a_disabled_key_may_be_used_again(db: Database, now_ms: int) -> None:
    create_key(db, "acme", key_name="laptop", now_ms=now_ms)
    first = disable_key(db, "laptop", now_ms=now_ms)
    create_key(db, "acme", key_name="laptop", now_ms=now_ms)
    assert disable_key(db, "laptop", now_ms=now_ms).id != first.id


def test_key_that_does_not_exist_cannot_be_disabled(db: Database, now_ms: int) -> None:
    with pytest.raises(StoreError, match="no active key"):
        disable_key(db, "nobody", now_ms=now_ms)


def test_disabled_account_disables_all_its_keys_and_keeps_its_balance(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    disable_account(db, "acme", now_ms=now_ms)
    (found,) = list_keys(db.reader)
    assert found.is_disabled
    assert (found.disabled_ms, found.account_disabled_ms) == (None, now_ms)
    assert found.balance_micros == 1_000_000


def test_rate_is_changed_with_its_burst(db: Database, key: KeyRecord, now_ms: int) -> None:
    assert (key.rate, key.burst) == (10.0, 10)
    changed = set_rate(db, key.prefix, rate=50, now_ms=now_ms)
    assert (changed.rate, changed.burst) == (50.0, 50)
    assert set_rate(db, key.prefix, rate=50, burst=200, now_ms=now_ms).burst == 200


def test_unknown_account_is_named(db: Database) -> None:
    with pytest.raises(StoreError, match="no account 'nobody'"):
        account_id_of(db.reader, "nobody")


def test_key_may_all_that_callers_do_and_never_expires_unless_told(
    db: Database, now_ms: int
) -> None:
    record = create_key(db, "acme", now_ms=now_ms).record
    assert [scope for scope in SCOPES if record.may(scope)] == ["solve", "read", "report"]
    assert not record.has_expired(2**62)


def test_key_may_what_it_was_given_and_no_more(db: Database, now_ms: int) -> None:
    record = create_key(db, "acme", scopes=["admin", "read"], now_ms=now_ms).record
    assert [scope for scope in SCOPES if record.may(scope)] == ["read", "admin"]
    assert not record.may("rea")


@pytest.mark.parametrize("scopes", [[], [""], ["solve", "fly"], ["solve read"], ["SOLVE"]])
def test_unknown_scope_or_none_is_refused_and_opens_no_account(
    db: Database, now_ms: int, scopes: list[str]
) -> None:
    with pytest.raises(StoreError, match="some of solve, read, report, admin"):
        create_key(db, "acme", scopes=scopes, now_ms=now_ms)
    assert list_keys(db.reader) == []


def test_key_expires_at_its_moment(db: Database, now_ms: int) -> None:
    record = create_key(db, "acme", expires_ms=now_ms + 5, now_ms=now_ms).record
    assert [record.has_expired(now_ms + late) for late in (4, 5, 6)] == [False, True, True]


@pytest.mark.parametrize("late_ms", [0, -1])
def test_key_that_expires_at_once_is_refused(db: Database, now_ms: int, late_ms: int) -> None:
    with pytest.raises(StoreError, match="expire in the future"):
        create_key(db, "acme", expires_ms=now_ms + late_ms, now_ms=now_ms)


def test_rolled_key_is_like_the_old_one_and_the_old_one_works_for_the_overlap(
    db: Database, now_ms: int
) -> None:
    made = create_key(
        db, "acme", key_name="web", rate=5, burst=9, scopes=["solve"], now_ms=now_ms - 9
    )
    new, old = roll_key(db, "web", overlap_ms=100, expires_ms=None, now_ms=now_ms)
    assert (new.record.name, new.record.rate, new.record.burst, new.record.scopes) == (
        "web", 5, 9, "solve",
    )  # fmt: skip
    assert (old.expires_ms, new.record.expires_ms) == (now_ms + 100, None)
    assert find_key(db.reader, new.secret) == new.record
    assert find_key(db.reader, made.secret) == old


def test_rolling_a_key_does_not_lengthen_its_life(db: Database, now_ms: int) -> None:
    create_key(db, "acme", expires_ms=now_ms + 50, now_ms=now_ms)
    rolled = roll_key(db, "acme", overlap_ms=100, expires_ms=now_ms + 999, now_ms=now_ms)
    assert (rolled.old.expires_ms, rolled.new.record.expires_ms) == (now_ms + 50, now_ms + 999)


def test_key_of_an_account_with_two_is_not_rolled_by_its_name(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    roll_key(db, "acme", overlap_ms=100, expires_ms=None, now_ms=now_ms)
    with pytest.raises(StoreError, match="2 active keys are called 'acme'; use a prefix"):
        roll_key(db, "acme", overlap_ms=100, expires_ms=None, now_ms=now_ms + 99)
    assert len(list_keys(db.reader)) == 2


def test_expired_key_is_in_nobodys_way(db: Database, key: KeyRecord, now_ms: int) -> None:
    roll_key(db, "acme", overlap_ms=100, expires_ms=None, now_ms=now_ms)
    second = roll_key(db, "acme", overlap_ms=0, expires_ms=None, now_ms=now_ms + 100)
    assert second.old.has_expired(now_ms + 100)
    assert len(list_keys(db.reader)) == 3


def test_roll_that_fails_leaves_the_old_key(db: Database, key: KeyRecord, now_ms: int) -> None:
    with pytest.raises(StoreError, match="expire in the future"):
        roll_key(db, "acme", overlap_ms=0, expires_ms=now_ms, now_ms=now_ms)
    (found,) = list_keys(db.reader)
    assert found.expires_ms is None


def test_search_finds_by_account_name_and_prefix(db: Database, now_ms: int) -> None:
    first = create_key(db, "acme", key_name="crawler", now_ms=now_ms).record
    other = create_key(db, "other", now_ms=now_ms).record

    def found(**wanted: object) -> list[int]:
        return [key.id for key in search_keys(db.reader, limit=10, **wanted)]  # type: ignore[arg-type]  # by name

    assert found() == [other.id, first.id]
    assert found(text="cm") == found(text="rawl") == found(text=first.prefix) == [first.id]
    assert found(account_id=other.account_id) == found(offset=0, text="othe") == [other.id]
    assert found(text="crawler", account_id=other.account_id) == found(offset=2) == []
