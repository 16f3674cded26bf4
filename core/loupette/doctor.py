"""Look at all that a server needs and change nothing: what is wrong, what it means, how to mend it.

What plugins do is tried in processes of their own (`trial`); of a plugin it knows only the API.
"""

import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Literal, TypeAlias

from loupette.errors import PluginError, StoreError
from loupette.packages import damaged_files, edited_in, find_distributions, has_hashes, source_of
from loupette.settings import Settings
from loupette.sources import find_sources
from loupette.store.audit import Audit, audit
from loupette.store.integrity import inspect
from loupette.store.lock import serving_pid
from loupette.store.migrations import describe_newer
from loupette.store.opening import read_database
from loupette.trial import Installed, find_installed, read_sample, try_import
from loupette.wording import counted

State: TypeAlias = Literal["ok", "warning", "failed"]

_OLDEST_PYTHON = (3, 11)
_OLDEST_SQLITE = (3, 37)  # STRICT tables
_RUNTIME, _RUNTIME_MODULE = "ai-edge-litert", "ai_edge_litert.interpreter"
_FAST = {"x86_64": ("avx2", "fma"), "aarch64": ("asimd",)}
"""Without these LiteRT still reads, but by slower code."""
_SHORT_BYTES, _SCARCE_BYTES = 64 * 1024**2, 1024**3
_SHOWN = 3  # problems of one kind; the first few tell what happened


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        state: ``"failed"`` keeps the server, or a type, from working.
        message: what was seen, and what that means where it is not as it should be.
        mend: the command, or the step, that puts it right; empty when nothing is wrong.
    """

    check: str
    state: State
    message: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check; slow ones give their findings as they end."""
    yield check_python()
    yield check_cpu(platform.machine(), Path("/proc/cpuinfo"))
    names = [source.name for source in find_sources() if source.name]
    packages = find_distributions(["loupette", *names])
    yield check_runtime(packages)
    yield from check_files(packages)
    yield from _check_served(settings, packages)
    if settings.database_url is None:
        yield check_server(settings.database)
        yield check_database(settings.database)
    else:
        yield check_shared_database(settings.database_url)
    yield check_disk(settings.database)


def check_python(
    python: Sequence[int] = sys.version_info[:3],
    library: Sequence[int] = sqlite3.sqlite_version_info,
) -> Finding:
    """The versions of Python and of the SQLite it was built with."""
    seen = f"Python {_dotted(python)}, SQLite {_dotted(library)}, {platform.platform()}"
    if tuple(python[:2]) < _OLDEST_PYTHON:
        mend = "make an environment with a newer Python: python3.11 -m venv venv"
        return Finding("python", "failed", f"{seen}; Loupette needs Python 3.11", mend)
    if tuple(library[:2]) < _OLDEST_SQLITE:
        mend = "make an environment with a Python that has SQLite 3.37 or newer"
        return Finding("python", "failed", f"{seen}; the database needs SQLite 3.37", mend)
    return Finding("python", "ok", seen)


def check_cpu(machine: str, cpuinfo: Path) -> Finding:
    """The instructions that the models' fast code is made of."""
    wanted = _FAST.get(machine)
    if wanted is None:
        return Finding(
            "cpu",
            "warning",
            f"{machine}: no processor that Loupette was tried on; wheels may be missing",
            f"see whether there is one: pip download --no-deps {_RUNTIME}",
        )
    try:
        flags = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError as error:
        mend = "see the samples below: what they read, the processor can run"
        return Finding("cpu", "warning", f"{machine}: its features are unknown: {error}", mend)
    missing = [flag for flag in wanted if flag not in flags]
    if missing:
        return Finding(
            "cpu",
            "warning",
            f"{machine} without {', '.join(missing)}: images are read by slower code",
            "serve on another machine, or let the virtual machine show its host's processor",
        )
    return Finding("cpu", "ok", f"{machine} with {', '.join(wanted)}")


