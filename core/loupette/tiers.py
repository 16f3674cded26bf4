"""How far a type conforms: bronze, silver, gold, as `loupette plugin check` found and recorded it.

The checks load models and try hostile images, so no server runs them at its start. Their result is
recorded in the package, beside the code, with a hash of all its files: whatever is changed
afterwards makes the record stale, and a stale record says nothing. It is the author's word, which
anybody can check again with the same command.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import msgspec

from loupette import __version__
from loupette.sources import module_of

Tier: TypeAlias = Literal["bronze", "silver", "gold"]
TIERS: tuple[Tier, ...] = get_args(Tier)
"""Each includes those before it."""

RECORD = "conformance.json"


class Record(msgspec.Struct, frozen=True):
    """What ``conformance.json`` says.

    Attributes:
        loupette: version of the checks.
        date: when they were run, as 2026-01-31.
        sha256: of the package's files, in hex.
        tiers: of each type that reached one.
    """

    loupette: str
    date: str
    sha256: str
    tiers: dict[int, Tier]


def find_folder(module: str) -> Path | None:
    """The folder of a package that can be imported; none of a single file."""
    try:
        spec = importlib.util.find_spec(module_of(module))
    except (ImportError, ValueError):
        return None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def read_tiers(module: str) -> Mapping[int, Tier]:
    """The tier of each type of a plugin.

    Args:
        module: of the plugin, as in `loupette.manager.Plugin`.

    Returns:
        By type ID; empty where nothing is recorded, or the files are no longer those checked.
    """
    folder = find_folder(module)
    if folder is None:
        return {}
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return {}
    return record.tiers if record.sha256 == hash_files(folder) else {}


def write_tiers(module: str, tiers: Mapping[int, Tier], *, date: str) -> Path | None:
    """Record them in the package; gives the file, or None of a plugin that is no package."""
    folder = find_folder(module)
    if folder is None:
        return None
    record = Record(__version__, date, hash_files(folder), dict(tiers))
    text = msgspec.json.format(msgspec.json.encode(record), indent=2)
    (folder / RECORD).write_bytes(text + b"\n")
    return folder / RECORD


def hash_files(folder: Path) -> str:
    """SHA-256 of the names and the content of a package's files, in hex."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != RECORD and path.parent.name != "__pycache__":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
