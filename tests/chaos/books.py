"""What the database says, beside all that callers were told."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from click.testing import CliRunner

from chaos.clients import Told
from loupette.cli.main import main as loupette
from loupette.money import to_yuan
from loupette.settings import Settings
from loupette.store.logs import format_log_id
from loupette.store.opening import read_database

_HELD = "SELECT (SELECT SUM(held) FROM accounts), (SELECT COALESCE(SUM(amount), 0) FROM holds)"


def find_breaches(settings: Settings, told: Told) -> Iterator[str]:
    """What of the promises does not hold, with no request on its way; nothing if all do."""
    yield from _unsound(settings)
    yield from _ill_charged(settings, told)


def _unsound(settings: Settings) -> Iterator[str]:
    done = CliRunner().invoke(
        loupette,
        ["--database", str(settings.database), "ledger", "verify"],
        env={"DATABASE_URL": settings.database_url},
    )
    if done.exit_code:
        yield f"ledger verify: {done.output.strip()}"
    if settings.database_url:
        with read_database(settings.database, settings.database_url) as reader:
            of_accounts, of_holds = reader.execute(_HELD).fetchone()
        if of_accounts != of_holds:
            yield f"the accounts have {of_accounts} held, the holds are {of_holds}"


def _ill_charged(settings: Settings, told: Told) -> Iterator[str]:
    """Compare all that was told with all that was charged, by log ID."""
    charges = _charges(settings)
    times = Counter(log_id for log_id, _ in charges)
    cost = dict(charges)
    for log_id, acknowledged in told.charged.items():
        if times[log_id] != 1:
            yield f"{log_id} was acknowledged and charged {times[log_id]} times"
        elif cost[log_id] != acknowledged:
            yield f"{log_id} costs {cost[log_id]}, and {acknowledged} was told"
    for log_id in told.failed & times.keys():
        yield f"{log_id} failed and was charged"
    for log_id in times.keys() - told.charged.keys() - told.failed:
        yield f"{log_id} was charged, and nobody was told"


def _charges(settings: Settings) -> list[tuple[str, Decimal]]:
    with read_database(settings.database, settings.database_url) as reader:
        rows = reader.execute("SELECT log_id, -amount FROM ledger WHERE kind = 'charge'")
        return [(format_log_id(log_id), Decimal(to_yuan(amount))) for log_id, amount in rows]
