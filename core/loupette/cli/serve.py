"""``loupette serve``."""

import os
import socket
import time
from dataclasses import replace

import click

from loupette.cli.developing import plugins_dir_option
from loupette.cli.existing import is_missing
from loupette.executor import check_executors
from loupette.manager import load_plugins
from loupette.messages import set_up_messages
from loupette.money import MICROS_PER_YUAN, format_yuan
from loupette.registry import Catalogue, build_catalogue
from loupette.settings import Settings
from loupette.store.connection import Store
from loupette.store.keys import create_key, list_keys
from loupette.store.opening import open_database

_DEMO_MICROS = 100 * MICROS_PER_YUAN


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1, 256), help="Solver processes (one per core).")
@click.option("--demo", is_flag=True, help="Make a key with ¥100 if there is none, and show it.")
@plugins_dir_option
@click.pass_obj
def serve(settings: Settings, host: str, port: int, workers: int | None, demo: bool) -> None:
    """Serve the HTTP API.

    \b
    loupette serve --demo
    loupette serve --host 0.0.0.0 --port 8000 --workers 4
    loupette serve --plugins-dir plugins           starts anew when a file in it changes
    """  # noqa: D301  # click looks for a real backspace
    from loupette.cli.server import run_reloading, run_server

    settings = replace(settings, workers=workers or settings.workers)
    set_up_messages(settings.log_format)
    # Found here, an operator's mistake is one line; found in the lifespan it is a traceback.
    catalogue = build_catalogue(load_plugins(settings.modules).loaded, settings.registry)
    check_executors(catalogue)
    # A port that is taken must be known before the demo key is shown, which happens only once.
    listener = _listen(host, port)
    is_new = is_missing(settings)
    with open_database(settings.database, settings.database_url, exclusive=True) as database:
        if demo:
            click.echo(_welcome(database, _url(host, port), catalogue))
    types = ", ".join(map(str, catalogue.types)) or "no type"
    newly = ", which is new" if is_new else ""
    click.echo(f"serving {types} on {_url(host, port)}, database {database.name}{newly}")
    if settings.plugins_dir is None:
        run_server(settings, [listener])
    else:
        run_reloading(settings, [listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, dualstack_ipv6=family == socket.AF_INET6
        )
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise click.ClickException(
            f"cannot listen on {host} port {port}: {reason}; stop what listens there,"
            " or take another with --port"
        ) from error


def _url(host: str, port: int) -> str:
    """How this machine reaches the server, also where it listens on every address."""
    # S104: nothing is bound here; such an address is shown as one that can be called.
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _make_demo_key(database: Store) -> str:
    now_ms = time.time_ns() // 1_000_000
    return create_key(database, "demo", opening_micros=_DEMO_MICROS, now_ms=now_ms).secret


def _welcome(database: Store, url: str, catalogue: Catalogue) -> str:
    if list_keys(database.reader):
        return "there are keys already, shown only once; a new one: loupette keys create demo"
    secret = _make_demo_key(database)
    lines = [f"demo key, with {format_yuan(_DEMO_MICROS)}, shown only now: {secret}"]
    for type_id, served in catalogue.types.items():
        lines += [
            f"\n{served.spec.name} {served.spec.name_en}:",
            f"curl -sS {url}/types/{type_id}/sample | curl -sS -H 'X-API-Key: {secret}'"
            f" -F type={type_id} -F image=@- {url}/api/v1/captcha.php",
        ]
    return "\n".join(lines) + "\n"
