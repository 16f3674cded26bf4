"""``loupette db``."""

from pathlib import Path

import click

from loupette.money import format_yuan
from loupette.settings import Settings
from loupette.store.opening import copy_database


@click.group()
def db() -> None:
    """Move the database."""


@db.command()
@click.argument("source", metavar="SQLITE", type=click.Path(path_type=Path))
@click.argument("url", metavar="POSTGRES", envvar="DATABASE_URL")
@click.pass_obj
def copy(settings: Settings, source: Path, url: str) -> None:
    """Copy a SQLite file into an empty PostgreSQL database, and prove that nothing is missing.

    No server may run on the file meanwhile, nor start. All is copied or nothing is. The file is
    checked, and stays as it is; set DATABASE_URL to the new database before the next start.

    \b
    loupette db copy loupette.db postgresql://loupette:secret@db/loupette
    DATABASE_URL=... loupette db copy loupette.db      no password among the processes
    """  # noqa: D301  # click looks for a real backspace
    for name, (before, after) in copy_database(source, url).items():
        shown = (
            (format_yuan(before), format_yuan(after))
            if name.endswith("micros")
            else (before, after)
        )
        click.echo(f"{name.removesuffix('_micros')}: {shown[0]} = {shown[1]}")
    click.echo(f"all is equal; from now on: DATABASE_URL=... loupette serve, and keep {source}")
