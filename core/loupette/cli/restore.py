"""``loupette restore``."""

from datetime import UTC, datetime
from pathlib import Path

import click

from loupette.cli.existing import refuse_shared
from loupette.money import format_yuan
from loupette.settings import Settings
from loupette.store import restore as store
from loupette.store.images import ImageFolder
from loupette.wording import counted


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.pass_obj
def restore(settings: Settings, source: Path) -> None:
    """Put a copy of BACKUP in the database's place; the server must not run.

    Refused are files that are damaged, of a newer version, or whose ledger does not add up. The
    old database is kept beside the new one, under a name with the time in UTC; kept images stay
    where they are, and are deleted when their days are over.

    \b
    loupette restore /var/backups/loupette-2026-11-28.db
    """  # noqa: D301  # click looks for a real backspace
    refuse_shared(settings, 'pg_restore --clean --dbname="$DATABASE_URL" BACKUP')
    done = store.restore(source, settings.database, now=datetime.now(UTC))
    checked = done.checked
    click.echo(
        f"{settings.database} is {source} now: {counted(checked.accounts, 'account')},"
        f" {counted(checked.entries, 'ledger entry')},"
        f" {format_yuan(checked.balance_micros)} in all, checked"
    )
    if done.kept:
        click.echo(f"the database before it is kept as {done.kept}")
    if (images := ImageFolder(settings.database).path).exists():
        click.echo(f"kept images stay in {images} until their days are over")
