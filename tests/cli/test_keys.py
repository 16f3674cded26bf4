"""loupette keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from loupette.store.database import Database
from loupette.store.keys import find_key

Run = Callable[..., Result]
Json = Callable[..., Any]


def test_create_prints_the_key_alone_on_stdout(loupette: Run) -> None:
    result = loupette("keys", "create", "shop")
    assert result.stdout.strip().startswith("ak_")
    assert len(result.stdout.split()) == 1


def test_create_as_json_gives_balance_and_rate(as_json: Json) -> None:
    made = as_json("keys", "create", "shop", "--balance", "100", "--rate", "1000")
    assert (made["account"], made["balance"], made["rate"]) == ("shop", 100, 1000)


def test_created_key_is_found_by_its_secret_and_stored_nowhere(
    as_json: Json, tmp_path: Path
) -> None:
    secret = as_json("keys", "create", "shop")["key"]
    with Database.open(tmp_path / "test.db"):
        pass
    with Database.open(tmp_path / "loupette.db") as database:
        assert find_key(database.reader, secret) is not None
    assert secret.encode() not in (tmp_path / "loupette.db").read_bytes()


def test_second_key_of_an_account_shares_its_balance(as_json: Json) -> None:
    as_json("keys", "create", "shop", "--balance", "3")
    as_json("keys", "create", "shop", "--balance", "2")
    assert [key["balance"] for key in as_json("keys", "list")] == [5, 5]


@pytest.mark.parametrize("amount", ["-1", "0.0000001", "much", "NaN", "Infinity"])
def test_create_refuses_an_amount_that_is_none(loupette: Run, amount: str) -> None:
    result = loupette("keys", "create", "shop", f"--balance={amount}")
    assert result.exit_code == 2
    assert "--balance" in result.output


def test_topup_adds_to_the_balance(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop", "--balance", "1")
    assert "¥1.505" in loupette("keys", "topup", "shop", "0.505").output


def test_topup_of_an_unknown_account_says_so(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop")
    result = loupette("keys", "topup", "shoe", "1")
    assert result.exit_code == 1
    assert "shoe" in result.output


def test_disabled_key_is_listed_as_disabled(loupette: Run, as_json: Json) -> None:
    secret = as_json("keys", "create", "shop")["key"]
    assert loupette("keys", "disable", secret[:11]).exit_code == 0
    assert [key["state"] for key in as_json("keys", "list")] == ["disabled"]


def test_list_prints_tabs_in_a_pipe_and_no_secret(loupette: Run, as_json: Json) -> None:
    secret = as_json("keys", "create", "shop", "--label", "crawler")["key"]
    line = loupette("keys", "list").stdout
    assert line.split("\t")[:2] == ["shop", "crawler"]
    assert secret not in line


@pytest.mark.parametrize("command", [("keys", "list"), ("logs",), ("ledger", "verify")])
def test_reading_a_database_that_is_not_there_is_an_error_and_makes_none(
    loupette: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = loupette("--database", "typo.db", *command)
    assert result.exit_code == 1
    assert "typo.db" in result.output
    assert not (tmp_path / "typo.db").exists()