def check_runtime(packages: Mapping[str, Distribution]) -> Finding:
    """LiteRT, which runs the models, where a plugin requires it."""
    needs = [
        name for name, package in packages.items() if _RUNTIME in " ".join(package.requires or ())
    ]
    if not needs:
        return Finding("litert", "ok", "no installed plugin requires it")
    runtime, problem = packages.get(_RUNTIME), try_import(_RUNTIME_MODULE)
    if problem or runtime is None:
        message = (
            f"LiteRT cannot be loaded, so {', '.join(needs)} cannot read: {problem or 'missing'}"
        )
        return Finding("litert", "failed", message, f"pip install --force-reinstall {_RUNTIME}")
    return Finding("litert", "ok", f"LiteRT {runtime.version}")


def check_files(packages: Mapping[str, Distribution]) -> Iterator[Finding]:
    """Every installed file, weights too, against the hashes written down at its installation."""
    compared = [name for name, p in packages.items() if has_hashes(p) and not edited_in(p)]
    skipped = [name for name in packages if name not in compared]
    clean = 0
    for name in compared:
        problems = list(damaged_files(packages[name]))
        if problems:
            message = f"{name} is damaged: {_first(problems)}"
            yield Finding("files", "failed", message, _reinstall(packages[name]))
        clean += not problems
    seen = f"{clean} packages are as they were installed"
    if skipped:
        seen += f"; not compared, as editable or without hashes: {', '.join(skipped)}"
    if clean or not compared:
        yield Finding("files", "ok", seen)


def _check_served(settings: Settings, packages: Mapping[str, Distribution]) -> Iterator[Finding]:
    try:
        installed = find_installed(settings)
    except PluginError as error:
        yield from _find_culprits(settings, error)
        return
    yield check_plugins(installed)
    yield check_registry(settings.registry, installed)
    for type_id, plugin in installed.types.items():
        problem = read_sample(type_id, settings.modules)
        yield check_sample(type_id, plugin, problem, packages.get(plugin))


def _find_culprits(settings: Settings, error: PluginError) -> Iterator[Finding]:
    """Which plugin ends the process of whoever imports it; the rest stays unknown until it went."""
    found = False
    for source in find_sources(settings.modules):
        problem = try_import(source.module)
        if problem:
            found = True
            message = f"{source.name} cannot be imported, so the server ends with it: {problem}"
            yield Finding("plugins", "failed", message, _remove(source.name))
    if not found:
        message = f"loading the plugins fails, each alone can be imported: {error.message}"
        mend = "load them with the messages shown: loupette plugins"
        yield Finding("plugins", "failed", message, mend)


def check_plugins(installed: Installed) -> Finding:
    """Whether each plugin loads; one that does not stops only what demands its types."""
    if installed.problem and not installed.loaded:
        mend = "uninstall or correct the plugin it names: pip uninstall PLUGIN"
        return Finding("plugins", "failed", installed.problem, mend)
    if installed.failures:
        reasons = [f"{name}: {reason}" for name, reason in installed.failures.items()]
        message = f"not loaded, so their types are missing: {_first(reasons)}"
        return Finding("plugins", "warning", message, _remove(next(iter(installed.failures))))
    if not installed.loaded:
        mend = "install one, from a clone: pip install ./plugins/alnum"
        return Finding("plugins", "warning", "none is installed; nothing can be read", mend)
    return Finding("plugins", "ok", ", ".join(installed.loaded))


def check_registry(path: Path, installed: Installed) -> Finding:
    """Whether the registry and the installed plugins fit together."""
    if installed.problem:
        message = f"the server does not start: {installed.problem}"
        return Finding("registry", "failed", message, "mend that, then: loupette types")
    if not path.exists():
        return Finding("registry", "ok", f"there is no {path}: all types, at suggested prices")
    types = ", ".join(map(str, installed.types))
    if not types:
        mend = f"add a table such as [types.50200] to {path}, then: loupette types"
        return Finding("registry", "warning", f"{path} serves no type", mend)
    return Finding("registry", "ok", f"{path} serves {types}")


def check_sample(
    type_id: int, plugin: str, problem: str | None, package: Distribution | None
) -> Finding:
    """Whether a type reads its own sample, as it must before a server calls itself ready."""
    check = f"sample {type_id}"
    if problem is None:
        return Finding(check, "ok", f"{plugin} reads it")
    mend = _reinstall(package) if package else f"mend the module {plugin}"
    return Finding(check, "failed", f"{plugin} does not read it; it is not served: {problem}", mend)


