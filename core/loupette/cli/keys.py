"""``loupette keys``: who may call, and for how much."""

import time
from decimal import Decimal, InvalidOperation

import click

from loupette.cli.existing import open_existing
from loupette.cli.output import json_option, print_json, print_rows
from loupette.money import to_micros, to_yuan
from loupette.settings import Settings
from loupette.store import keys as store
from loupette.store.database import Database
from loupette.store.keys import KeyRecord
from loupette.store.ledger import topup


class Yuan(click.ParamType[Decimal]):
    """An amount of money with at most six decimals."""

    name = "yuan"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Parse it, or complain as click does."""
        try:
            amount = Decimal(str(value))
            to_micros(amount)
        except (InvalidOperation, ValueError):
            self.fail(f"{value!r} is no amount in yuan with at most six decimals", param, ctx)
        return amount


@click.group()
def keys() -> None:
    """Create, list, top up and disable API keys."""


@keys.command()
@click.argument("name")
@click.option("--balance", type=Yuan(), default="0", help="Yuan to begin with.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Requests per second.",
)
@click.option("--label", help="What people call this key.")
@json_option
@click.pass_obj
def create(
    settings: Settings, name: str, balance: Decimal, rate: float, label: str | None, as_json: bool
) -> None:
    """Make a key for the account NAME, and the account if there is none.

    The key is shown this once; only its hash is kept.

    \b
    loupette keys create shop --balance 100
    loupette keys create shop --rate 1000 --label crawler --json
    """  # noqa: D301  # click looks for a real backspace
    if balance < 0:
        raise click.BadParameter("must not be negative", param_hint="--balance")
    with Database.open(settings.database) as database:
        made = store.create_key(database, name, key_name=label, rate=rate, now_ms=_now_ms())
        micros = made.record.balance_micros
        if balance:
            micros = topup(database, name, to_micros(balance), note="opening", now_ms=_now_ms())
    shown = {"key": made.secret, "account": name, "balance": to_yuan(micros), "rate": rate}
    if as_json:
        print_json(shown)
    else:
        click.echo(made.secret)
        click.echo(f"account {name}, balance ¥{to_yuan(micros)}, {rate:g} requests/s", err=True)


@keys.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """Show all keys with their balances."""
    with open_existing(settings) as database:
        print_rows([_row(key) for key in store.list_keys(database.reader)], as_json=as_json)


@keys.command()
@click.argument("key")
@click.pass_obj
def disable(settings: Settings, key: str) -> None:
    """Disable one KEY, named by its prefix or label; a running server obeys at once.

    \b
    loupette keys disable ak_1a2B3c4D
    """  # noqa: D301  # click looks for a real backspace
    with open_existing(settings) as database:
        done = store.disable_key(database, key, now_ms=_now_ms())
    click.echo(f"{done.prefix}… of {done.account_name} is disabled")


@keys.command("topup")
@click.argument("name")
@click.argument("amount", type=Yuan())
@click.option("--note", default="", help="Kept in the ledger.")
@click.pass_obj
def topup_(settings: Settings, name: str, amount: Decimal, note: str) -> None:
    """Add AMOUNT yuan to the account NAME.

    \b
    loupette keys topup shop 50
    """  # noqa: D301  # click looks for a real backspace
    with open_existing(settings) as database:
        micros = topup(database, name, to_micros(amount), note=note, now_ms=_now_ms())
    click.echo(f"{name} has ¥{to_yuan(micros)}")


def _row(key: KeyRecord) -> dict[str, object]:
    return {
        "account": key.account_name,
        "label": key.name,
        "prefix": key.prefix,
        "balance": to_yuan(key.balance_micros),
        "rate": key.rate,
        "state": "disabled" if key.is_disabled else "active",
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
