"""Who is signed in to the console: a random secret for the browser, its hash for the database."""

import hashlib
import secrets

from loupette.store.connection import Connection, Store
from loupette.store.keys import KeyRecord, by_id

_MOST_OF_A_KEY = 20
"""Sessions; one more ends the key's oldest, so that nobody fills the table."""


def open_session(db: Store, key_id: int, *, expires_ms: int, now_ms: int) -> str:
    """Sign a key in; gives the session's secret. Sessions that are over are forgotten."""
    secret = secrets.token_urlsafe(32)

    def insert(connection: Connection) -> None:
        connection.execute(
            "INSERT INTO sessions(hash, key_id, expires_ms) VALUES (?, ?, ?)",
            (_hash(secret), key_id, expires_ms),
        )
        connection.execute(
            "DELETE FROM sessions WHERE expires_ms <= ?1 OR (key_id = ?2 AND hash NOT IN"
            " (SELECT hash FROM sessions WHERE key_id = ?2 ORDER BY expires_ms DESC LIMIT ?3))",
            (now_ms, key_id, _MOST_OF_A_KEY),
        )

    db.write(insert)
    return secret


def find_session(reader: Connection, secret: str, *, now_ms: int) -> KeyRecord | None:
    """The key that is signed in with this secret, as it is now; it may be disabled since."""
    row = reader.execute(
        "SELECT key_id FROM sessions WHERE hash = ? AND expires_ms > ?", (_hash(secret), now_ms)
    ).fetchone()
    return None if row is None else by_id(reader, row[0])


def close_session(db: Store, secret: str) -> None:
    """Sign out."""
    db.write(lambda connection: connection.execute(_DELETE, (_hash(secret),)))


_DELETE = "DELETE FROM sessions WHERE hash = ?"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
