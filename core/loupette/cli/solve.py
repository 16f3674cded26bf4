"""``loupette solve``: the same plugins and rules as the server's, without one."""

from pathlib import Path

import click
import msgspec

from loupette.cli.developing import plugins_dir_option
from loupette.cli.output import json_option, print_json
from loupette.errors import BadField
from loupette.frames import BadInput, Crashed, Read, Refused, Task
from loupette.manager import load_plugins
from loupette.options import check_options, hold_to_options
from loupette.plugin import Answer
from loupette.registry import build_catalogue
from loupette.settings import Settings
from loupette.solving import Solvers

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("image", type=_FILE)
@click.option("--type", "type_id", type=int, required=True, help="Type ID, see `loupette types`.")
@click.option("--image2", type=_FILE, help="The slider's piece.")
@click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="charset=0123456789, max_length=6, …; repeatable.",
)
@plugins_dir_option
@json_option
@click.pass_obj
def solve(
    settings: Settings,
    image: Path,
    type_id: int,
    image2: Path | None,
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read one IMAGE, without server, key or charge.

    \b
    loupette solve captcha.png --type 50200 -o charset=0123456789
    loupette solve background.jpg --type 10200 --image2 piece.png --json
    """  # noqa: D301  # click looks for a real backspace
    plugins = load_plugins(settings.modules).loaded
    served = build_catalogue(plugins, settings.registry).find(type_id)
    checked = check_options(_parse_options(options), served.spec)
    second = image2.read_bytes() if image2 else None
    task = Task(type_id, image.read_bytes(), second, checked)
    match Solvers(plugins).answer(task):
        case Read(result, confidence, detail):
            answer = Answer(result, confidence, detail)
            hold_to_options(answer, checked, spec=served.spec, min_confidence=served.min_confidence)
            if as_json:
                print_json({"result": result, "confidence": confidence, "detail": detail})
            else:
                click.echo(result)
        case Refused(reason, message, detail):
            raise click.ClickException(f"{reason}: {message} {dict(detail) or ''}".strip())
        case BadInput(reason, message):
            raise click.ClickException(f"{reason}: {message}")
        case Crashed(message):
            raise click.ClickException(f"the plugin {served.plugin} failed: {message}")


def _parse_options(options: tuple[str, ...]) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals:
            raise BadField(f"{option!r} must be NAME=VALUE")
        parsed[name] = _parse_value(name, text)
    return parsed


def _parse_value(name: str, text: str) -> object:
    """Numbers as numbers; but a charset of digits is a text."""
    if name == "charset":
        return text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, int | float) else text
