"""loupette keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
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


def test_create_says_which_database_it_made_and_only_then(loupette: Run, tmp_path: Path) -> None:
    made = f"made the database {tmp_path / 'loupette.db'}\n"
    assert loupette("keys", "create", "shop").stderr.startswith(made)
    assert "made the database" not in loupette("keys", "create", "shop").stderr
    elsewhere = loupette("--database", "typo.db", "keys", "create", "shop")
    assert f"made the database {tmp_path / 'typo.db'}\n" in elsewhere.stderr


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
    as_json("keys", "create", "shop")
    assert [key["balance"] for key in as_json("keys", "list")] == [3, 3]


def test_opening_balance_for_an_account_that_is_there_is_refused(
    loupette: Run, as_json: Json
) -> None:
    as_json("keys", "create", "shop", "--balance", "3")
    result = loupette("keys", "create", "shop", "--balance", "2")
    assert result.exit_code == 1
    assert "loupette keys topup shop AMOUNT" in result.output
    assert [key["balance"] for key in as_json("keys", "list")] == [3]


@pytest.mark.parametrize("rate", ["1e30", "0", "1e-300", "nan", "inf"])
def test_rate_out_of_bounds_is_refused_without_a_traceback(loupette: Run, rate: str) -> None:
    result = loupette("keys", "create", "shop", "--rate", rate)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)


AMOUNTS = [
    "-1",
    "0.0000001",
    "much",
    "NaN",
    "sNaN",
    "Infinity",
    "1e30",
    "1e999999999",
    "1000000001",
]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_create_refuses_an_amount_that_is_none(loupette: Run, amount: str) -> None:
    result = loupette("keys", "create", "shop", f"--balance={amount}")
    assert result.exit_code == 2
    assert "--balance" in result.output


def test_topup_adds_to_the_balance(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop", "--balance", "1")
    assert "¥1.5050" in loupette("keys", "topup", "shop", "0.505").output


@pytest.mark.parametrize("amount", [*AMOUNTS, "0"])
def test_topup_refuses_an_amount_that_is_none(loupette: Run, as_json: Json, amount: str) -> None:
    as_json("keys", "create", "shop")
    result = loupette("keys", "topup", "shop", "--", amount)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)


def test_topup_of_an_unknown_account_says_so(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop")
    result = loupette("keys", "topup", "shoe", "1")
    assert result.exit_code == 1
    assert "shoe" in result.output


def test_disabled_key_is_listed_as_disabled(loupette: Run, as_json: Json) -> None:
    secret = as_json("keys", "create", "shop")["key"]
    assert loupette("keys", "disable", secret[:11]).exit_code == 0
    assert [key["state"] for key in as_json("keys", "list")] == ["disabled"]


def test_disabled_account_disables_all_its_keys(loupette: Run, as_json: Json) -> None:
    for account in ("shop", "shop", "other"):
        as_json("keys", "create", account)
    assert loupette("keys", "disable", "--account", "shop").exit_code == 0
    states = {(key["account"], key["state"]) for key in as_json("keys", "list")}
    assert states == {("shop", "disabled"), ("other", "active")}


@pytest.mark.parametrize("arguments", [(), ("ak_x", "--account", "shop")])
def test_disable_wants_a_key_or_an_account(loupette: Run, arguments: tuple[str, ...]) -> None:
    result = loupette("keys", "disable", *arguments)
    assert result.exit_code == 2
    assert "name one KEY, or one --account" in result.output


def test_rate_of_a_key_is_changed_with_its_burst(loupette: Run, as_json: Json) -> None:
    secret = as_json("keys", "create", "shop")["key"]
    assert "50 requests/s, 50 at once" in loupette("keys", "rate", secret[:11], "50").output
    assert "200 at once" in loupette("keys", "rate", secret[:11], "50", "--burst", "200").output
    assert [key["rate"] for key in as_json("keys", "list")] == [50]


def test_label_cannot_forge_columns_or_rows(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop", "--label", "a\tb\nc\x1b[2J")
    lines = loupette("keys", "list").stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["label", "a\\tb\\nc\\x1b[2J"]


def test_label_is_no_markup_on_a_terminal(
    loupette: Run, as_json: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_json("keys", "create", "shop", "--label", "[/x]")
    monkeypatch.setattr("loupette.cli.output.sys", SimpleNamespace(stdout=_Terminal()))
    assert "[/x]" in loupette("keys", "list").output


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_json_money_is_exact(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop", "--balance", "999999999.000001")
    assert '"balance": 999999999.000001' in loupette("keys", "list", "--json").stdout


def test_list_prints_tabs_in_a_pipe_and_no_secret(loupette: Run, as_json: Json) -> None:
    secret = as_json("keys", "create", "shop", "--label", "crawler")["key"]
    head, line = loupette("keys", "list").stdout.splitlines()
    assert head.split("\t")[:4] == ["account", "label", "prefix", "balance"]
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


def test_key_is_made_with_scopes_and_an_expiry(as_json: Json) -> None:
    made = as_json("keys", "create", "shop", "--scopes", "read, solve", "--expires", "2999-01-31")
    assert (made["scopes"], made["expires"]) == (["solve", "read"], "2999-01-31T00:00:00+00:00")
    (listed,) = as_json("keys", "list")
    assert (listed["scopes"], listed["expires"]) == (made["scopes"], made["expires"])


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("12h", 43_200), ("90d", 7_776_000)])
def test_key_expires_after_a_duration(as_json: Json, text: str, seconds: int) -> None:
    expires = as_json("keys", "create", "shop", "--expires", text)["expires"]
    left = datetime.fromisoformat(expires) - datetime.now(UTC)
    assert abs(left.total_seconds() - seconds) < 60


@pytest.mark.parametrize("text", ["soon", "90", "-1d", "1.5h", "2027-13-01", "",
                                  "9999-12-31T23:59-23:00"])  # fmt: skip
def test_expiry_that_is_none_is_refused(loupette: Run, text: str) -> None:
    result = loupette("keys", "create", "shop", f"--expires={text}")
    assert result.exit_code == 2
    assert "--expires" in result.output


@pytest.mark.parametrize(
    "option", ["--scopes=fly", "--scopes=", "--expires=2001-01-01", "--expires=0d"]
)
def test_scope_or_expiry_that_makes_no_key_is_refused(
    loupette: Run, tmp_path: Path, option: str
) -> None:
    assert loupette("keys", "create", "shop", option).exit_code == 1
    assert loupette("keys", "list").stdout == ""


def test_expired_key_is_listed_as_expired(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop")
    assert loupette("keys", "roll", "shop", "--overlap", "0m").exit_code == 0
    assert [key["state"] for key in as_json("keys", "list")] == ["expired", "active"]


def test_roll_prints_the_new_key_alone_on_stdout(loupette: Run, as_json: Json) -> None:
    old = as_json("keys", "create", "shop", "--balance", "3")["key"]
    result = loupette("keys", "roll", "shop")
    assert result.stdout.strip().startswith("ak_")
    assert result.stdout.strip() != old
    assert f"the old key {old[:11]}… works until" in result.stderr
    assert [key["state"] for key in as_json("keys", "list")] == ["active", "active"]


def test_roll_of_a_key_that_expires_wants_an_expiry(loupette: Run, as_json: Json) -> None:
    as_json("keys", "create", "shop", "--expires", "90d")
    result = loupette("keys", "roll", "shop")
    assert result.exit_code == 2
    assert "say --expires for the new key" in result.output
    assert as_json("keys", "roll", "shop", "--expires", "never")["expires"] is None
