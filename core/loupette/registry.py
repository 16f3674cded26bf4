"""Installed plugins + registry.toml -> the catalogue of served types."""

import difflib
import logging
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from loupette.errors import RegistryError, UnknownType
from loupette.manager import Plugin
from loupette.money import to_micros
from loupette.plugin import Placement, SolverSpec
from loupette.plugin.types import LARGEST_TYPE_ID
from loupette.settings import Settings

_log = logging.getLogger(__name__)

IsolationName: TypeAlias = Literal["process", "thread"]
ExecutorName: TypeAlias = Literal["local", "ray"]


@dataclass(frozen=True)
class ReportPolicy:
    """What happens when a caller reports a wrong answer.

    Attributes:
        refund: a verdict of "wrong" gives the charge back.
        within_hours: how long after the answer a report is taken.
    """

    refund: bool = False
    within_hours: float = 24.0


@dataclass(frozen=True)
class ServedType:
    """One type as this server sells it.

    Attributes:
        spec: the plugin's own description.
        plugin: name of the distribution.
        version: of the distribution.
        price_micros: what an answer costs, in micro-yuan.
        deadline_s: a solver that takes longer is stopped.
        min_confidence: answers below are refused, unless the caller asks for another threshold.
        isolation: its solver runs in processes, or in threads of the server.
        module: what was imported of the plugin; its package records how far it conforms.
        placement: where its solver runs on a Ray cluster; None where it runs on this machine.
    """

    spec: SolverSpec
    plugin: str
    version: str
    price_micros: int
    deadline_s: float = 5.0
    min_confidence: float = 0.0
    isolation: IsolationName = "process"
    module: str = ""
    placement: Placement | None = None


@dataclass(frozen=True)
class Catalogue:
    """All types served, by ID, and the rules that hold for all."""

    types: Mapping[int, ServedType]
    reports: ReportPolicy = field(default_factory=ReportPolicy)

    def find(self, type_id: int) -> ServedType:
        """Give a served type.

        Raises:
            UnknownType: it is not served here.
        """
        if type_id not in self.types:
            served = ", ".join(str(known) for known in self.types) or "none"
            raise UnknownType(f"type {type_id} is not served here; there are {served}")
        return self.types[type_id]


def build_catalogue(plugins: Iterable[Plugin], path: Path) -> Catalogue:
    """Combine what is installed with what the operator wants.

    Args:
        plugins: all that loaded.
        path: the registry's file. Only the default one may be absent: then every installed type
            is served as its plugin suggests. What is in development is served so, too, unless
            the file has a table for it.

    Raises:
        RegistryError: naming the file, the key and the mend.
    """
    offers = {spec.type_id: (plugin, spec) for plugin in plugins for spec in plugin.specs}
    if path.exists():
        return _Reader(path).read(offers)
    if path != Settings.registry:
        raise RegistryError(
            f"{path}: there is no such file; correct --registry or LOUPETTE_REGISTRY"
        )
    _log.warning("there is no %s: all installed types are served, at suggested prices", path)
    return Catalogue({type_id: _as_suggested(*offer) for type_id, offer in sorted(offers.items())})


def _as_suggested(plugin: Plugin, spec: SolverSpec) -> ServedType:
    return ServedType(
        spec, plugin.name, plugin.version, to_micros(spec.price), module=plugin.module
    )


def price_of(text: str) -> int:
    """A price in yuan as an operator writes it, within what registry.toml may say.

    Raises:
        RegistryError: it is none.
    """
    try:
        yuan = Decimal(text)
        if not 0 <= yuan <= _HIGHEST_PRICE:  # NaN is neither, and raises
            raise ValueError(f"must be within 0 and {_HIGHEST_PRICE}")
        return to_micros(yuan)
    except (ArithmeticError, ValueError) as error:
        raise RegistryError(f"{text[:40]!r} is no price in yuan: {error}") from error


_HIGHEST_PRICE = 1000
_TOP = ("reports", "types")
_REPORTS = ("refund", "within_hours")
_TYPE_ID = re.compile(r"[1-9][0-9]{0,9}")  # one spelling each, so no table hides another
_TYPE = ("package", "price", "deadline_s", "min_confidence", "isolation", "executor", "ray")
_RAY = ("replicas", "max_replicas", "cpus", "gpus", "batch")


