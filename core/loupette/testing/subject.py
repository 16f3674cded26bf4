"""One type of one plugin, under test: found by name, loaded and asked as a worker does it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loupette.errors import PluginError
from loupette.frames import Reply, Task
from loupette.manager import Plugin, load_plugins
from loupette.plugin import OptionValue, SolverSpec
from loupette.solving import Solvers
from loupette.sources import find_sources
from loupette.tiers import find_folder


@dataclass(frozen=True)
class Subject:
    """A type to be checked.

    Attributes:
        plugin: which offers it.
        spec: as the plugin describes it.
    """

    plugin: Plugin
    spec: SolverSpec

    @cached_property
    def sample(self) -> bytes:
        """The type's own sample, an image file."""
        return self.spec.sample()

    @cached_property
    def solvers(self) -> Solvers:
        """Loads the solver when it is first asked, and keeps it."""
        return self.load_anew()

    @property
    def folder(self) -> Path | None:
        """Of the plugin's package; none of a single file."""
        return find_folder(self.plugin.module)

    @property
    def modules(self) -> tuple[str, ...]:
        """What another process loads beside the installed plugins, to have this one."""
        installed = {source.module for source in find_sources()}
        return () if self.plugin.module in installed else (self.plugin.module,)

    def load_anew(self) -> Solvers:
        """A second solver of the type, as another worker has it."""
        return Solvers([self.plugin])

    def ask(
        self,
        image: bytes,
        *,
        image2: bytes | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Reply:
        """Decode and solve; whatever happens is the reply.

        Args:
            image: an image file.
            image2: a second one.
            options: taken as checked.
        """
        return self.solvers.answer(Task(self.spec.type_id, image, image2, dict(options or {})))


def find_subjects(package: str) -> list[Subject]:
    """The types of one plugin.

    Args:
        package: name of its distribution, of its module, or the path of its one file.

    Raises:
        PluginError: it does not load, or offers no type.
    """
    known = any(_is(package, source.name, source.module) for source in find_sources())
    found = load_plugins(() if known else (package,))
    for failure in found.failures:
        if _is(package, failure.name, failure.module):
            raise PluginError(f"{failure.name} does not load: {failure.reason}")
    subjects = [
        Subject(plugin, spec)
        for plugin in found.loaded
        if _is(package, plugin.name, plugin.module)
        for spec in plugin.specs
    ]
    if not subjects:
        raise PluginError(f"{package} offers no type; is loupette_solvers marked with @hookimpl?")
    return subjects


def _is(package: str, name: str, module: str) -> bool:
    return package in (name, module) or _normal(package) == _normal(name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
