"""``loupette solve``: one image or a folder, by the plugins of this machine or by a server."""

import asyncio
from pathlib import Path

import click
import msgspec

from loupette.cli.developing import plugins_dir_option
from loupette.cli.folder import Job, compare, open_folder
from loupette.cli.output import json_option, print_json
from loupette.cli.readers import Images, Options, Reader, Reading, read_here, read_there
from loupette.cli.sheet import Sheet
from loupette.cli.tally import describe, show, tally
from loupette.errors import BadField, LoupetteError
from loupette.frames import BadInput, Crashed, Read, Refused, Task
from loupette.manager import load_plugins
from loupette.options import check_options, hold_to_options
from loupette.plugin import Answer, OptionValue
from loupette.registry import build_catalogue
from loupette.settings import Settings
from loupette.solving import Solvers

_JOBS = 4
"""At a server, unless said: four are answered in about the time of one, and crowd nobody out."""
_INTERRUPTED = 130
"""The exit status that shells give to what Ctrl-C ended."""


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="IMAGE|FOLDER")
@click.option("--type", "type_id", type=int, required=True, help="Type ID, see `loupette types`.")
@click.option(
    "--image2",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The slider's piece, of one image.",
)
@click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="charset=0123456789, max_length=6, …; repeatable.",
)
@plugins_dir_option
@click.option("--url", help="A server that reads, and charges; else the plugins here do, free.")
@click.option("--key", help="API key for the server; better in LOUPETTE_KEY.")
@click.option(
    "--csv",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of a folder: where the answers go. Files that are in it already are skipped.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Of a folder: images read at a time.")
@click.option(
    "--within",
    type=click.IntRange(min=0),
    default=0,
    help="Of a folder: numbers so near to labels.csv are right, such as pixels.",
)
@click.option(
    "--any-case", is_flag=True, help="Of a folder: letters of labels.csv are right in any case."
)
@json_option
@click.pass_obj
def solve(
    settings: Settings,
    *,
    path: Path,
    type_id: int,
    image2: Path | None,
    options: tuple[str, ...],
    url: str | None,
    key: str | None,
    table: Path | None,
    jobs: int | None,
    within: int,
    any_case: bool,
    as_json: bool,
) -> None:
    """Read one IMAGE, or all images of a FOLDER into a CSV.

    Without --url it needs no server and no key. A folder may have a labels.csv with the columns
    file and answer; then the share of right answers is shown. After Ctrl-C, or any other end, the
    same command goes on where it stopped.

    \b
    loupette solve captcha.png --type 50200 -o charset=0123456789
    loupette solve background.jpg --type 10200 --image2 piece.png --json
    loupette solve captchas/ --type 50200 --csv answers.csv
    loupette solve captchas/ --type 50200 --csv answers.csv --url http://127.0.0.1:8000
    """  # noqa: D301  # click looks for a real backspace
    asked = _parse_options(options)
    if path.is_dir():
        if table is None or image2 is not None:
            raise click.UsageError("a folder needs --csv, and takes no --image2")
        jobs = jobs or (_JOBS if url else settings.workers)
        reader = _choose(settings, url, key, type_id=type_id, options=asked, jobs=jobs)
        is_right = compare(within=within, any_case=any_case)
        job = Job(open_folder(path), type_id, asked, is_right)
        _solve_folder(job, reader, table, jobs=jobs, as_json=as_json)
        return
    if table is not None:
        raise click.UsageError("--csv is for a folder")
    images = Images(path.read_bytes(), image2.read_bytes() if image2 else None)
    if url:
        reader = _choose(settings, url, key, type_id=type_id, options=asked, jobs=1)
        reading = asyncio.run(_read_one(reader, images))
    else:
        reading = _read_in_process(settings, images, type_id=type_id, options=asked)
    _print(reading, as_json=as_json)


def _choose(
    settings: Settings,
    url: str | None,
    key: str | None,
    *,
    type_id: int,
    options: Options,
    jobs: int,
) -> Reader:
    if url:
        return read_there(url, key, type_id, options)
    return read_here(settings, type_id, options, jobs=jobs)


def _solve_folder(job: Job, reader: Reader, table: Path, *, jobs: int, as_json: bool) -> None:
    with Sheet.open(table, job.type_id, has_labels=job.folder.labels is not None) as sheet:
        asyncio.run(job.run(reader, sheet, jobs=jobs))
    found = tally(sheet.rows)
    if as_json:
        print_json(describe(found))
    else:
        show(found)
    if job.failure:
        reason, message = job.failure.reason, job.failure.message
        raise click.ClickException(f"{reason}: {message}; the same command goes on from here")
    if job.interrupted:
        raise SystemExit(_INTERRUPTED)


async def _read_one(reader: Reader, images: Images) -> Reading:
    try:
        async with reader as read:
            return await read(images)
    except LoupetteError as error:
        detail = dict(error.detail) or ""
        raise click.ClickException(f"{error.reason}: {error.message} {detail}".strip()) from error


def _read_in_process(
    settings: Settings, images: Images, *, type_id: int, options: Options
) -> Reading:
    """Without a worker, which would take longer to start than the image to read."""
    plugins = load_plugins(settings.modules).loaded
    served = build_catalogue(plugins, settings.registry).find(type_id)
    checked = check_options(options, served.spec)
    match Solvers(plugins).answer(Task(type_id, images.image, images.image2, checked)):
        case Read(result, confidence, detail):
            answer = Answer(result, confidence, detail)
            hold_to_options(answer, checked, min_confidence=served.min_confidence)
            return Reading(result, confidence, detail)
        case Refused(reason, message, detail):
            raise click.ClickException(f"{reason}: {message} {dict(detail) or ''}".strip())
        case BadInput(reason, message):
            raise click.ClickException(f"{reason}: {message}")
        case Crashed(message):
            raise click.ClickException(f"the plugin {served.plugin} failed: {message}")


def _print(reading: Reading, *, as_json: bool) -> None:
    if not as_json:
        click.echo(reading.result)
        return
    told: dict[str, object] = {
        "result": reading.result,
        "confidence": reading.confidence,
        "detail": reading.detail,
    }
    if reading.log_id:
        told |= {"log_id": reading.log_id, "cost": reading.cost}
    print_json(told)


def _parse_options(options: tuple[str, ...]) -> dict[str, OptionValue]:
    parsed: dict[str, OptionValue] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals:
            raise BadField(f"{option!r} must be NAME=VALUE")
        parsed[name] = _parse_value(name, text)
    return parsed


def _parse_value(name: str, text: str) -> OptionValue:
    """Numbers as numbers; but a charset of digits is a text."""
    if name == "charset":
        return text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, int | float) else text
