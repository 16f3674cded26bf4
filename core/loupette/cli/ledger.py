"""``loupette ledger``."""

import click

from loupette.cli.existing import open_existing
from loupette.cli.output import json_option, print_json
from loupette.money import to_yuan
from loupette.settings import Settings
from loupette.store.ledger import verify as audit


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
    with open_existing(settings) as database:
        found = audit(database)
    if as_json:
        print_json(
            {
                "ok": found.ok,
                "accounts": found.accounts,
                "entries": found.entries,
                "charges": found.charges,
                "balance": to_yuan(found.balance_micros),
                "problems": found.problems,
            }
        )
    else:
        for problem in found.problems:
            click.echo(problem)
        click.echo(
            f"{'clean' if found.ok else 'NOT CLEAN'}: {found.accounts} accounts,"
            f" {found.entries} entries, {found.charges} charges,"
            f" ¥{to_yuan(found.balance_micros)} in all"
        )
    if not found.ok:
        raise SystemExit(1)
