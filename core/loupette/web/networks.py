"""Who is the operator, by the network that a request comes from."""

from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

from loupette.web.service import service_of

_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


def is_operators(request: Request) -> bool:
    """Whether the sender's address is known, and is in a network of `LOUPETTE_METRICS_FROM`."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # of a socket that takes both
        address = address.ipv4_mapped
    # A proxy on this machine speaks for anybody.
    if address.is_loopback and any(name in request.headers for name in _PASSED_ON):
        return False
    return any(address in network for network in service_of(request).settings.metrics_from)
