"""Rows for people and programs: a table on a terminal, tabs in a pipe, JSON on request.

Columns have their names either way; what must not meet them asks for JSON.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
import msgspec

from loupette.money import format_yuan, to_micros

Row = Mapping[str, object]

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)

_encoder = msgspec.json.Encoder(decimal_format="number")


def print_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print rows that share their keys."""
    if as_json:
        print_json(list(rows))
    elif not rows:
        click.echo("nothing to show", err=True)
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_lines(rows)


def print_json(value: object) -> None:
    """Print one JSON document; money stays an exact number."""
    click.echo(msgspec.json.format(_encoder.encode(value), indent=2).decode())


def _print_lines(rows: Sequence[Row]) -> None:
    for line in (list(rows[0]), *(row.values() for row in rows)):
        click.echo("\t".join(_text(value) for value in line))


_WHOLE = ("log_id", "prefix")


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for name in rows[0]:  # an ID that is cut cannot be used
        table.add_column(name, no_wrap=name in _WHOLE, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row.values()))  # no markup in a label
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):  # nothing but money is one
        return format_yuan(to_micros(value))
    if isinstance(value, Mapping):
        return visible(_encoder.encode(value).decode())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return visible(str(value))


def visible(text: str) -> str:
    """A tab or a newline would forge a column or a row, an escape could drive the terminal."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() or character == " ":
        return character
    return character.encode("unicode_escape").decode()