class _Reader:
    """Reads one registry.toml; every complaint begins with the file and the key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, offers: Mapping[int, tuple[Plugin, SolverSpec]]) -> Catalogue:
        tables = self._parse()
        self._check_keys("", tables, _TOP)
        types: dict[int, ServedType] = {}
        for text, table in sorted(self._table("types", tables.get("types", {})).items()):
            key = f"types.{text}"
            type_id = self._type_id(key, text)
            types[type_id] = self._type(key, type_id, self._table(key, table), offers)
        for type_id, (plugin, spec) in sorted(offers.items()):
            if plugin.in_development and type_id not in types:
                types[type_id] = _as_suggested(plugin, spec)
        return Catalogue(types, self._reports(tables.get("reports", {})))

    def _parse(self) -> dict[str, object]:
        try:
            return tomllib.loads(self._path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"{self._path}: cannot be read: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise RegistryError(f"{self._path}: not valid TOML: {error}") from error

    def _fail(self, key: str, problem: str) -> RegistryError:
        return RegistryError(f"{self._path}: {key}: {problem}")

    def _check_keys(self, key: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
        for name in table:
            if name not in known:
                full = f"{key}.{name}" if key else name
                near = difflib.get_close_matches(name, known, n=1)
                mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise self._fail(full, f"unknown key; {mend}")

    def _table(self, key: str, value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self._fail(key, f"must be a table [{key}]")
        return value

    def _type_id(self, key: str, text: str) -> int:
        if not _TYPE_ID.fullmatch(text) or int(text) > LARGEST_TYPE_ID:
            raise self._fail(
                key, f"a type ID is a positive integer up to {LARGEST_TYPE_ID}, as in [types.50200]"
            )
        return int(text)

    def _type(
        self,
        key: str,
        type_id: int,
        table: Mapping[str, object],
        offers: Mapping[int, tuple[Plugin, SolverSpec]],
    ) -> ServedType:
        self._check_keys(key, table, _TYPE)
        package = table.get("package", "")
        if not isinstance(package, str):
            raise self._fail(f"{key}.package", "must be the name of a distribution, in quotes")
        if type_id not in offers:
            mend = f"pip install {package}" if package else "install the plugin that reads it"
            raise self._fail(
                key,
                f"no installed plugin reads type {type_id}; {mend}, or remove the table"
                " (`loupette plugins` shows plugins that failed to load)",
            )
        plugin, spec = offers[type_id]
        if package and package != plugin.name:
            raise self._fail(
                f"{key}.package",
                f"is {package!r}, but type {type_id} is read by {plugin.name!r};"
                " correct the name, or uninstall that plugin",
            )
        return ServedType(
            spec,
            plugin.name,
            plugin.version,
            self._price(f"{key}.price", table.get("price", spec.price)),
            float(self._number(f"{key}.deadline_s", table.get("deadline_s", 5.0), 0.05, 300)),
            float(self._number(f"{key}.min_confidence", table.get("min_confidence", 0.0), 0, 1)),
            cast(IsolationName, self._word(f"{key}.isolation", table, IsolationName)),
            plugin.module,
            self._placement(key, table, plugin, spec),
        )

    def _word(self, key: str, table: Mapping[str, object], words: object) -> str:
        """One of the words of a Literal, the first where nothing is said."""
        known = get_args(words)
        value = table.get(key.rpartition(".")[2], known[0])
        if value not in known:
            raise self._fail(key, f"must be {' or '.join(map(repr, known))}, not {value!r}")
        return str(value)

    def _placement(
        self, key: str, table: Mapping[str, object], plugin: Plugin, spec: SolverSpec
    ) -> Placement | None:
        if self._word(f"{key}.executor", table, ExecutorName) == "local":
            if "ray" in table:
                raise self._fail(f"{key}.ray", 'is read only beside executor = "ray"')
            return None
        if "isolation" in table:
            raise self._fail(f"{key}.isolation", "is for this machine; on Ray all are processes")
        if plugin.in_development:
            raise self._fail(f"{key}.executor", "must be 'local' for a plugin of --plugins-dir")
        ray = self._table(f"{key}.ray", table.get("ray", {}))
        return self._ray(f"{key}.ray", ray, spec.placement)

    def _ray(self, key: str, table: Mapping[str, object], default: Placement) -> Placement:
        self._check_keys(key, table, _RAY)
        replicas = self._count(f"{key}.replicas", table.get("replicas", default.replicas), 1, 1000)
        most = max(replicas, default.max_replicas)
        return Placement(
            replicas,
            self._count(f"{key}.max_replicas", table.get("max_replicas", most), replicas, 1000),
            float(self._number(f"{key}.cpus", table.get("cpus", default.cpus), 0.01, 64)),
            float(self._number(f"{key}.gpus", table.get("gpus", default.gpus), 0, 16)),
            self._count(f"{key}.batch", table.get("batch", default.batch), 1, 256),
        )

    def _count(self, key: str, value: object, low: int, high: int) -> int:
        number = self._number(key, value, low, high)
        if number != int(number):
            raise self._fail(key, f"is {number}, must be a whole number")
        return int(number)

    def _price(self, key: str, value: object) -> int:
        yuan = self._number(key, value, 0, _HIGHEST_PRICE)
        try:
            return to_micros(yuan)
        except ValueError as error:
            raise self._fail(key, f"{error}; a price in yuan has at most six") from error

    def _number(self, key: str, value: object, low: float, high: float) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise self._fail(key, f"must be a number, not {value!r}")
        number = Decimal(str(value))
        if number.is_nan() or not low <= number <= high:
            raise self._fail(key, f"is {number}, must be within {low} and {high}")
        return number

    def _reports(self, value: object) -> ReportPolicy:
        table = self._table("reports", value)
        self._check_keys("reports", table, _REPORTS)
        refund = table.get("refund", False)
        if not isinstance(refund, bool):
            raise self._fail("reports.refund", f"must be true or false, not {refund!r}")
        hours = self._number("reports.within_hours", table.get("within_hours", 24), 0, 24 * 365)
        return ReportPolicy(refund, float(hours))
