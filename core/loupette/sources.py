"""Where plugins are: entry points, modules named by hand, single files of a folder."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType

from loupette.plugin.hookspecs import PROJECT


@dataclass(frozen=True)
class Source:
    """Where a plugin is to be found; nothing of it is imported yet.

    Attributes:
        name: its distribution, its module where it was named by hand, or its file.
        version: of the distribution; empty where there is none.
        module: what is imported: a module, or the path of a file.
        entry_point: where it is installed.
    """

    name: str
    version: str
    module: str
    entry_point: EntryPoint | None = None

    def load(self) -> ModuleType:
        """Import it."""
        if self.entry_point is None:
            return import_plugin(self.module)
        loaded: ModuleType = self.entry_point.load()
        return loaded


def find_sources(extra_modules: Iterable[str] = ()) -> list[Source]:
    """Every installed plugin, and what is named by hand, without importing any."""
    found = sorted(entry_points(group=PROJECT), key=lambda point: point.value)
    sources = [
        Source(
            name=point.dist.name if point.dist else point.name,
            version=point.dist.version if point.dist else "",
            module=point.value,
            entry_point=point,
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


def import_plugin(module: str) -> ModuleType:
    """Import a module by its name, or a file by its path."""
    return _import_file(Path(module)) if is_file(module) else importlib.import_module(module)


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
