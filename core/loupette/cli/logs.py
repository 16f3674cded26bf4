"""``loupette logs``."""

import time
from datetime import UTC, datetime

import click

from loupette.cli.existing import open_existing, read_existing
from loupette.cli.output import json_option, print_json, print_rows
from loupette.errors import StoreError
from loupette.money import to_yuan
from loupette.settings import Settings
from loupette.store import logs as store
from loupette.store.images import ImageFolder
from loupette.store.keys import account_id_of, list_keys
from loupette.store.logs import LogRecord, format_log_id, parse_log_id
from loupette.wording import counted

_DAY_MS = 86_400_000


@click.group(invoke_without_command=True)
@click.option("--account", help="Only this account's.")
@click.option("--type", "type_id", type=int, help="Only this type's.")
@click.option("--outcome", help='Only "ok", or one reason such as no_text.')
@click.option("--before", help="Only older than this log ID.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@click.pass_context
def logs(
    context: click.Context,
    *,
    account: str | None,
    type_id: int | None,
    outcome: str | None,
    before: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the newest requests, answered or not.

    \b
    loupette logs --account shop --outcome ok --limit 10
    loupette logs --json
    """  # noqa: D301  # click looks for a real backspace
    if context.invoked_subcommand:
        return
    settings: Settings = context.obj
    before_id = parse_log_id(before) if before else None
    if before and before_id is None:
        raise click.BadParameter(f"{before!r} is no log ID", param_hint="--before")
    with read_existing(settings) as reader:
        found = store.query(
            reader,
            account_id_of(reader, account) if account else None,
            before=before_id,
            limit=limit,
            type_id=type_id,
            outcome=outcome,
        )
    print_rows([_row(log) for log in found], as_json=as_json)


@logs.command()
@click.argument("log_id")
@json_option
@click.pass_obj
def show(settings: Settings, log_id: str, as_json: bool) -> None:
    """Show all that is known of the request LOG_ID, and where its images lie if they are kept.

    \b
    loupette logs show LOG20241101000001
    """  # noqa: D301  # click looks for a real backspace
    number = parse_log_id(log_id)
    with read_existing(settings) as reader:
        log = store.find(reader, number) if number is not None else None
        key = next((key for key in list_keys(reader) if log and key.id == log.key_id), None)
    if number is None or log is None:
        raise StoreError(f"there is no log {log_id!r}; it may have been purged")
    files = ImageFolder(settings.database).of(log)
    facts = {
        **_row(log),
        "account": key.account_name if key else log.account_id,
        "key": key.prefix if key else log.key_id,
        "code": log.code,
        "options": log.options,
        "detail": log.detail,
        "verdict": log.verdict,
        "refunded": to_yuan(log.refund_micros),
        "image_sha256": log.image_hash.hex() if log.image_hash else None,
        "images": [str(file) for file in files],
    }
    if as_json:
        print_json(facts)
    else:
        print_rows(
            [{"field": name, "value": value} for name, value in facts.items()], as_json=False
        )


@logs.command()
@click.option("--older-than", "days", type=click.IntRange(0, 36_500), required=True, metavar="DAYS")
@click.option("--images", "images_only", is_flag=True, help="Only the images; the entries stay.")
@click.pass_obj
def purge(settings: Settings, days: int, images_only: bool) -> None:
    """Delete the log entries and images older than DAYS; the ledger keeps their charges.

    \b
    loupette logs purge --older-than 90
    loupette logs purge --older-than 0 --images
    """  # noqa: D301  # click looks for a real backspace
    before_ms = time.time_ns() // 1_000_000 - days * _DAY_MS
    with open_existing(settings) as database:
        deleted = 0 if images_only else store.delete_older_than(database, before_ms)
        images = ImageFolder(database.path).purge(before_ms)
    click.echo(f"{counted(deleted, 'log entry')} and {counted(images, 'image')} deleted")


def _row(log: LogRecord) -> dict[str, object]:
    moment = datetime.fromtimestamp(log.created_ms / 1000, tz=UTC)
    return {
        "log_id": format_log_id(log.id),
        "time": moment.isoformat(timespec="seconds"),
        "type": log.type_id,
        "outcome": log.outcome,
        "result": log.answer,
        "confidence": None if log.confidence is None else round(log.confidence, 4),
        "cost": to_yuan(log.cost_micros),
        "ms": log.response_ms,
    }
