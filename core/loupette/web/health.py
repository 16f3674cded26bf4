"""/livez: the process answers. /readyz: it can solve."""

from starlette.requests import Request
from starlette.responses import Response

from loupette.web.networks import is_operators
from loupette.web.responses import SUCCESS, render, respond
from loupette.web.service import service_of


async def livez(request: Request) -> Response:
    """Always 200 while the event loop turns."""
    always_200 = service_of(request).settings.always_200
    return respond(200, render(200, SUCCESS, {"status": "alive"}), always_200=always_200)


async def readyz(request: Request) -> Response:
    """200 once every type has read its own sample; else 503.

    A type that is taken out later is told, and no reason to take the others from their callers. A
    probe looks at the HTTP status, so `always_200` does not hold here. Reasons are a plugin's own
    words, with paths and versions in them: they are for the operator's networks.
    """
    service = service_of(request)
    pool, served = service.engine.pool, service.engine.catalogue.types
    reasons = pool.failures if is_operators(request) else {}
    types = {str(type_id): reasons.get(type_id, service.state(type_id)) for type_id in served}
    code = 200 if pool.is_ready and served.keys() <= pool.proven else 503
    msg = SUCCESS if code == 200 else "服务尚未就绪"
    return respond(code, render(code, msg, {"types": types}), always_200=False)
