"""``loupette serve``."""

import logging
import signal
import sys
import time
from dataclasses import replace

import click

from loupette.manager import load_plugins
from loupette.money import MICROS_PER_YUAN
from loupette.registry import Catalogue, build_catalogue
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.keys import create_key, list_keys
from loupette.store.ledger import topup

_DEMO_YUAN = 100
_DRAIN_S = 10


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1, 256), help="Solver processes (one per core).")
@click.option("--demo", is_flag=True, help="Make a key with ¥100 if there is none, and show it.")
@click.pass_obj
def serve(settings: Settings, host: str, port: int, workers: int | None, demo: bool) -> None:
    """Serve the HTTP API.

    \b
    loupette serve --demo
    loupette serve --host 0.0.0.0 --port 8000 --workers 4
    """  # noqa: D301  # click looks for a real backspace
    import uvicorn

    from loupette.web.app import create_app

    settings = replace(settings, workers=workers or settings.workers)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(name)s: %(message)s")
    # Found here, an operator's mistake is one line; found in the lifespan it is a traceback.
    catalogue = build_catalogue(load_plugins(settings.plugins).loaded, settings.registry)
    with Database.open(settings.database, exclusive=True) as database:
        if demo and not list_keys(database.reader):
            click.echo(_welcome(_make_demo_key(database), f"http://{host}:{port}", catalogue))
    # uvicorn drains on SIGTERM, then raises it again for whoever listened before: a clean end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        lifespan="on",
        ws="none",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def _make_demo_key(database: Database) -> str:
    now_ms = time.time_ns() // 1_000_000
    secret = create_key(database, "demo", now_ms=now_ms).secret
    topup(database, "demo", _DEMO_YUAN * MICROS_PER_YUAN, note="demo", now_ms=now_ms)
    return secret


def _welcome(secret: str, url: str, catalogue: Catalogue) -> str:
    lines = [f"demo key, with ¥{_DEMO_YUAN}, shown only now: {secret}"]
    for type_id, served in catalogue.types.items():
        lines += [
            f"\n{served.spec.name} {served.spec.name_en}:",
            f"curl -s {url}/types/{type_id}/sample | curl -s -H 'X-API-Key: {secret}'"
            f" -F type={type_id} -F image=@- {url}/api/v1/captcha.php",
        ]
    return "\n".join(lines) + "\n"
