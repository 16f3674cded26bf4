"""How a call is put into the words of the HTTP library, and its reply out of them."""

from typing import Any

import httpx2

from loupette import __version__
from loupette.client.address import Address
from loupette.client.calls import Call
from loupette.client.replies import Reply

TIMEOUT_S = 30.0
"""Longer than a reply takes while no worker dies: a request may wait for a worker as long as its
type's ``deadline_s``, by default 5 s, and the solver then has as long again. After a death the wait
is up to half a minute longer; who gives up before tries again, and is charged once."""


def connection_options(address: Address, timeout_s: float) -> dict[str, Any]:
    """Arguments of httpx2's clients, blocking or not (hence Any)."""
    return {
        "base_url": address.url,
        "auth": address.login,
        "headers": {"X-API-Key": address.key, "User-Agent": f"loupette/{__version__}"},
        "timeout": timeout_s,
        "follow_redirects": False,  # the key goes to nobody else
    }


def send_options(call: Call[Any]) -> dict[str, Any]:
    """Arguments of their ``request`` (hence Any), beside method and path."""
    return {"params": call.query, "content": call.content, "headers": call.headers}


def reply_of(response: httpx2.Response) -> Reply:
    """What of a response matters here."""
    headers = response.headers
    return Reply(
        response.status_code, response.content, headers.get("retry-after"), headers.get("location")
    )
