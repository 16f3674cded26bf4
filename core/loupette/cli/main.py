"""Joins the commands."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from loupette import __version__
from loupette.cli.backup import backup
from loupette.cli.cluster import cluster
from loupette.cli.db import db
from loupette.cli.doctor import doctor
from loupette.cli.keys import keys
from loupette.cli.ledger import ledger
from loupette.cli.logs import logs
from loupette.cli.plugin import plugin
from loupette.cli.plugins import plugins
from loupette.cli.restore import restore
from loupette.cli.serve import serve
from loupette.cli.solve import solve
from loupette.cli.types import types
from loupette.errors import LoupetteError
from loupette.messages import set_up_messages
from loupette.settings import Settings


class _Commands(click.Group):
    """Shows the engine's own errors as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # click's own signature
        try:
            return super().invoke(ctx)
        except LoupetteError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loupette")
@click.option("--database", type=click.Path(path_type=Path), help="SQLite file (loupette.db).")
@click.option("--registry", type=click.Path(path_type=Path), help="Types served (registry.toml).")
@click.pass_context
def main(context: click.Context, database: Path | None, registry: Path | None) -> None:
    """Loupette: a plugin-based captcha recognition engine with a registry.

    \b
    loupette serve                                 serve the HTTP API
    loupette keys create shop --balance 100        a new key with ¥100
    loupette solve captcha.png --type 50200        read an image or a folder, no server
    loupette types                                 what is served, at what price
    loupette plugin new dots                       begin a plugin of your own
    loupette doctor                                what is wrong here, and how to mend it

    Settings come from LOUPETTE_* variables; see docs/operating.md.
    """  # noqa: D301  # click looks for a real backspace
    settings = Settings.from_environment()
    if settings.trace_plugins:
        set_up_messages("text")
    context.obj = replace(
        settings,
        database=database or settings.database,
        registry=registry or settings.registry,
    )


_COMMANDS = (
    *(serve, keys, types, plugins, plugin, logs, solve, ledger, backup, restore, db, doctor),
    cluster,
)
for command in _COMMANDS:
    main.add_command(command)
