"""Replies kept for requests that carried an Idempotency-Key."""

from collections.abc import Callable
from dataclasses import dataclass

from loupette.errors import IdempotencyTaken
from loupette.store.connection import Connection, Store

KEPT_MS = 24 * 3_600_000
_PURGE_STEP = 1000

_FIND = """
SELECT body_hash, reply, status, log_id, created_ms FROM idempotency
WHERE account_id = ? AND key = ?
"""
_INSERT = """
INSERT INTO idempotency(account_id, key, body_hash, reply, status, log_id, created_ms)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_PURGE = """
DELETE FROM idempotency WHERE (account_id, key) IN
    (SELECT account_id, key FROM idempotency WHERE created_ms < ? LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class IdempotentReply:
    """What to keep together with a charge.

    Attributes:
        key: the caller's Idempotency-Key.
        body_hash: hash of the request's body, to tell a repeat from another request.
        status: the status of the reply.
        make_reply: the reply's bytes from the balance after the charge. It runs in the writer
            thread, before the commit, so it must be quick and touch nothing shared.
    """

    key: str
    body_hash: bytes
    status: int
    make_reply: Callable[[int], bytes]

    def store(
        self,
        connection: Connection,
        account_id: int,
        log_id: int,
        balance_micros: int,
        created_ms: int,
    ) -> None:
        """Make the reply and insert it, inside the operation of whoever calls."""
        body = self.make_reply(balance_micros)
        stored = StoredReply(self.body_hash, body, self.status, log_id, created_ms)
        insert(connection, account_id, self.key, stored)


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply given before."""

    body_hash: bytes
    reply: bytes
    status: int
    log_id: int
    created_ms: int


def find(reader: Connection, account_id: int, key: str) -> StoredReply | None:
    """The reply that was stored for this key of the account; None when there is none."""
    row = reader.execute(_FIND, (account_id, key)).fetchone()
    return None if row is None else StoredReply(*row)


def insert(connection: Connection, account_id: int, key: str, reply: StoredReply) -> None:
    """Store the reply, inside the operation of whoever calls.

    Raises:
        IdempotencyTaken: another request with this key was stored first.
    """
    cursor = connection.execute(
        _INSERT,
        (
            account_id,
            key,
            reply.body_hash,
            reply.reply,
            reply.status,
            reply.log_id,
            reply.created_ms,
        ),
    )
    if cursor.rowcount == 0:
        raise IdempotencyTaken("another request with this Idempotency-Key was answered meanwhile")


def purge(db: Store, *, now_ms: int) -> int:
    """Forget replies older than 24 hours and return how many; not for the event loop.

    Older than the newest one, so that a server that starts with its clock ahead forgets none that
    a caller may still ask for.
    """
    newest_ms = db.reader.execute("SELECT MAX(created_ms) FROM idempotency").fetchone()[0]
    before_ms = min(now_ms, newest_ms or 0) - KEPT_MS
    total = 0
    deleted = _PURGE_STEP
    while deleted == _PURGE_STEP:
        deleted = db.write(
            lambda connection: connection.execute(_PURGE, (before_ms, _PURGE_STEP)).rowcount
        )
        total += deleted
    return total
