"""The schema, as named steps: forward only, and never edited once released."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from sqlite_utils import Database as Schema
from sqlite_utils import Migrations

from loupette.errors import StoreError

MIGRATIONS = Migrations("loupette")


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the steps that are missing, all or none.

    Raises:
        StoreError: the file has steps that this version does not know.
    """
    _refuse_newer(connection)
    if not missing_steps(connection):
        return
    # The write lock first: of two processes that open a new file, the second finds all applied.
    connection.execute("BEGIN IMMEDIATE")
    try:
        MIGRATIONS.apply(_schema(connection))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def check_schema(connection: sqlite3.Connection) -> None:
    """Look whether this version can read the file as it is; nothing is written.

    Raises:
        StoreError: the file has steps that this version does not know, or lacks some.
    """
    _refuse_newer(connection)
    if missing := missing_steps(connection):
        raise StoreError(
            f"the database was written by an older loupette (it lacks {', '.join(missing)});"
            " starting the server, or any command that writes, brings it up to date"
        )


def missing_steps(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Steps that the file lacks, and `migrate` would apply."""
    return tuple(step.name for step in MIGRATIONS.pending(_schema(connection)))


def unknown_steps(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Steps that a newer version has applied."""
    known = _known_steps()
    applied = MIGRATIONS.applied(_schema(connection))
    return tuple(step.name for step in applied if step.name not in known)


def describe_newer(unknown: Sequence[str]) -> str:
    """What to tell whoever opens a database with unknown steps."""
    return (
        f"the database was written by a newer loupette (it has {', '.join(unknown)}); "
        "install that version again, or restore a backup made before the upgrade"
    )


def _refuse_newer(connection: sqlite3.Connection) -> None:
    if unknown := unknown_steps(connection):
        raise StoreError(describe_newer(unknown))


def _schema(connection: sqlite3.Connection) -> Schema:
    return Schema(connection, execute_plugins=False)


def _known_steps() -> set[str]:
    """The names of this version's steps: in an empty database all of them are pending."""
    with closing(sqlite3.connect(":memory:")) as empty:
        return set(missing_steps(empty))


@MIGRATIONS()
def m001_accounts_and_keys(schema: Schema) -> None:
    """Accounts with their balance, and the keys that spend from it."""
    schema.execute(
        """
        CREATE TABLE accounts(
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            balance INTEGER NOT NULL DEFAULT 0 CHECK(balance >= 0),
            created_ms INTEGER NOT NULL,
            disabled_ms INTEGER
        ) STRICT
        """
    )
    # rate: requests per second
    schema.execute(
        """
        CREATE TABLE api_keys(
            id INTEGER PRIMARY KEY,
            account_id INTEGER NOT NULL REFERENCES accounts(id),
            key_hash BLOB NOT NULL UNIQUE CHECK(length(key_hash) = 32),
            prefix TEXT NOT NULL,
            name TEXT,
            rate REAL NOT NULL CHECK(rate > 0),
            burst INTEGER NOT NULL CHECK(burst >= 1),
            created_ms INTEGER NOT NULL,
            disabled_ms INTEGER
        ) STRICT
        """
    )


@MIGRATIONS()
def m002_ledger(schema: Schema) -> None:
    """Every change of every balance, append-only."""
    schema.execute(
        """
        CREATE TABLE ledger(
            id INTEGER PRIMARY KEY,
            account_id INTEGER NOT NULL REFERENCES accounts(id),
            kind TEXT NOT NULL,
            amount INTEGER NOT NULL,
            balance_after INTEGER NOT NULL CHECK(balance_after >= 0),
            log_id INTEGER,
            note TEXT,
            created_ms INTEGER NOT NULL,
            CHECK(CASE kind
                WHEN 'topup' THEN amount > 0 AND log_id IS NULL
                WHEN 'adjust' THEN log_id IS NULL
                WHEN 'charge' THEN amount <= 0 AND log_id IS NOT NULL
                WHEN 'refund' THEN amount > 0 AND log_id IS NOT NULL
                ELSE 0 END)
        ) STRICT
        """
    )
    schema.execute(
        "CREATE UNIQUE INDEX ledger_log ON ledger(log_id, kind) WHERE log_id IS NOT NULL"
    )
    schema.execute("CREATE INDEX ledger_account ON ledger(account_id, id)")
    for verb in ("UPDATE", "DELETE"):
        schema.execute(
            f"""
            CREATE TRIGGER ledger_refuses_{verb.lower()} BEFORE {verb} ON ledger
            BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
            """
        )


@MIGRATIONS()
def m003_logs(schema: Schema) -> None:
    """One row per request, keyed by the log ID itself (see `store.logs`), and the reports on them.

    The ids grow with time: over 10 M rows, random ids made inserts 9 to 18 times slower, since each
    touched a cold page. One index serves the account's pages, one those of a type, and a partial
    one finds the few failures among many successes. Each ends with what the other filters ask for,
    so that rows are looked up only where they match: over 1 M rows of one account in one day, its
    first minutes took 0.17 s to find instead of 0.75 s.
    """
    schema.execute(
        """
        CREATE TABLE logs(
            id INTEGER PRIMARY KEY,
            account_id INTEGER NOT NULL REFERENCES accounts(id),
            key_id INTEGER NOT NULL REFERENCES api_keys(id),
            created_ms INTEGER NOT NULL,
            type_id INTEGER,
            code INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            cost INTEGER NOT NULL CHECK(cost >= 0 AND (cost = 0 OR outcome = 'ok')),
            answer TEXT,
            confidence REAL,
            response_ms INTEGER NOT NULL,
            detail TEXT,
            image_hash BLOB
        ) STRICT
        """
    )
    schema.execute("CREATE INDEX logs_account ON logs(account_id, id, created_ms)")
    schema.execute("CREATE INDEX logs_type ON logs(account_id, type_id, id, created_ms)")
    schema.execute(
        "CREATE INDEX logs_failure ON logs(account_id, outcome, id, type_id, created_ms)"
        " WHERE outcome <> 'ok'"
    )
    # Charges below this id have outlived their log rows; `verify` must not miss those.
    schema.execute(
        """
        CREATE TABLE log_retention(
            id INTEGER PRIMARY KEY CHECK(id = 1),
            deleted_below INTEGER NOT NULL
        ) STRICT
        """
    )
    schema.execute("INSERT INTO log_retention(id, deleted_below) VALUES (1, 0)")
    # No reference to logs: a report is worth keeping after its log row has gone.
    schema.execute(
        """
        CREATE TABLE reports(
            log_id INTEGER PRIMARY KEY,
            account_id INTEGER NOT NULL REFERENCES accounts(id),
            verdict TEXT NOT NULL,
            true_answer TEXT,
            refund_micros INTEGER NOT NULL CHECK(refund_micros >= 0),
            created_ms INTEGER NOT NULL
        ) STRICT
        """
    )


@MIGRATIONS()
def m004_idempotency(schema: Schema) -> None:
    """Replies to requests that carried an Idempotency-Key, for a day."""
    schema.execute(
        """
        CREATE TABLE idempotency(
            account_id INTEGER NOT NULL REFERENCES accounts(id),
            key TEXT NOT NULL,
            body_hash BLOB NOT NULL,
            reply BLOB NOT NULL,
            status INTEGER NOT NULL,
            log_id INTEGER NOT NULL,
            created_ms INTEGER NOT NULL,
            PRIMARY KEY(account_id, key)
        ) STRICT, WITHOUT ROWID
        """
    )
    schema.execute("CREATE INDEX idempotency_age ON idempotency(created_ms)")


@MIGRATIONS()
def m005_key_scopes_and_expiry(schema: Schema) -> None:
    """What a key may do, words apart by blanks, and until when; keys there are may do as before."""
    schema.execute(
        "ALTER TABLE api_keys ADD COLUMN"
        " scopes TEXT NOT NULL DEFAULT 'solve read report' CHECK(scopes <> '')"
    )
    schema.execute("ALTER TABLE api_keys ADD COLUMN expires_ms INTEGER")


@MIGRATIONS()
def m006_sessions_and_overrides(schema: Schema) -> None:
    """Who is signed in to the console, and what was decided there over registry.toml."""
    schema.execute(
        """
        CREATE TABLE sessions(
            hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
            key_id INTEGER NOT NULL REFERENCES api_keys(id),
            expires_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )
    schema.execute(
        """
        CREATE TABLE type_overrides(
            type_id INTEGER PRIMARY KEY,
            price INTEGER CHECK(price >= 0),
            is_off INTEGER NOT NULL CHECK(is_off IN (0, 1)),
            changed_ms INTEGER NOT NULL,
            changed_by TEXT NOT NULL
        ) STRICT
        """
    )


@MIGRATIONS()
def m007_topups_once(schema: Schema) -> None:
    """A top-up that was sent twice is one: the ledger knows it by its key."""
    schema.execute("ALTER TABLE ledger ADD COLUMN idempotency_key TEXT")
    schema.execute(
        "CREATE UNIQUE INDEX ledger_idempotency ON ledger(idempotency_key)"
        " WHERE idempotency_key IS NOT NULL"
    )


@MIGRATIONS()
def m008_search_of_all_accounts(schema: Schema) -> None:
    """What finds entries of one type or outcome whosever they are, as m003's do for an account.

    Without them a search for what is rare, or for answers after many failures, walked through the
    whole log. Only the first has a row for each request of either kind; each ends as m003's do.
    """
    for index in (
        "logs_every_type ON logs(type_id, id, created_ms, outcome)",
        "logs_every_answer ON logs(id, created_ms) WHERE outcome = 'ok'",
        "logs_every_failure ON logs(outcome, id, created_ms) WHERE outcome <> 'ok'",
        "logs_every_failure_of_type ON logs(outcome, type_id, id, created_ms)"
        " WHERE outcome <> 'ok'",
    ):
        schema.execute(f"CREATE INDEX {index}")


@MIGRATIONS()
def m009_options(schema: Schema) -> None:
    """What a request asked for beside its type, as JSON; older entries do not say."""
    schema.execute("ALTER TABLE logs ADD COLUMN options TEXT")
