"""``loupette keys``: who may call, and for how much."""

import time
from decimal import Decimal

import click

from loupette.cli.existing import open_existing, read_existing
from loupette.cli.output import json_option, print_json, print_rows
from loupette.cli.yuan import Yuan
from loupette.money import to_micros, to_yuan
from loupette.settings import Settings
from loupette.store import keys as store
from loupette.store.database import Database
from loupette.store.keys import KeyRecord
from loupette.store.ledger import topup


class Rate(click.FloatRange):
    """Requests per second, within what the store takes."""

    def __init__(self) -> None:
        super().__init__(min=store.SMALLEST_RATE, max=store.LARGEST_RATE)


@click.group()
def keys() -> None:
    """Create, list, top up and disable API keys."""


@keys.command()
@click.argument("name")
@click.option("--balance", type=Yuan(), default="0", help="Yuan that a new account begins with.")
@click.option(
    "--rate",
    type=Rate(),
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
        made = store.create_key(
            database,
            name,
            key_name=label,
            rate=rate,
            opening_micros=to_micros(balance),
            now_ms=_now_ms(),
        )
    yuan = to_yuan(made.record.balance_micros)
    shown = {"key": made.secret, "account": name, "balance": yuan, "rate": rate}
    if as_json:
        print_json(shown)
    else:
        click.echo(made.secret)
        click.echo(f"account {name}, balance ¥{yuan}, {rate:g} requests/s", err=True)


@keys.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """Show all keys with their balances."""
    with read_existing(settings) as reader:
        found = store.list_keys(reader)
    print_rows([_row(key) for key in found], as_json=as_json)


@keys.command()
@click.argument("key", required=False)
@click.option("--account", help="Disable all keys of this account instead; its balance stays.")
@click.pass_obj
def disable(settings: Settings, key: str | None, account: str | None) -> None:
    """Disable one KEY, named by its prefix or label; a running server obeys at once.

    \b
    loupette keys disable ak_1a2B3c4D
    loupette keys disable --account shop
    """  # noqa: D301  # click looks for a real backspace
    if (key is None) == (account is None):
        raise click.UsageError("name one KEY, or one --account")
    with open_existing(settings) as database:
        if account is not None:
            store.disable_account(database, account, now_ms=_now_ms())
            click.echo(f"all keys of {account} are disabled")
        elif key is not None:
            done = store.disable_key(database, key, now_ms=_now_ms())
            click.echo(f"{done.prefix}… of {done.account_name} is disabled")


@keys.command()
@click.argument("key")
@click.argument("rate", type=Rate())
@click.option(
    "--burst",
    type=click.IntRange(1, store.LARGEST_RATE),
    help="Requests at once; the rate, rounded up, unless given.",
)
@click.pass_obj
def rate(settings: Settings, key: str, rate: float, burst: int | None) -> None:
    """Let one KEY, named by its prefix or label, make RATE requests per second.

    \b
    loupette keys rate ak_1a2B3c4D 50
    """  # noqa: D301  # click looks for a real backspace
    with open_existing(settings) as database:
        done = store.set_rate(database, key, rate=rate, burst=burst)
    click.echo(f"{done.prefix}… may make {done.rate:g} requests/s, {done.burst} at once")


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
