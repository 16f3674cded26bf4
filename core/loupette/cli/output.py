"""Rows for people and programs: a table on a terminal, tabs in a pipe, JSON on request."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click

Row = Mapping[str, object]

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)


def print_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print rows that share their keys."""
    if as_json:
        print_json(list(rows))
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            click.echo("\t".join(_text(value) for value in row.values()))


def print_json(value: object) -> None:
    """Print one JSON document; money stays an exact number."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_number))


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        click.echo("nothing to show")
        return
    table = Table(*rows[0], header_style="bold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)  # shortest repr: 0.001 stays 0.001 up to 15 digits
    raise TypeError(f"{type(value).__name__} is not JSON")
