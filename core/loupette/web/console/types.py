"""/console/types: what is loaded, from where, why one failed; price and whether it is served."""

import sys

from starlette.responses import Response

from loupette.manager import Plugin
from loupette.sources import module_of
from loupette.web.console.visits import Visit, number, see


async def show(visit: Visit) -> Response:
    """All types of registry.toml, and all plugins that were found."""
    management = visit.service.management
    managed = management.types()
    states = {
        one.registered.spec.type_id: visit.service.state(one.registered.spec.type_id)
        for one in managed
    }
    return visit.show(
        "types.html",
        types=managed,
        states=states,
        reasons=visit.service.engine.pool.failures,
        plugins=[(plugin, _place(plugin)) for plugin in management.plugins.loaded],
        failures=management.plugins.failures,
        registered={one.registered.spec.type_id for one in managed},
        done=visit.request.query_params.get("done", ""),
    )


async def change(visit: Visit) -> Response:
    """Set one type's price, and whether it is served; it holds from the next request on."""
    await visit.service.management.decide_type(
        visit.key,
        number({"type": str(visit.fields.get("type"))}, "type") or 0,
        price=visit.text("price"),
        is_off=visit.text("is_on") != "1",
    )
    return see("/console/types?done=decided")


def _place(plugin: Plugin) -> str:
    """The file it was loaded from."""
    module = sys.modules.get(module_of(plugin.module))
    return str(getattr(module, "__file__", None) or plugin.module)
