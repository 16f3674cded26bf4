"""Load plugins one by one; keep what broke with its reason."""

import difflib
import logging
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

import pluggy

from loupette.errors import PluginError
from loupette.money import to_micros
from loupette.options import MIN_CONFIDENCE
from loupette.plugin import TEXT_OPTIONS, Option, SolverSpec
from loupette.plugin.hookspecs import PROJECT, LoupetteHooks
from loupette.plugin.types import LARGEST_TYPE_ID
from loupette.sources import Source, find_sources, import_plugin, is_file

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded.

    Attributes:
        name: its distribution, its module where it was named by hand, or its file.
        version: of the distribution; empty where there is none.
        module: what was imported: what its entry point names, or the path of a file.
        specs: the types it reads.
    """

    name: str
    version: str
    module: str
    specs: tuple[SolverSpec, ...]

    @property
    def in_development(self) -> bool:
        """It is a single file, of the folder that the operator gave with ``--plugins-dir``."""
        return is_file(self.module)


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


def load_plugins(extra_modules: Iterable[str] = ()) -> Plugins:
    """Load every installed plugin, and what is named by hand.

    Args:
        extra_modules: import names, or paths of single files, beside the entry points.

    Raises:
        PluginError: two installed plugins with one type ID.
    """
    host = pluggy.PluginManager(PROJECT)
    host.add_hookspecs(LoupetteHooks)
    loaded: list[Plugin] = []
    failures: list[PluginFailure] = []
    for source in find_sources(extra_modules):
        try:
            specs = _load(host, source)
            plugin = Plugin(source.name, source.version, source.module, specs)
            _check_clashes([*loaded, plugin])
        except (Exception, SystemExit) as error:  # a stranger's code: whatever it raises is its own
            if isinstance(error, PluginError) and not is_file(source.module):
                raise
            failures.append(_failure(source, error))
        else:
            loaded.append(plugin)
    return Plugins(tuple(loaded), tuple(failures))


def _failure(source: Source, error: BaseException) -> PluginFailure:
    reason = f"{type(error).__name__}: {error}"
    return PluginFailure(source.name, source.module, reason, traceback.format_exc())


def _load(host: pluggy.PluginManager, source: Source) -> tuple[SolverSpec, ...]:
    with _traced(f"{source.name} is imported from {source.module}"):
        module = import_plugin(source.module)
    host.register(module, name=source.module)
    try:
        _check_hooks(host)
        with _traced(f"{source.name} is asked for loupette_solvers()"):
            return tuple(_call_hook(host, module))
    except BaseException:
        host.unregister(module)  # what is wrong with it must not be laid to the next one
        raise


@contextmanager
def _traced(what: str) -> Iterator[None]:
    """Say how long something took, for ``LOUPETTE_TRACE_PLUGINS``."""
    started = time.perf_counter()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        _log.debug("%s: %s in %.1f ms", what, outcome, (time.perf_counter() - started) * 1000)


def _check_hooks(host: pluggy.PluginManager) -> None:
    try:
        host.check_pending()
    except pluggy.PluginValidationError as error:
        known = [name for name in vars(LoupetteHooks) if name.startswith(PROJECT)]
        written = str(error).split("'")[1] if "'" in str(error) else ""
        nearest = difflib.get_close_matches(written, known, n=1, cutoff=0.0)
        raise TypeError(
            f"it implements the hook {written!r}, which does not exist; the engine knows"
            f" {', '.join(known)}: rename it to {nearest[0]!r}"
        ) from error


def _call_hook(host: pluggy.PluginManager, module: object) -> Iterator[SolverSpec]:
    """The specs of one plugin; whatever else the hook gives is an error."""
    for implementation in host.hook.loupette_solvers.get_hookimpls():
        if implementation.plugin is module:
            specs: object = implementation.function()
            if not isinstance(specs, Iterable):
                raise TypeError(f"loupette_solvers must give SolverSpecs, not {specs!r}")
            for spec in specs:
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
