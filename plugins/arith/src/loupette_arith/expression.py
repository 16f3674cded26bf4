"""Reading and working out arithmetic expressions, exactly and without ``eval``."""

from dataclasses import dataclass
from fractions import Fraction

from loupette_arith.grammar import NUMERALS, OPERATORS, START, WRITTEN, Grammar, State, canonical

MAX_DECIMALS = 4
"""A quotient that ends within this many places is written as a decimal, any other as a fraction."""


class ExpressionError(ValueError):
    """The text is no expression, or it divides by zero."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        operands: at least one, none negative.
        operators: one fewer, each ``+``, ``-``, ``*`` or ``/``.
    """

    operands: tuple[int, ...]
    operators: tuple[str, ...]

    def value(self) -> Fraction:
        """Work it out: ``*`` and ``/`` first, from left to right.

        Raises:
            ExpressionError: it divides by zero.
        """
        total, term = Fraction(0), Fraction(self.operands[0])
        for operator, operand in zip(self.operators, self.operands[1:], strict=True):
            if operator == "*":
                term *= operand
            elif operator == "/":
                term = _divide(term, operand)
            else:
                total, term = total + term, Fraction(operand if operator == "+" else -operand)
        return total + term

    def __str__(self) -> str:
        parts = [str(self.operands[0])]
        for operator, operand in zip(self.operators, self.operands[1:], strict=True):
            parts += [operator, str(operand)]
        return "".join(parts)


def _divide(term: Fraction, operand: int) -> Fraction:
    if operand == 0:
        raise ExpressionError("the expression divides by zero")
    return term / operand


def parse(text: str, grammar: Grammar = WRITTEN) -> Expression:
    """Parse an expression.

    Args:
        text: such as ``12+7=?`` or ``三乘以五等于几``; blanks do not matter.
        grammar: the limits in force.

    Returns:
        The expression, without its tail.

    Raises:
        ExpressionError: the text is not an expression.
    """
    state, tokens = START, []
    for char in canonical(text):
        after = grammar.step(state, char)
        if after is None:
            raise ExpressionError(f"no expression goes on with {char!r} here: {text!r}")
        if not _same_token(state, after):
            tokens.append(state.text)
        state = after
    if not grammar.is_complete(state):
        raise ExpressionError(f"the expression is not complete: {text!r}")
    if state.phase == "number":
        tokens.append(state.text)
    return Expression(tuple(map(_number, tokens[1::2])), tuple(OPERATORS[t] for t in tokens[2::2]))


def _same_token(before: State, after: State) -> bool:
    return before.phase == after.phase and after.text[:-1] == before.text


def _number(text: str) -> int:
    return NUMERALS[text] if text in NUMERALS else int(text)


def evaluate(text: str, grammar: Grammar = WRITTEN) -> Fraction:
    """Work out an expression.

    Args:
        text: as for `parse`.
        grammar: the limits in force.

    Returns:
        Its exact value.

    Raises:
        ExpressionError: the text is not an expression, or it divides by zero.
    """
    return parse(text, grammar).value()


def format_value(value: Fraction) -> str:
    """Write a value as the answer to give.

    Args:
        value: any value.

    Returns:
        ``-5`` for a whole number, ``2.5`` where the decimal ends within `MAX_DECIMALS` places,
        otherwise a reduced fraction such as ``7/3``.
    """
    scaled = value * 10**MAX_DECIMALS
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    whole, rest = divmod(abs(scaled.numerator), 10**MAX_DECIMALS)
    decimals = f"{rest:0{MAX_DECIMALS}d}".rstrip("0")
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
