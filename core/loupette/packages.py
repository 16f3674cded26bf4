"""Installed distributions: what the server is made of, and whether their files are whole."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def find_distributions(names: Iterable[str]) -> dict[str, Distribution]:
    """These and what they require, extras aside, by name; what is not installed is left out."""
    found: dict[str, Distribution] = {}
    for name in names:
        for part in (name, *_requirements(name)):
            try:
                found.setdefault(_normal(part), distribution(part))
            except PackageNotFoundError:
                continue  # a marker may rule it out; where it is needed, its import fails
    return found


def has_hashes(package: Distribution) -> bool:
    """Whether hashes of its files were written down; some systems' packages come without."""
    return any(file.hash for file in package.files or ())


def edited_in(package: Distribution) -> str | None:
    """The folder of an editable install, whose files are no copy that could be compared."""
    is_editable = _origin(package).get("dir_info", {}).get("editable", False)
    return source_of(package) if is_editable else None


def source_of(package: Distribution) -> str:
    """What to give pip to install it again: a folder, a file or an address, or name and version."""
    url = _origin(package).get("url", f"{package.name}=={package.version}")
    return str(url).removeprefix("file://")


def _origin(package: Distribution) -> dict[str, Any]:  # Any: JSON, see PEP 610
    origin: dict[str, Any] = json.loads(package.read_text("direct_url.json") or "{}")
    return origin


def damaged_files(package: Distribution) -> Iterator[str]:
    """Files that are missing, or differ from the hashes written down when they were installed."""
    for file in package.files or ():
        if file.hash is None or ".." in file.parts:  # scripts may lie elsewhere, and name a Python
            continue
        path = Path(str(file.locate()))
        if not path.is_file():
            yield f"{path} is missing"
        elif _hash(path, file.hash.mode) != file.hash.value:
            yield f"{path} is not the file that was installed"


def _requirements(name: str) -> list[str]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    names = (_NAME.match(line) for line in lines if "extra ==" not in line)
    return [match[0] for match in names if match]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _hash(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, kind).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
