"""Numbers of things, in English."""

import pytest

from loupette.wording import counted


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (0, "account", "0 accounts"),
        (1, "account", "1 account"),
        (2, "account", "2 accounts"),
        (1, "ledger entry", "1 ledger entry"),
        (12, "ledger entry", "12 ledger entries"),
    ],
)
def test_one_is_one_and_all_others_are_many(number: int, thing: str, text: str) -> None:
    assert counted(number, thing) == text
