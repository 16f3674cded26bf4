"""GET /metrics, and who may read it."""

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from loupette.errors import NotFound
from loupette.web.networks import is_operators
from loupette.web.service import service_of


async def metrics(request: Request) -> Response:
    """GET /metrics: what Prometheus scrapes; for the networks of `LOUPETTE_METRICS_FROM` only."""
    if not is_operators(request):
        raise NotFound(f"there is no {request.url.path}")  # as of any other path
    return Response(
        service_of(request).metrics.expose(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
    )
