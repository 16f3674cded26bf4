"""Yuan to micro-yuan and back, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette.money import format_yuan, to_micros, to_yuan


@pytest.mark.parametrize(
    ("yuan", "micros"),
    [("0", 0), ("0.001", 1000), ("0.000001", 1), ("95.50", 95_500_000), ("-1.5", -1_500_000)],
)
def test_yuan_become_micros_exactly(yuan: str, micros: int) -> None:
    assert to_micros(Decimal(yuan)) == micros


@pytest.mark.parametrize("yuan", ["0.0000001", "1.0000005", "nan", "inf", "-inf"])
def test_an_amount_that_is_no_whole_micros_is_refused(yuan: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount"):
        to_micros(Decimal(yuan))


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (1000, "0.001"),
        (50_000, "0.05"),
        (95_500_000, "95.50"),
        (100_000_000, "100.00"),
        (1, "0.000001"),
        (123_456_789, "123.456789"),
        (-10_000, "-0.01"),
    ],
)
def test_micros_are_written_with_at_least_two_decimals(micros: int, text: str) -> None:
    assert f"{to_yuan(micros):f}" == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "¥0.0000"),
        (1000, "¥0.0010"),
        (1500, "¥0.0015"),
        (150, "¥0.000150"),
        (1, "¥0.000001"),
        (100_000_000, "¥100.0000"),
        (1_234_567_890_000, "¥1,234,567.8900"),
        (-10_000, "−¥0.0100"),
    ],
)
def test_people_read_money_in_one_form(micros: int, text: str) -> None:
    assert format_yuan(micros) == text


@given(st.integers(-(10**18), 10**18))
def test_the_form_for_people_is_exact(micros: int) -> None:
    digits = format_yuan(micros).replace("¥", "").replace(",", "").replace("−", "-")
    assert to_micros(Decimal(digits)) == micros


@given(st.integers(-(10**18), 10**18))
def test_micros_survive_the_way_to_yuan_and_back(micros: int) -> None:
    assert to_micros(to_yuan(micros)) == micros


@given(st.integers(0, 10**18))
def test_yuan_is_always_the_exact_amount(micros: int) -> None:
    assert to_yuan(micros) * 1_000_000 == micros
