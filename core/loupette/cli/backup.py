"""``loupette backup``."""

from pathlib import Path

import click

from loupette.cli.existing import refuse_shared
from loupette.settings import Settings
from loupette.store import backup as store
from loupette.wording import counted


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_obj
def backup(settings: Settings, target: Path) -> None:
    """Copy the database to TARGET while it is in use, and check the copy.

    \b
    loupette backup /var/backups/loupette-$(date +%F).db
    """  # noqa: D301  # click looks for a real backspace
    refuse_shared(settings, 'pg_dump --format=custom --file=BACKUP "$DATABASE_URL"')
    checked = store.backup(settings.database, target)
    click.echo(f"{target}: {counted(checked.entries, 'ledger entry')}, checked")
