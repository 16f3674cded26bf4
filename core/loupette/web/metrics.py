"""GET /metrics, and who may read it."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from loupette.errors import NotFound
from loupette.settings import Network
from loupette.web.service import service_of

_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


async def metrics(request: Request) -> Response:
    """GET /metrics: what Prometheus scrapes; for the networks of `LOUPETTE_METRICS_FROM` only."""
    service = service_of(request)
    if not _comes_from(request, service.settings.metrics_from):
        raise NotFound(f"there is no {request.url.path}")  # as of any other path
    return Response(service.metrics.expose(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _comes_from(request: Request, networks: Iterable[Network]) -> bool:
    """Whether the sender's address is known, and is in one of the networks."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # of a socket that takes both
        address = address.ipv4_mapped
    # A proxy on this machine speaks for anybody.
    if address.is_loopback and any(name in request.headers for name in _PASSED_ON):
        return False
    return any(address in network for network in networks)
