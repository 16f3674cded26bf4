"""``loupette ledger``."""

import time
from decimal import Decimal

import click

from loupette.cli.existing import open_existing, read_existing
from loupette.cli.output import json_option, print_json
from loupette.cli.yuan import Yuan
from loupette.money import format_yuan, to_micros, to_yuan
from loupette.settings import Settings
from loupette.store import ledger as store
from loupette.store.audit import audit
from loupette.store.logs import parse_log_id
from loupette.wording import counted


@click.group()
def ledger() -> None:
    """Look after the money."""


@ledger.command()
@json_option
@click.pass_obj
def verify(settings: Settings, as_json: bool) -> None:
    """Add everything up again: balances, entries, charges against the log.

    Exits with 1 when something does not add up. A running server is not disturbed.
    """
    with read_existing(settings) as reader:
        found = audit(reader)
    if as_json:
        print_json(
            {
                "ok": found.ok,
                "accounts": found.accounts,
                "entries": found.entries,
                "charges": found.charges,
                "balance": to_yuan(found.balance_micros),
                "problems": [str(problem) for problem in found.problems],
            }
        )
    else:
        for problem in found.problems:
            click.echo(problem)
        click.echo(
            f"{'clean' if found.ok else 'NOT CLEAN'}: {counted(found.accounts, 'account')},"
            f" {counted(found.entries, 'entry')}, {counted(found.charges, 'charge')},"
            f" {format_yuan(found.balance_micros)} in all"
        )
    if not found.ok:
        raise SystemExit(1)


@ledger.command()
@click.argument("log_id")
@click.option("--note", default="", help="Kept in the ledger.")
@click.pass_obj
def refund(settings: Settings, log_id: str, note: str) -> None:
    """Give back what the request LOG_ID was charged; once.

    \b
    loupette ledger refund LOG20241101000001 --note "wrong answer"
    """  # noqa: D301  # click looks for a real backspace
    number = parse_log_id(log_id)
    if number is None:
        raise click.BadParameter(f"{log_id!r} is no log ID", param_hint="LOG_ID")
    with open_existing(settings) as database:
        micros = store.refund(database, number, note, now_ms=_now_ms())
    click.echo(f"{log_id} is refunded; the account has {format_yuan(micros)}")


# A negative amount looks like an option, and is none.
@ledger.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount", type=Yuan())
@click.option("--note", required=True, help="Why; kept in the ledger.")
@click.pass_obj
def adjust(settings: Settings, name: str, amount: Decimal, note: str) -> None:
    """Correct the balance of the account NAME by AMOUNT yuan, up or down, never below zero.

    \b
    loupette ledger adjust shop -0.50 --note "bonus was paid twice"
    """  # noqa: D301  # click looks for a real backspace
    with open_existing(settings) as database:
        micros = store.adjust(database, name, to_micros(amount), note, now_ms=_now_ms())
    click.echo(f"{name} has {format_yuan(micros)}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
