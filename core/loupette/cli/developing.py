"""``--plugins-dir``, for the commands that load plugins."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click


def _take(context: click.Context, parameter: click.Parameter, folder: Path | None) -> None:
    if folder is not None:
        context.obj = replace(context.obj, plugins_dir=folder)


plugins_dir_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--plugins-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    expose_value=False,
    callback=_take,
    help="Load the one-file plugins in DIR, too: their code is run.",
)
