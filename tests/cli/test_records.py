"""loupette logs, ledger verify, backup, restore."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from loupette.store.database import Database
from loupette.store.images import ImageFolder
from loupette.store.keys import find_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogCounter, LogEntry, record

Run = Callable[..., Result]
Json = Callable[..., Any]


@pytest.fixture
def charged(as_json: Json, tmp_path: Path) -> Path:
    """A database with one charge and one failure of the account "shop"."""
    path = tmp_path / "loupette.db"
    secret = as_json("keys", "create", "shop", "--balance", "1")["key"]
    with Database.open(path) as database:
        key, ledger, counter = (
            find_key(database.reader, secret),
            Ledger(database),
            LogCounter(database),
        )
        assert key is not None

        def entry(
            outcome: str, cost_micros: int, answer: str | None, *, image: bytes | None = None
        ) -> LogEntry:
            return LogEntry(
                id=counter.next_log_id(0),
                account_id=key.account_id,
                key_id=key.id,
                created_ms=0,
                type_id=60001,
                code=200 if answer else 400,
                outcome=outcome,
                cost_micros=cost_micros,
                answer=answer,
                response_ms=5,
                options={"charset": "七7"},
                image_hash=hashlib.sha256(image).digest() if image else None,
            )

        ledger.settle(ledger.hold(key.account_id, 1000), entry("ok", 1000, "7")).result()
        record(database, entry("no_text", 0, None, image=b"one")).result()
    return path


def test_logs_shows_newest_first(charged: Path, as_json: Json) -> None:
    found = as_json("logs")
    assert [log["outcome"] for log in found] == ["no_text", "ok"]
    assert (found[1]["log_id"], found[1]["cost"]) == ("LOG19700101000001", 0.001)


@pytest.mark.parametrize(
    ("command", "head"),
    [
        (("logs",), "log_id\ttime\ttype\toutcome"),
        (("logs", "show", "LOG19700101000001"), "field\tvalue"),
        (("keys", "list"), "account\tlabel\tprefix\tbalance"),
        (("types",), "type\tname\tname_en\tprice"),
        (("plugins",), "plugin\tversion\tmodule\ttypes"),
    ],
)
def test_columns_have_their_names_in_a_pipe_too(
    charged: Path, loupette: Run, command: tuple[str, ...], head: str
) -> None:
    first, second, *_ = loupette(*command).stdout.splitlines()
    assert first.startswith(head)
    assert len(second.split("\t")) == len(first.split("\t"))


def test_money_in_a_list_is_in_the_form_for_people(charged: Path, loupette: Run) -> None:
    assert "\t¥0.0010\t" in loupette("logs", "--outcome", "ok").stdout


def test_an_empty_list_says_so_and_leaves_the_pipe_empty(charged: Path, loupette: Run) -> None:
    result = loupette("logs", "--outcome", "no_gap")
    assert (result.stdout, result.stderr) == ("", "nothing to show\n")


def test_logs_filters_by_account_and_outcome(charged: Path, as_json: Json) -> None:
    as_json("keys", "create", "other")
    assert as_json("logs", "--account", "other") == []
    assert len(as_json("logs", "--account", "shop", "--outcome", "ok", "--type", "60001")) == 1


def test_logs_pages_with_before(charged: Path, as_json: Json) -> None:
    assert len(as_json("logs", "--before", "LOG19700101000002")) == 1


def test_logs_refuses_a_cursor_that_is_none(charged: Path, loupette: Run) -> None:
    assert loupette("logs", "--before", "LOG1").exit_code == 2


def test_purge_deletes_old_logs_and_keeps_their_charges(
    charged: Path, loupette: Run, as_json: Json
) -> None:
    assert (
        "2 log entries and 0 images deleted"
        in loupette("logs", "purge", "--older-than", "90").output
    )
    assert as_json("logs") == []
    assert as_json("ledger", "verify")["charges"] == 1


def test_show_tells_all_of_one_request(charged: Path, as_json: Json) -> None:
    log = as_json("logs", "show", "LOG19700101000001")
    assert (log["result"], log["code"], log["cost"]) == ("7", 200, 0.001)
    assert (log["image_sha256"], log["images"]) == (None, [])
    assert (log["account"], log["key"][:3]) == ("shop", "ak_")


def test_show_tells_options_as_they_are_posted(charged: Path, loupette: Run) -> None:
    shown = loupette("logs", "show", "LOG19700101000001").stdout.splitlines()
    assert 'options\t{"charset":"七7"}' in shown


def test_show_tells_where_images_lie(charged: Path, as_json: Json, loupette: Run) -> None:
    ImageFolder(charged).keep(197001010000000002, [b"one", b"two"], max_bytes=100)
    shown = as_json("logs", "show", "LOG19700101000002")["images"]
    assert [Path(file).read_bytes() for file in shown] == [b"one", b"two"]
    assert "LOG19700101000002-2" in loupette("logs", "show", "LOG19700101000002").output


@pytest.mark.parametrize("log_id", ["LOG19700101000009", "LOG1"])
def test_show_of_what_is_not_there_is_an_error(charged: Path, loupette: Run, log_id: str) -> None:
    result = loupette("logs", "show", log_id)
    assert result.exit_code == 1
    assert f"there is no log '{log_id}'" in result.output


def test_purge_deletes_images_with_their_entries_or_alone(
    charged: Path, loupette: Run, as_json: Json
) -> None:
    folder = ImageFolder(charged)
    folder.keep(197001010000000002, [b"one"], max_bytes=100)
    assert "0 images" in loupette("logs", "purge", "--older-than", "90", "--images").output
    for file in folder.find(197001010000000002):
        os.utime(file, (0, 0))
    done = loupette("logs", "purge", "--older-than", "0", "--images")
    assert "0 log entries and 1 image deleted" in done.output
    assert len(as_json("logs")) == 2
    folder.keep(197001010000000001, [b"one", b"two"], max_bytes=100)
    for file in folder.find(197001010000000001):
        os.utime(file, (0, 0))  # not within the millisecond of the purge
    assert "2 log entries and 2 images" in loupette("logs", "purge", "--older-than", "0").output


def test_refund_gives_the_charge_back_once(charged: Path, loupette: Run) -> None:
    assert "has ¥1.0000" in loupette("ledger", "refund", "LOG19700101000001").output
    again = loupette("ledger", "refund", "LOG19700101000001")
    assert again.exit_code == 1
    assert "refunded already" in again.output


def test_refund_refuses_what_is_no_log_id(charged: Path, loupette: Run) -> None:
    assert loupette("ledger", "refund", "LOG1").exit_code == 2


def test_adjust_corrects_a_balance_down_but_not_below_zero(charged: Path, loupette: Run) -> None:
    result = loupette("ledger", "adjust", "shop", "-0.5", "--note", "bonus paid twice")
    assert "shop has ¥0.4990" in result.output
    result = loupette("ledger", "adjust", "shop", "-0.5", "--note", "and again")
    assert result.exit_code == 1
    assert "below zero" in result.output


def test_adjust_wants_a_reason(charged: Path, loupette: Run) -> None:
    assert loupette("ledger", "adjust", "shop", "1").exit_code == 2


@pytest.mark.parametrize("command", [("logs",), ("keys", "list"), ("ledger", "verify")])
def test_commands_that_read_do_not_migrate(
    charged: Path, loupette: Run, command: tuple[str, ...]
) -> None:
    with closing(sqlite3.connect(charged)) as connection, connection:
        connection.execute("DELETE FROM _sqlite_migrations WHERE name LIKE 'm003%'")
    result = loupette(*command)
    assert result.exit_code == 1
    assert "older loupette" in result.output


def test_verify_of_a_clean_ledger_counts_it(charged: Path, as_json: Json) -> None:
    found = as_json("ledger", "verify")
    assert (found["ok"], found["charges"], found["balance"]) == (True, 1, 0.999)


def test_verify_exits_with_1_when_a_balance_was_tampered_with(charged: Path, loupette: Run) -> None:
    connection = sqlite3.connect(charged)
    with connection:
        connection.execute("UPDATE accounts SET balance = balance + 1")
    connection.close()
    result = loupette("ledger", "verify")
    assert result.exit_code == 1
    assert "NOT CLEAN" in result.output


def test_backup_is_a_checked_copy(charged: Path, loupette: Run, tmp_path: Path) -> None:
    assert loupette("backup", "copy.db").exit_code == 0
    assert (
        "1 account, 2 entries, 1 charge, ¥0.9990 in all"
        in loupette("--database", "copy.db", "ledger", "verify").output
    )


def test_backup_never_overwrites(charged: Path, loupette: Run) -> None:
    assert loupette("backup", "copy.db").exit_code == 0
    result = loupette("backup", "copy.db")
    assert result.exit_code == 1
    assert "exists already" in result.output


def test_restore_says_what_it_did(charged: Path, loupette: Run, as_json: Json) -> None:
    assert loupette("backup", "copy.db").exit_code == 0
    assert loupette("keys", "topup", "shop", "5").exit_code == 0
    result = loupette("restore", "copy.db")
    assert result.exit_code == 0, result.output
    assert (
        "loupette.db is copy.db now: 1 account, 2 ledger entries, ¥0.9990 in all" in result.output
    )
    (kept,) = charged.parent.glob("loupette-2*.db")
    assert f"is kept as {kept}" in result.output
    assert as_json("ledger", "verify")["balance"] == 0.999


def test_restore_leaves_kept_images_to_the_restored_database(
    charged: Path, loupette: Run, as_json: Json
) -> None:
    """Else nobody would delete them in time, and those in the backup would have lost theirs."""
    folder = ImageFolder(charged)
    folder.keep(197001010000000002, [b"one"], max_bytes=100)
    assert loupette("backup", "copy.db").exit_code == 0
    folder.keep(197001010000000003, [b"later"], max_bytes=100)
    assert f"kept images stay in {folder.path}" in loupette("restore", "copy.db").output
    (shown,) = as_json("logs", "show", "LOG19700101000002")["images"]
    assert Path(shown).read_bytes() == b"one"
    for file in folder.path.glob("*/*"):
        os.utime(file, (0, 0))
    assert "2 images" in loupette("logs", "purge", "--older-than", "9", "--images").output


def test_restore_refuses_a_backup_that_was_tampered_with(
    charged: Path, loupette: Run, as_json: Json
) -> None:
    assert loupette("backup", "copy.db").exit_code == 0
    with closing(sqlite3.connect("copy.db")) as connection, connection:
        connection.execute("UPDATE accounts SET balance = balance + 1")
    result = loupette("restore", "copy.db")
    assert result.exit_code == 1
    assert "do not restore it" in result.output
    assert as_json("ledger", "verify")["ok"]


def test_every_command_explains_itself(loupette: Run) -> None:
    for command in ("serve", "keys", "types", "plugins", "logs", "solve", "ledger", "backup",
                    "restore", "doctor"):  # fmt: skip
        result = loupette(command, "--help")
        assert result.exit_code == 0
        assert "Usage: " in result.output
