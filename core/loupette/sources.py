"""Where plugins are: entry points, modules named by hand, single files of a folder."""

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from loupette.plugin.hookspecs import PROJECT


@dataclass(frozen=True)
class Source:
    """Where a plugin is to be found; nothing of it is imported yet.

    Attributes:
        name: its distribution, its module where it was named by hand, or its file.
        version: of the distribution; empty where there is none.
        module: what is imported: a module, ``module:object``, or the path of a file.
    """

    name: str
    version: str
    module: str


def find_sources(extra_modules: Iterable[str] = ()) -> list[Source]:
    """Every installed plugin, and what is named by hand, without importing any."""
    found = sorted(entry_points(group=PROJECT), key=lambda point: point.value)
    sources = [
        Source(
            name=point.dist.name if point.dist else point.name,
            version=point.dist.version if point.dist else "",
            module=point.value,
        )
        for point in found
    ]
    return sources + [
        Source(Path(name).name if is_file(name) else name, "", name) for name in extra_modules
    ]


def is_file(module: str) -> bool:
    """Whether what is imported is one file, which its author is at work on."""
    return module.endswith(".py")


def list_files(folder: Path) -> tuple[str, ...]:
    """The plugins of a folder: its Python files, but for those whose name begins with ``_``."""
    files = (path for path in folder.resolve().glob("*.py") if path.name[0] not in "_.")
    return tuple(map(str, sorted(files)))


def import_plugin(module: str) -> Any:  # Any: a module, or whatever object an entry point names
    """Import what an entry point may name, a module or an object in it, or a file by its path."""
    return _import_file(Path(module)) if is_file(module) else _entry_point(module).load()


def module_of(module: str) -> str:
    """The module itself of what an entry point may name; a file is its own.

    Raises:
        ImportError: no entry point may name this.
    """
    return module if is_file(module) else _entry_point(module).module


def _entry_point(value: str) -> EntryPoint:
    """So that what is taken is what importlib.metadata takes."""
    if not EntryPoint.pattern.match(value):
        raise ImportError(f"{value!r} names no module, and no object in one")
    return EntryPoint(name="", value=value, group=PROJECT)


class _Uncached(SourceFileLoader):
    """Compiles anew: bytecode knows its source by the second, and authors save more often."""

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self.get_data(self.path), self.path)


def _import_file(path: Path) -> ModuleType:
    name = f"loupette_file_{path.stem}"  # never the name of a module that others import
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_Uncached(name, str(path)))
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
