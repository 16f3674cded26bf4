"""Load plugins one by one; keep what broke with its reason."""

import difflib
import importlib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import cast

import pluggy

from loupette.errors import PluginError
from loupette.money import to_micros
from loupette.options import MIN_CONFIDENCE
from loupette.plugin import TEXT_OPTIONS, Option, SolverSpec
from loupette.plugin.hookspecs import PROJECT, LoupetteHooks
from loupette.plugin.types import LARGEST_TYPE_ID


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded.

    Attributes:
        name: its distribution, or its module where it comes from a path.
        version: of the distribution; empty where there is none.
        module: what its entry point names.
        specs: the types it reads.
    """

    name: str
    version: str
    module: str
    specs: tuple[SolverSpec, ...]


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that did not load, with the reason and the traceback."""

    name: str
    module: str
    reason: str
    trace: str


@dataclass(frozen=True)
class Plugins:
    """All that was found."""

    loaded: tuple[Plugin, ...]
    failures: tuple[PluginFailure, ...]


@dataclass(frozen=True)
class Source:
    """Where a plugin is to be found; nothing of it is imported yet."""

    name: str
    version: str
    module: str
    entry_point: EntryPoint | None = None

    def load(self) -> ModuleType:
        """Import it."""
        if self.entry_point is None:
            return importlib.import_module(self.module)
        loaded: ModuleType = self.entry_point.load()
        return loaded


def load_plugins(extra_modules: Iterable[str] = ()) -> Plugins:
    """Load every installed plugin, and modules named by hand.

    Args:
        extra_modules: import names beside the entry points.

    Raises:
        PluginError: a hook that does not exist (usually misspelt), or two plugins with one type ID.
    """
    host = pluggy.PluginManager(PROJECT)
    host.add_hookspecs(LoupetteHooks)
    loaded: list[Plugin] = []
    failures: list[PluginFailure] = []
    for source in find_sources(extra_modules):
        try:
            module = source.load()
            host.register(module, name=source.module)
            _check_hooks(host, source)
            specs = tuple(_call_hook(host, module))
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # a stranger's code: whatever it raises is its own
            reason = f"{type(error).__name__}: {error}"
            failures.append(
                PluginFailure(source.name, source.module, reason, traceback.format_exc())
            )
        else:
            loaded.append(Plugin(source.name, source.version, source.module, specs))
    _check_clashes(loaded)
    return Plugins(tuple(loaded), tuple(failures))


def find_sources(extra_modules: Iterable[str] = ()) -> list[Source]:
    """Every installed plugin, and modules named by hand, without importing any."""
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
    return sources + [Source(name, "", name) for name in extra_modules]


def _check_hooks(host: pluggy.PluginManager, source: Source) -> None:
    try:
        host.check_pending()
    except pluggy.PluginValidationError as error:
        known = [name for name in vars(LoupetteHooks) if name.startswith(PROJECT)]
        written = str(error).split("'")[1] if "'" in str(error) else ""
        nearest = difflib.get_close_matches(written, known, n=1, cutoff=0.0)
        raise PluginError(
            f"plugin {source.name} ({source.module}) implements the hook {written!r}, which does"
            f" not exist; the engine knows {', '.join(known)}: rename it to {nearest[0]!r}"
        ) from error


def _call_hook(host: pluggy.PluginManager, module: ModuleType) -> Iterable[SolverSpec]:
    for implementation in host.hook.loupette_solvers.get_hookimpls():
        if implementation.plugin is module:
            for spec in cast(Iterable[SolverSpec], implementation.function()):
                _check_spec(spec)
                yield spec


def _check_spec(spec: object) -> None:
    if not isinstance(spec, SolverSpec):
        raise TypeError(f"loupette_solvers must give SolverSpec, not {type(spec).__name__}")
    if isinstance(spec.type_id, bool) or not isinstance(spec.type_id, int):
        raise TypeError(f"type_id must be a positive integer, not {spec.type_id!r}")
    if not 1 <= spec.type_id <= LARGEST_TYPE_ID:
        raise ValueError(
            f"type_id must be a positive integer up to {LARGEST_TYPE_ID}, not {spec.type_id}"
        )
    _check_price(spec)
    _check_fields(spec)
    _check_options(spec)


def _check_price(spec: SolverSpec) -> None:
    if not isinstance(spec.price, Decimal):
        raise TypeError(
            f"the price of type {spec.type_id} must be a Decimal, not {type(spec.price).__name__}"
        )
    if to_micros(spec.price) < 0:
        raise ValueError(f"the price of type {spec.type_id} is negative")


def _check_fields(spec: SolverSpec) -> None:
    for field in ("name", "name_en", "sample_answer"):
        value = getattr(spec, field)
        if not isinstance(value, str) or not value.strip():
            raise TypeError(f"{field} of type {spec.type_id} must be a text, not {value!r}")
    if spec.second_image not in ("no", "optional"):
        raise ValueError(
            f"second_image of type {spec.type_id} must be 'no' or 'optional',"
            f" not {spec.second_image!r}"
        )
    if not callable(spec.load) or not callable(spec.sample):
        raise TypeError(f"load and sample of type {spec.type_id} must be callable")
    if spec.card is not None and not callable(spec.card):
        raise TypeError(f"card of type {spec.type_id} must be callable, or None")


def _check_options(spec: SolverSpec) -> None:
    names: set[str] = set()
    for option in spec.options:
        if not isinstance(option, Option):
            raise TypeError(f"options of type {spec.type_id} must be loupette.plugin.Option")
        problem = "is there twice" if option.name in names else _problem_of(option)
        if problem:
            raise ValueError(f"option {option.name!r} of type {spec.type_id} {problem}")
        names.add(option.name)


_KINDS = ("text", "integer", "number", "choice")
_TEXT_OPTIONS = {option.name: option for option in TEXT_OPTIONS}


def _problem_of(option: Option) -> str | None:
    """What keeps the engine from holding an answer to this option, if anything does."""
    if option.name == MIN_CONFIDENCE.name:
        return "is the engine's own; every type takes it"
    if option.kind not in _KINDS:
        return f"must be of a kind among {', '.join(_KINDS)}, not {option.kind!r}"
    meant = _TEXT_OPTIONS.get(option.name)
    if meant and option.kind != meant.kind:
        return f"must be of kind {meant.kind!r}, as the engine holds the answer to it"
    if meant and not set(option.choices) <= set(meant.choices):
        return f"may have no other choices than {', '.join(meant.choices) or 'none'}"
    return None


def _check_clashes(plugins: Iterable[Plugin]) -> None:
    owners: dict[int, str] = {}
    for plugin in plugins:
        for spec in plugin.specs:
            if spec.type_id in owners:
                raise PluginError(
                    f"type {spec.type_id} is offered by {owners[spec.type_id]} and by"
                    f" {plugin.name}; uninstall one, or ask its author for another ID"
                )
            owners[spec.type_id] = plugin.name
