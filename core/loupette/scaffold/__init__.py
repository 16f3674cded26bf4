"""Begin a plugin: a complete package from the templates in this folder."""

import keyword
import re
import zlib
from collections.abc import Collection
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from loupette.errors import PluginError
from loupette.plugin.types import FIRST_FREE_TYPE_ID

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40
_SPREAD = 30_000
"""IDs that new plugins are spread over by their names, so that two seldom begin with one."""


def check_name(name: str) -> str:
    """The name of a plugin without the prefix that its package has.

    Raises:
        PluginError: saying what is wrong with it.
    """
    short = name.removeprefix("loupette-")
    if not _NAME.fullmatch(short):
        raise PluginError(
            f"{name!r} cannot be a plugin's name: lower-case letters and digits, beginning with a"
            " letter, words joined by '-', as in dots or word-puzzle"
        )
    if len(short) > _LONGEST:
        raise PluginError(f"{name!r} is longer than {_LONGEST} characters")
    if keyword.iskeyword(short):
        raise PluginError(f"{name!r} is a word of Python's own; take another")
    return short


def choose_type_id(name: str, taken: Collection[int]) -> int:
    """An ID from 60000 up that no installed plugin has; the same name begins at the same one."""
    type_id = FIRST_FREE_TYPE_ID + zlib.crc32(name.encode()) % _SPREAD
    while type_id in taken:
        type_id += 1
    return type_id


def check_type_id(type_id: int, taken: Collection[int]) -> int:
    """An ID that the author chose.

    Raises:
        PluginError: it is not free.
    """
    if type_id < FIRST_FREE_TYPE_ID:
        raise PluginError(
            f"type ID {type_id} is kept for documented types; take one from {FIRST_FREE_TYPE_ID} up"
        )
    if type_id in taken:
        raise PluginError(f"type ID {type_id} belongs to an installed plugin; take another")
    return type_id


def write_plugin(name: str, type_id: int, parent: Path) -> Path:
    """Write a package that passes its own tests as it is.

    Args:
        name: as `check_name` gave it.
        type_id: of its one type.
        parent: folder in which its folder is made.

    Returns:
        The new folder.

    Raises:
        PluginError: it is there already, or cannot be made; nothing is ever written over.
    """
    folder = parent / f"loupette-{name}"
    module = f"loupette_{name.replace('-', '_')}"
    values = {"name": name, "module": module, "type_id": str(type_id)}
    try:
        folder.mkdir()
    except FileExistsError:
        raise PluginError(f"{folder} is there already; nothing was written") from None
    except OSError as error:
        raise PluginError(f"{folder} cannot be made: {error.strerror}") from error
    _write(files(__name__) / "templates", folder, values)
    return folder


def _write(source: Traversable, target: Path, values: dict[str, str]) -> None:
    for entry in source.iterdir():
        path = target / Template(entry.name.removesuffix(".tmpl")).substitute(values)
        if entry.is_dir():
            path.mkdir()
            _write(entry, path, values)
        elif entry.name.endswith(".tmpl"):
            text = Template(entry.read_text(encoding="utf-8")).substitute(values)
            path.write_text(text, encoding="utf-8")