def check_server(database: Path) -> Finding:
    """Who serves the database; either is fine."""
    pid = serving_pid(database)
    served = f"{database} is being served by process {pid}" if pid else "none runs on this database"
    return Finding("server", "ok", served)


def check_database(path: Path) -> Finding:
    """Version, structure and money of the database, which is only read."""
    if not path.exists() or not path.stat().st_size:
        return _check_absent(path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        return Finding("database", "failed", message, f"run as its owner; see: ls -l {path}")
    found = inspect(path)
    if found.unknown_steps:
        message = describe_newer(found.unknown_steps)
        return Finding("database", "failed", message, "pip install --upgrade loupette")
    if found.problems:
        message = f"{path} is damaged or does not add up: {_first(found.problems)}"
        mend = "stop the server, then put the last backup in its place: loupette restore BACKUP"
        return Finding("database", "failed", message, mend)
    if found.missing_steps:
        message = f"{path} is of an older version; the next start brings it up to date for good"
        return Finding("database", "warning", message, "loupette backup BACKUP, then start")
    if path.stat().st_mode & 0o077:
        message = f"{path} may be read by others on this machine: balances, logs, hashes of keys"
        return Finding("database", "warning", message, f"chmod 600 {path}*")
    books = f", {_books(found.checked)}" if found.checked else ""
    return Finding("database", "ok", f"{path}{books}, all adds up")


def check_shared_database(url: str) -> Finding:
    """Whether PostgreSQL can be reached, and the money in it adds up; it is only read."""
    try:
        with read_database(Path(), url) as reader:
            found = audit(reader)
    except StoreError as error:
        mend = "see that it runs, that DATABASE_URL is right and its user may connect"
        return Finding("database", "failed", error.message, mend)
    if found.problems:
        message = f"the books in PostgreSQL do not add up: {_first(found.problems)}"
        return Finding("database", "failed", message, "see all of it: loupette ledger verify")
    return Finding("database", "ok", f"PostgreSQL, {_books(found)}, all adds up")


def _books(found: Audit) -> str:
    return f"{counted(found.accounts, 'account')}, {counted(found.entries, 'ledger entry')}"


def _check_absent(path: Path) -> Finding:
    if not path.resolve().parent.is_dir():
        message = f"its folder {path.parent} does not exist; the server does not start"
        return Finding("database", "failed", message, f"mkdir -p {path.parent}")
    return Finding("database", "ok", f"there is no {path} yet; `loupette keys create` makes it")


def check_disk(database: Path, free_bytes: int | None = None) -> Finding:
    """Room for the database to grow, and for a copy of it.

    Args:
        database: its file.
        free_bytes: of its file system; asked there if not given.
    """
    folder = database.resolve().parent
    if free_bytes is None and not folder.is_dir():
        return Finding("disk", "warning", f"unknown: {folder} does not exist", f"mkdir -p {folder}")
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    size = database.stat().st_size if database.exists() else 0
    seen = f"{free // 1024**2} MiB free in {folder}"
    mend = f"free some, for instance: loupette logs purge --older-than 90; see: df -h {folder}"
    if free < _SHORT_BYTES:
        return Finding("disk", "failed", f"{seen}; on a full disk every request fails", mend)
    if free < max(_SCARCE_BYTES, size):
        return Finding("disk", "warning", f"{seen}; soon too little to write, or to back up", mend)
    return Finding("disk", "ok", seen)


def _reinstall(package: Distribution) -> str:
    if folder := edited_in(package):
        return f"put its files right in {folder}, for instance: git -C {folder} status"
    return f"pip install --force-reinstall --no-deps {source_of(package)}"


def _remove(name: str) -> str:
    return f"mend or remove it: pip uninstall {name}, or take it out of LOUPETTE_PLUGINS"


def _first(problems: Sequence[object]) -> str:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(map(str, problems[:_SHOWN])) + more


def _dotted(version: Sequence[object]) -> str:
    return ".".join(map(str, version))
