"""``loupette plugins``."""

import click

from loupette.cli.developing import plugins_dir_option
from loupette.cli.output import json_option, print_rows
from loupette.manager import load_plugins
from loupette.settings import Settings


@click.command()
@plugins_dir_option
@json_option
@click.pass_obj
def plugins(settings: Settings, as_json: bool) -> None:
    """List the installed plugins: what each reads, and why one failed to load."""
    found = load_plugins(settings.modules)
    rows: list[dict[str, object]] = [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "module": plugin.module,
            "types": [spec.type_id for spec in plugin.specs],
            "state": "loaded",
        }
        for plugin in found.loaded
    ]
    rows += [
        {
            "plugin": failure.name,
            "version": "",
            "module": failure.module,
            "types": [],
            "state": f"failed: {failure.reason}",
        }
        for failure in found.failures
    ]
    print_rows(rows, as_json=as_json)
