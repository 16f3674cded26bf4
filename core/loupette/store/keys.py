"""API keys: issue, find, roll over, disable."""

import hashlib
import math
import secrets
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from loupette.errors import StoreError
from loupette.store.connection import Connection, Store
from loupette.store.entries import post

SMALLEST_RATE, LARGEST_RATE = 0.001, 1_000_000  # of requests per second; bursts alike
SCOPES = ("solve", "read", "report", "admin")
"""What a key may do: have images read, look at its account, report on answers, run the server."""
USUAL_SCOPES = SCOPES[:3]
_PREFIX_LENGTH = 11  # "ak_" and 8 of the 43 random characters: enough to tell keys apart

_COLUMNS = """
SELECT k.id, k.account_id, a.name, k.name, k.prefix, k.rate, k.burst, k.created_ms,
    k.disabled_ms, a.disabled_ms, k.expires_ms, k.scopes, a.balance
FROM api_keys k JOIN accounts a ON a.id = k.account_id
"""
_FIND = _COLUMNS + "WHERE k.key_hash = ?"
_LIST = _COLUMNS + "ORDER BY a.name, k.id"
_BY_ID = _COLUMNS + "WHERE k.id = ?"
_SEARCH = (
    _COLUMNS
    + "WHERE (?1 = '' OR instr(a.name, ?1) > 0 OR instr(COALESCE(k.name, ''), ?1) > 0"
    + " OR instr(k.prefix, ?1) > 0) AND (CAST(?2 AS BIGINT) IS NULL OR k.account_id = ?2)"
    + " ORDER BY k.id DESC LIMIT ?3 OFFSET ?4"
)
_ACTIVE = (
    _COLUMNS
    + "WHERE ?1 IN (k.prefix, k.name, a.name) AND k.disabled_ms IS NULL"
    + " AND (k.expires_ms IS NULL OR k.expires_ms > ?2)"
)
_INSERT = """
INSERT INTO
    api_keys(account_id, key_hash, prefix, name, rate, burst, created_ms, scopes, expires_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""


class KeyRecord(msgspec.Struct, frozen=True):
    """A key with its account, as one SELECT saw them.

    Attributes:
        prefix: the first characters of the secret, to show people.
        rate: requests per second.
        expires_ms: from then on it may do nothing; None for a key that does not expire.
        scopes: which of `SCOPES` it has, words apart by blanks.
        balance_micros: the account's balance, holds not taken off.
    """

    id: int
    account_id: int
    account_name: str
    name: str | None
    prefix: str
    rate: float
    burst: int
    created_ms: int
    disabled_ms: int | None
    account_disabled_ms: int | None
    expires_ms: int | None
    scopes: str
    balance_micros: int

    @property
    def is_disabled(self) -> bool:
        """Whether the key or its account was disabled."""
        return self.disabled_ms is not None or self.account_disabled_ms is not None

    def has_expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def may(self, scope: str) -> bool:
        """Whether it has a scope."""
        return scope in self.scopes.split()


class NewKey(NamedTuple):
    """A key just issued; `secret` is stored nowhere, so this is the only time it can be shown."""

    record: KeyRecord
    secret: str


class RolledKey(NamedTuple):
    """A key just issued in the place of another, which expires."""

    new: NewKey
    old: KeyRecord


def create_key(
    db: Store,
    account_name: str,
    *,
    key_name: str | None = None,
    rate: float = 10.0,
    burst: int | None = None,
    scopes: Iterable[str] = USUAL_SCOPES,
    expires_ms: int | None = None,
    opening_micros: int = 0,
    now_ms: int,
) -> NewKey:
    """Issue a key, and open the account when there is none of that name.

    Args:
        db: the database.
        account_name: whose balance the key spends.
        key_name: what people call this key; names may repeat, disabling by one then asks for more.
        rate: requests per second.
        burst: requests at once; the rate, rounded up, when None.
        scopes: which of `SCOPES` it gets.
        expires_ms: from then on it may do nothing; None for never.
        opening_micros: what a new account begins with.
        now_ms: the time of issue.

    Raises:
        StoreError: a rate or burst out of bounds, an unknown scope or none, an expiry that is past,
            or an opening balance for an account that is there already.
    """
    burst = _check_rate(rate, burst)
    granted = _check_scopes(scopes)
    _check_expiry(expires_ms, now_ms)
    secret = _new_secret()

    def insert(connection: Connection) -> KeyRecord:
        account_id = _open_account(connection, account_name, opening_micros, now_ms=now_ms)
        row = (account_id, _hash(secret), secret[:_PREFIX_LENGTH], key_name, rate, burst, now_ms)
        return _insert(connection, (*row, granted, expires_ms))

    return NewKey(db.write(insert), secret)


def roll_key(
    db: Store, which: str, *, overlap_ms: int, expires_ms: int | None, now_ms: int
) -> RolledKey:
    """Issue a key in the place of the one active key that has this prefix, name or account.

    It has the account, name, rate and scopes of the old one, and works at once; the old one works
    until the overlap is over, or its own time if that is sooner.

    Args:
        db: the database.
        which: the old key.
        overlap_ms: how long both work.
        expires_ms: of the new key; None for never.
        now_ms: the time of issue.

    Raises:
        StoreError: no such key, or several; an expiry that is past.
    """
    _check_expiry(expires_ms, now_ms)
    secret = _new_secret()

    def roll(connection: Connection) -> tuple[KeyRecord, KeyRecord]:
        old = find_active(connection, which, now_ms=now_ms)
        until_ms = now_ms + overlap_ms
        connection.execute(
            "UPDATE api_keys SET expires_ms = ?1 WHERE id = ?2"
            " AND (expires_ms IS NULL OR expires_ms > ?1)",
            (until_ms, old.id),
        )
        row = (old.account_id, _hash(secret), secret[:_PREFIX_LENGTH], old.name, old.rate)
        new = _insert(connection, (*row, old.burst, now_ms, old.scopes, expires_ms))
        return new, _by_id(connection, old.id)

    new, old = db.write(roll)
    return RolledKey(NewKey(new, secret), old)


def find_key(reader: Connection, secret: str) -> KeyRecord | None:
    """The key with this secret, disabled or not, in one indexed SELECT."""
    row = reader.execute(_FIND, (_hash(secret),)).fetchone()
    return None if row is None else KeyRecord(*row)


def find_active(connection: Connection, which: str, *, now_ms: int) -> KeyRecord:
    """The one key, neither disabled nor expired, that has this prefix, name or account.

    Raises:
        StoreError: none, or several.
    """
    which = which[:_PREFIX_LENGTH] if which.startswith("ak_") else which  # a whole key, pasted
    found = [KeyRecord(*row) for row in connection.execute(_ACTIVE, (which, now_ms))]
    if not found:
        raise StoreError(
            f"no active key has the prefix, label or account {which!r}; see `loupette keys list`"
            " (all keys of an account: `loupette keys disable --account NAME`)"
        )
    if len(found) > 1:
        prefixes = ", ".join(key.prefix for key in found)
        raise StoreError(f"{len(found)} active keys are called {which!r}; use a prefix: {prefixes}")
    return found[0]


def list_keys(reader: Connection) -> list[KeyRecord]:
    """Every key, by account name and age."""
    return [KeyRecord(*row) for row in reader.execute(_LIST)]


def search_keys(
    reader: Connection,
    *,
    text: str = "",
    account_id: int | None = None,
    offset: int = 0,
    limit: int,
) -> list[KeyRecord]:
    """A page of the keys, the newest first.

    Args:
        reader: a connection to read from.
        text: in the account's name, the key's name or its prefix.
        account_id: of this account only.
        offset: how many to pass over.
        limit: how many at most.
    """
    rows = reader.execute(_SEARCH, (text, account_id, limit, offset))
    return [KeyRecord(*row) for row in rows]


def by_id(reader: Connection, key_id: int) -> KeyRecord | None:
    """The key with this number."""
    row = reader.execute(_BY_ID, (key_id,)).fetchone()
    return None if row is None else KeyRecord(*row)


def disable_key(db: Store, which: str, *, now_ms: int) -> KeyRecord:
    """Disable the one active key that has this prefix, name or account."""

    def disable(connection: Connection) -> KeyRecord:
        key = find_active(connection, which, now_ms=now_ms)
        connection.execute("UPDATE api_keys SET disabled_ms = ? WHERE id = ?", (now_ms, key.id))
        return _by_id(connection, key.id)

    return db.write(disable)


def disable_account(db: Store, account_name: str, *, now_ms: int) -> None:
    """Disable every key of an account at once; its balance stays."""

    def disable(connection: Connection) -> None:
        account_id = account_id_of(connection, account_name)
        connection.execute("UPDATE accounts SET disabled_ms = ? WHERE id = ?", (now_ms, account_id))

    db.write(disable)


def set_rate(
    db: Store, which: str, *, rate: float, burst: int | None = None, now_ms: int
) -> KeyRecord:
    """Change the rate of the one active key that has this prefix, name or account."""
    burst = _check_rate(rate, burst)

    def update(connection: Connection) -> KeyRecord:
        key = find_active(connection, which, now_ms=now_ms)
        connection.execute(
            "UPDATE api_keys SET rate = ?, burst = ? WHERE id = ?", (rate, burst, key.id)
        )
        return _by_id(connection, key.id)

    return db.write(update)


def account_id_of(connection: Connection, account_name: str) -> int:
    """The id of the account, or a `StoreError` when no account has that name."""
    row = connection.execute("SELECT id FROM accounts WHERE name = ?", (account_name,)).fetchone()
    if row is None:
        raise StoreError(f"there is no account {account_name!r}; creating a key for it opens it")
    return int(row[0])


def _new_secret() -> str:
    return "ak_" + secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    # Plain sha256: nobody guesses a random 256-bit secret, and argon2 would cost 0.5 s a request.
    # surrogatepass: JSON can carry half a surrogate pair, and such a key is merely unknown.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _check_rate(rate: float, burst: int | None) -> int:
    if not SMALLEST_RATE <= rate <= LARGEST_RATE:
        raise StoreError(
            f"a rate must be within {SMALLEST_RATE:g} and {LARGEST_RATE:,} requests per second,"
            f" not {rate:g}"
        )
    burst = math.ceil(rate) if burst is None else burst
    if not 1 <= burst <= LARGEST_RATE:
        raise StoreError(f"a burst must be within 1 and {LARGEST_RATE:,} requests, not {burst}")
    return burst


def _check_scopes(scopes: Iterable[str]) -> str:
    """As they are stored, in the order of `SCOPES`."""
    asked = set(scopes)
    if not asked or not asked <= set(SCOPES):
        wrong = ", ".join(sorted(asked - set(SCOPES))) or "none at all"
        raise StoreError(f"a key's scopes are some of {', '.join(SCOPES)}; not {wrong}")
    return " ".join(scope for scope in SCOPES if scope in asked)


def _check_expiry(expires_ms: int | None, now_ms: int) -> None:
    if expires_ms is not None and expires_ms <= now_ms:
        raise StoreError("a key must expire in the future; to end one: loupette keys disable KEY")


def _insert(connection: Connection, row: tuple[object, ...]) -> KeyRecord:
    return _by_id(connection, connection.execute(_INSERT, row).fetchone()[0])


def _open_account(connection: Connection, name: str, opening_micros: int, *, now_ms: int) -> int:
    if not name:
        raise StoreError("an account needs a name")
    opened = connection.execute(
        "INSERT INTO accounts(name, created_ms) VALUES (?, ?) ON CONFLICT(name) DO NOTHING",
        (name, now_ms),
    ).rowcount
    account_id = account_id_of(connection, name)
    if opening_micros and not opened:
        raise StoreError(
            f"the account {name!r} is there already, and no key was made;"
            f" to add to its balance: loupette keys topup {name} AMOUNT"
        )
    if opening_micros:
        post(connection, account_id, "topup", opening_micros, None, note="opening", now_ms=now_ms)
    return account_id


def _by_id(connection: Connection, key_id: int) -> KeyRecord:
    return KeyRecord(*connection.execute(_BY_ID, (key_id,)).fetchone())
