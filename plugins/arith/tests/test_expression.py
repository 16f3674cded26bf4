"""Parsing, working out and writing values."""

import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette_arith.expression import ExpressionError, evaluate, format_value, parse
from loupette_arith.grammar import (
    DRAWN,
    NUMERALS,
    OPERATORS,
    TAILS,
    WRITTEN,
    canonical,
    chinese_numeral,
)

APPLY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
SPELLED = {
    "+": ["+", "＋", "加", "加上", "plus", " plus ", "PLUS"],
    "-": ["-", "−", "－", "减", "减去", "減", "minus"],
    "*": ["*", "×", "x", "X", "·", "乘", "乘以", "times"],
    "/": ["/", "÷", "／", "除", "除以"],
}
TAILS_WRITTEN = ["", "=", "=?", "=？", "= ?", "＝", "?", "等于", "等于几", "等于多少", "等于多少？"]


def oracle(operands: list[int], operators: list[str]) -> Fraction:
    """Work it out the slow way: first the products, then the sums."""
    values: list[Fraction] = [Fraction(operands[0])]
    signs: list[str] = []
    for sign, operand in zip(operators, operands[1:], strict=True):
        if sign in "*/":
            values[-1] = APPLY[sign](values[-1], Fraction(operand))
        else:
            signs.append(sign)
            values.append(Fraction(operand))
    total = values[0]
    for sign, value in zip(signs, values[1:], strict=True):
        total = APPLY[sign](total, value)
    return total


@st.composite
def written_expressions(draw: st.DrawFn) -> tuple[str, list[int], list[str]]:
    """A text, and the operands and operators it was written from."""
    operands = draw(st.lists(st.integers(0, 999), min_size=1, max_size=4))
    size = len(operands) - 1
    operators = draw(st.lists(st.sampled_from("+-*/"), min_size=size, max_size=size))
    numbers = [draw(st.sampled_from([str(n), chinese_numeral(n)])) for n in operands]
    text = numbers[0]
    for sign, number in zip(operators, numbers[1:], strict=True):
        text += draw(st.sampled_from(SPELLED[sign])) + draw(st.sampled_from(["", " "])) + number
    return text + draw(st.sampled_from(TAILS_WRITTEN)), operands, operators


@given(written_expressions())
def test_evaluate_agrees_with_fractions(written: tuple[str, list[int], list[str]]) -> None:
    text, operands, operators = written
    try:
        expected = oracle(operands, operators)
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="zero"):
            evaluate(text)
    else:
        assert evaluate(text) == expected


@given(written_expressions())
def test_parse_gives_back_what_was_written(written: tuple[str, list[int], list[str]]) -> None:
    text, operands, operators = written
    expression = parse(text)
    assert list(expression.operands) == operands
    assert list(expression.operators) == operators
    assert parse(str(expression)) == expression


ALPHABET = st.sampled_from(sorted({c for word in [*OPERATORS, *NUMERALS, *TAILS] for c in word}))


@given(st.one_of(st.text(), st.text(ALPHABET), st.text(ALPHABET | st.sampled_from("0123456789 "))))
def test_no_text_raises_anything_else(text: str) -> None:
    for grammar in (WRITTEN, DRAWN):
        try:
            value = evaluate(text, grammar)
        except ExpressionError:
            continue
        assert isinstance(value, Fraction)


def test_numerals_round_trip() -> None:
    assert [evaluate(chinese_numeral(value)) for value in range(1000)] == list(range(1000))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("〇", 0),
        ("两", 2),
        ("十", 10),
        ("一十五", 15),
        ("二十", 20),
        ("一百零五", 105),
        ("一百一十五", 115),
        ("两百二十", 220),
        ("壹佰贰拾叁", 123),
        ("玖佰玖拾玖", 999),
        ("貳拾參", 23),
    ],
)
def test_numerals_in_other_spellings(text: str, value: int) -> None:
    assert evaluate(text) == value


NO_EXPRESSIONS = (
    *("", " ", "=", "?", "+", "3+", "+3", "-3", "3++5", "3=5", "3+5=8", "3+?=8", "(3+5)"),
    *("3.5+1", "5²", "½", "٣+1", "1e3", "3 plu 5", "3+5=?=?", "8 5 mod 3", "1" * 10),
    *("三五", "十十", "百", "二百五", "3五", "两十", "等于几", "加", "多少=3+5"),
    "+".join("1" * 10),
    "__import__('os')",
    "\0",
)


@pytest.mark.parametrize("text", NO_EXPRESSIONS)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text)


@pytest.mark.parametrize("text", ["3÷0", "0/0=?", "五除以零等于几", "1/0*0"])
def test_division_by_zero_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text)


def test_products_come_before_sums_and_go_left_to_right() -> None:
    assert evaluate("2+3×4") == 14
    assert evaluate("9-9x7=?") == -54
    assert evaluate("8/2/2") == 2
    assert evaluate("10-3-2") == 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(12), "12"),
        (Fraction(-5), "-5"),
        (Fraction(0), "0"),
        (Fraction(5, 2), "2.5"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1, 16), "0.0625"),
        (Fraction(1, 32), "1/32"),
        (Fraction(7, 3), "7/3"),
        (Fraction(-2, 3), "-2/3"),
        (Fraction(1, 20), "0.05"),
    ],
)
def test_values_are_written_as_decimals_where_they_end(value: Fraction, text: str) -> None:
    assert format_value(value) == text


@given(st.fractions())
def test_written_values_read_back(value: Fraction) -> None:
    assert Fraction(format_value(value)) == value


def test_images_show_sums_of_a_few_small_numbers() -> None:
    for text in ("12=?", "1234+5", "1+2+3+4", "3+05", "00+1"):
        evaluate(text)
        with pytest.raises(ExpressionError):
            evaluate(text, DRAWN)


def test_canonical_keeps_unknown_characters() -> None:
    assert canonical("３ ＋ Ｘ ５ ＝ ？ #é") == "3+*5=?#é"


@pytest.mark.parametrize("value", [-1, 1000])
def test_chinese_numeral_refuses_what_it_cannot_write(value: int) -> None:
    with pytest.raises(ValueError, match="999"):
        chinese_numeral(value)
