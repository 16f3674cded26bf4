"""``loupette types``."""

import click

from loupette.cli.developing import plugins_dir_option
from loupette.cli.output import json_option, print_rows
from loupette.manager import load_plugins
from loupette.money import to_yuan
from loupette.registry import build_catalogue
from loupette.settings import Settings


@click.command()
@plugins_dir_option
@json_option
@click.pass_obj
def types(settings: Settings, as_json: bool) -> None:
    """List the types that are served, with prices and plugins."""
    catalogue = build_catalogue(load_plugins(settings.modules).loaded, settings.registry)
    rows = [
        {
            "type": type_id,
            "name": served.spec.name,
            "name_en": served.spec.name_en,
            "price": to_yuan(served.price_micros),
            "min_confidence": served.min_confidence,
            "deadline_s": served.deadline_s,
            "plugin": f"{served.plugin} {served.version}".strip(),
        }
        for type_id, served in catalogue.types.items()
    ]
    print_rows(rows, as_json=as_json)
