"""Try plugins in processes that may die of it: ``python -m loupette.trial installed|sample ...``.

What a stranger's code does while it is imported or asked (raise, hang, print, end the process) is a
result here, never the end of the one who asks.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from loupette.errors import PluginError, RegistryError
from loupette.manager import Plugin, load_plugins
from loupette.registry import build_catalogue
from loupette.settings import Settings
from loupette.solving import Solvers
from loupette.sources import import_plugin
from loupette.usage import resident_bytes

TIMEOUT_S = 60.0


class Installed(msgspec.Struct, frozen=True):
    """What loads, and what of it is served.

    Attributes:
        loaded: names of the plugins that load.
        failures: why others do not, by name.
        types: type ID to plugin: those served, or all that load where the registry is at fault.
        problem: why the server would not start.
    """

    loaded: tuple[str, ...] = ()
    failures: dict[str, str] = {}
    types: dict[int, str] = {}
    problem: str = ""


class _Sample(msgspec.Struct):
    failure: str | None
    loaded_bytes: int = 0


def find_installed(settings: Settings, *, timeout_s: float = TIMEOUT_S) -> Installed:
    """Load every plugin and the registry as the server does.

    Raises:
        PluginError: the process that loads them ended, or did not end in time.
    """
    arguments = ("installed", str(settings.registry), *settings.modules)
    return msgspec.json.decode(
        run_module("loupette.trial", arguments, timeout_s=timeout_s), type=Installed
    )


def try_import(module: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Why a module cannot be imported, if it cannot."""
    try:
        run_module("loupette.trial", ("import", module), timeout_s=timeout_s)
    except PluginError as error:
        return error.message
    return None


def read_sample(
    type_id: int, modules: tuple[str, ...], *, timeout_s: float = TIMEOUT_S
) -> str | None:
    """Load one type and let it read its own sample, as workers do; gives what failed, if it did."""
    try:
        arguments = ("sample", str(type_id), *modules)
        answer = run_module("loupette.trial", arguments, timeout_s=timeout_s)
    except PluginError as error:
        return error.message
    return msgspec.json.decode(answer, type=_Sample).failure


def measure_loaded(type_id: int, module: str, *, timeout_s: float = TIMEOUT_S) -> int:
    """How many bytes more a process has in RAM once it has a plugin's type and its sample read.

    Raises:
        PluginError: it does not load there, or not read its sample.
    """
    result = run_module("loupette.trial", ("memory", str(type_id), module), timeout_s=timeout_s)
    sample = msgspec.json.decode(result, type=_Sample)
    if sample.failure:
        raise PluginError(sample.failure)
    return sample.loaded_bytes


def run_module(module: str, arguments: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> bytes:
    """What a module of this package, run in a process of its own, wrote with `write_result`.

    Raises:
        PluginError: the process ended, or did not end in time.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise PluginError(f"it did not end within {timeout_s:g} s") from None
    if done.returncode or not done.stdout:
        raise PluginError(_describe_end(done))
    return done.stdout


def _describe_end(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = f": {lines[-1].strip()}" if lines else ""
    if done.returncode < 0:
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-done.returncode, f"signal {-done.returncode}")
        return f"it ended its process with {name}{last}"
    return f"it ended its process with code {done.returncode}{last}"


def write_result(make: Callable[[], object]) -> None:
    """Write what a function gives, as JSON, to standard output alone."""
    with os.fdopen(os.dup(1), "wb") as result:
        os.dup2(2, 1)  # what a plugin prints is no part of it
        result.write(msgspec.json.encode(make()))


def _answer(what: str, subject: str, *modules: str) -> object:
    if what == "import":
        import_plugin(subject)
        return True
    if what == "sample":
        return _Sample(Solvers(load_plugins(modules).loaded).warm(int(subject)))
    if what == "memory":
        return _load_alone(int(subject), *modules)
    return _installed(Path(subject), modules)


def _load_alone(type_id: int, module: str) -> _Sample:
    """No other plugin, so that what is there before is what any worker has."""
    before = resident_bytes()
    plugin = Plugin("", "", module, tuple(import_plugin(module).loupette_solvers()))
    solvers = Solvers([plugin])
    return _Sample(solvers.warm(type_id), resident_bytes() - before)


def _installed(registry: Path, modules: tuple[str, ...]) -> Installed:
    try:
        plugins = load_plugins(modules)
    except PluginError as error:
        return Installed(problem=error.message)
    loaded = tuple(plugin.name for plugin in plugins.loaded)
    failures = {failure.name: failure.reason for failure in plugins.failures}
    try:
        served = build_catalogue(plugins.loaded, registry).types
    except RegistryError as error:
        offered = {spec.type_id: plugin.name for plugin in plugins.loaded for spec in plugin.specs}
        return Installed(loaded, failures, offered, error.message)
    return Installed(loaded, failures, {number: kind.plugin for number, kind in served.items()})


if __name__ == "__main__":
    write_result(lambda: _answer(*sys.argv[1:]))
