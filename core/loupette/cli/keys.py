"""``loupette keys``: who may call, and for how much."""

import time
from decimal import Decimal

import click

from loupette.cli.existing import is_missing, open_existing, read_existing
from loupette.cli.moments import NEVER, Duration, Moment, show_moment
from loupette.cli.output import json_option, print_json, print_rows
from loupette.cli.yuan import Yuan
from loupette.money import format_yuan, to_micros, to_yuan
from loupette.settings import Settings
from loupette.store import keys as store
from loupette.store.keys import KeyRecord
from loupette.store.ledger import topup
from loupette.store.opening import open_database


class Rate(click.FloatRange):
    """Requests per second, within what the store takes."""

    def __init__(self) -> None:
        super().__init__(min=store.SMALLEST_RATE, max=store.LARGEST_RATE)


def _split(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(","))


@click.group()
def keys() -> None:
    """Create, list, roll over, top up and disable API keys."""


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
@click.option(
    "--scopes",
    callback=_split,
    default=",".join(store.USUAL_SCOPES),
    show_default=True,
    help=f"What it may do: some of {', '.join(store.SCOPES)}.",
)
@click.option(
    "--expires",
    type=Moment(),
    default="never",
    show_default=True,
    help="Until when: 90d, 12h or 2027-01-31, in UTC.",
)
@json_option
@click.pass_obj
def create(
    settings: Settings,
    *,
    name: str,
    balance: Decimal,
    rate: float,
    label: str | None,
    scopes: tuple[str, ...],
    expires: int,
    as_json: bool,
) -> None:
    """Make a key for the account NAME, and the account if there is none.

    The key is shown this once; only its hash is kept. Where there is no database, one is made, and
    it says where.

    \b
    loupette keys create shop --balance 100
    loupette keys create shop --rate 1000 --label crawler --json
    loupette keys create shop --scopes solve --expires 90d
    """  # noqa: D301  # click looks for a real backspace
    if balance < 0:
        raise click.BadParameter("must not be negative", param_hint="--balance")
    is_new = is_missing(settings)
    with open_database(settings.database, settings.database_url) as database:
        if is_new:
            click.echo(f"made the database {database.name}", err=True)
        made = store.create_key(
            database,
            name,
            key_name=label,
            rate=rate,
            scopes=scopes,
            expires_ms=None if expires == NEVER else expires,
            opening_micros=to_micros(balance),
            now_ms=_now_ms(),
        )
    _show_new(made, as_json=as_json)


@keys.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """Show all keys with their balances."""
    with read_existing(settings) as reader:
        found = store.list_keys(reader)
    print_rows([_row(key) for key in found], as_json=as_json)


@keys.command()
@click.argument("key")
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="How long the old key goes on working: 30m, 24h, 7d; 0m for not at all.",
)
@click.option(
    "--expires", type=Moment(), help="Until when the new key works: 90d, 2027-01-31, never."
)
@json_option
@click.pass_obj
def roll(settings: Settings, key: str, *, overlap: int, expires: int | None, as_json: bool) -> None:
    """Make a new key in the place of KEY, named by its prefix, label or account.

    The new one works at once, with the same account, label, rate and scopes; the old one until the
    overlap is over. A key that expires needs --expires for the new one.

    \b
    loupette keys roll shop
    loupette keys roll ak_1a2B3c4D --overlap 7d --expires 90d
    """  # noqa: D301  # click looks for a real backspace
    now_ms = _now_ms()
    with open_existing(settings) as database:
        chosen = _choose_expiry(expires, store.find_active(database.reader, key, now_ms=now_ms))
        done = store.roll_key(database, key, overlap_ms=overlap, expires_ms=chosen, now_ms=now_ms)
    _show_new(done.new, as_json=as_json)
    until = show_moment(done.old.expires_ms or 0)
    click.echo(f"the old key {done.old.prefix}… works until {until}", err=True)


def _choose_expiry(expires: int | None, old: KeyRecord) -> int | None:
    """When the new key expires; not by accident never, where the old one did."""
    if expires is None and old.expires_ms is not None:
        raise click.UsageError(
            f"{old.prefix}… expires at {show_moment(old.expires_ms)}; say --expires for the new key"
        )
    return None if expires in (None, NEVER) else expires


def _show_new(made: store.NewKey, *, as_json: bool) -> None:
    """The secret alone on standard output, or all as JSON."""
    key = made.record
    expires = None if key.expires_ms is None else show_moment(key.expires_ms)
    if as_json:
        print_json(
            {
                "key": made.secret,
                "account": key.account_name,
                "balance": to_yuan(key.balance_micros),
                "rate": key.rate,
                "scopes": key.scopes.split(),
                "expires": expires,
            }
        )
        return
    click.echo(made.secret)
    click.echo(
        f"account {key.account_name}, balance {format_yuan(key.balance_micros)},"
        f" {key.rate:g} requests/s, may {key.scopes}, expires {expires or 'never'}",
        err=True,
    )


@keys.command()
@click.argument("key", required=False)
@click.option("--account", help="Disable all keys of this account instead; its balance stays.")
@click.pass_obj
def disable(settings: Settings, key: str | None, account: str | None) -> None:
    """Disable one KEY, named by its prefix, label or account; a running server obeys at once.

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
    """Let one KEY, named by its prefix, label or account, make RATE requests per second.

    \b
    loupette keys rate ak_1a2B3c4D 50
    """  # noqa: D301  # click looks for a real backspace
    with open_existing(settings) as database:
        done = store.set_rate(database, key, rate=rate, burst=burst, now_ms=_now_ms())
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
    click.echo(f"{name} has {format_yuan(micros)}")


def _row(key: KeyRecord) -> dict[str, object]:
    return {
        "account": key.account_name,
        "label": key.name,
        "prefix": key.prefix,
        "balance": to_yuan(key.balance_micros),
        "rate": key.rate,
        "state": _state(key),
        "scopes": key.scopes.split(),
        "expires": None if key.expires_ms is None else show_moment(key.expires_ms),
    }


def _state(key: KeyRecord) -> str:
    if key.is_disabled:
        return "disabled"
    return "expired" if key.has_expired(_now_ms()) else "active"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
