"""Money as people type it."""

from decimal import Decimal

import click

from loupette.money import to_micros

_MOST = 10**9
"""Keeps a slip of the hand out of the ledger, and its sums within SQLite's integers."""


class Yuan(click.ParamType[Decimal]):
    """An amount of money with at most six decimals."""

    name = "yuan"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Parse it, or complain as click does."""
        try:
            amount = Decimal(str(value))
            if abs(amount) > _MOST:
                self.fail(f"{value!r} is beyond {_MOST:,} yuan", param, ctx)
            to_micros(amount)
        except (ArithmeticError, ValueError):
            self.fail(f"{value!r} is no amount in yuan with at most six decimals", param, ctx)
        return amount
