"""What goes to the other machines: this engine and one plugin, with its weights, in a folder."""

import shutil
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import loupette

_METADATA = ("METADATA", "entry_points.txt")

Version: TypeAlias = frozenset[tuple[str, int, int]]
"""The files of a plugin, each with its time of change and its size."""


def stage(folder: Path, *, name: str, module: str) -> None:
    """Copy what a worker of one plugin imports into an empty folder.

    What the plugin requires is not in it: the machines have that installed. What is in it goes
    before what they have, so that all run the engine and the plugin of this machine.

    Args:
        folder: goes to the cluster as a whole.
        name: the plugin's distribution, or its module where it was named by hand.
        module: what is imported of it.

    Raises:
        OSError: there is no such module, or it cannot be copied.
    """
    _copy(Path(loupette.__file__).parent, folder)
    _copy(_source(module), folder)
    with suppress(PackageNotFoundError):  # of a module named by hand
        _describe(distribution(name), folder)


def find_version(module: str) -> Version:
    """What is installed of a plugin now; another value when it has been installed anew.

    Raises:
        OSError: as `stage`.
    """
    source = _source(module)
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    looked = ((path, path.stat()) for path in files if path.parent.name != "__pycache__")
    return frozenset((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in looked)


def _source(module: str) -> Path:
    top = module.partition(".")[0]
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{top} cannot be sent to the cluster: it is no ordinary module")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _copy(source: Path, folder: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, folder)


def _describe(package: Distribution, folder: Path) -> None:
    """Write down what makes it an installed distribution, so that its entry point is found."""
    target = folder / f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    target.mkdir()
    for file in _METADATA:
        if text := package.read_text(file):
            (target / file).write_text(text, encoding="utf-8")
