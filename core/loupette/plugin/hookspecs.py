"""The hooks that a plugin may implement."""

from collections.abc import Iterable

import pluggy

from loupette.plugin.types import SolverSpec

PROJECT = "loupette"
"""pluggy's project name, and the entry-point group that plugins register under."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class LoupetteHooks:
    """Namespace of the hook specifications."""

    @hookspec
    def loupette_solvers(self) -> Iterable[SolverSpec]:  # type: ignore[empty-body]  # a spec
        """Say which types this plugin reads.

        Called once in every process that needs the catalogue: the server, each worker and each
        command. It must be quick and import no model, runtime or image library; that belongs
        into `SolverSpec.load`.

        Returns:
            One `SolverSpec` for each type.

        Raising means that the plugin is broken: it is set aside with its reason and shown by
        ``loupette plugins``, and the other plugins go on.
        """
