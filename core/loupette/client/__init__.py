"""The Python client of a Loupette server; needs the ``client`` extra.

`Client` waits, `AsyncClient` is for asyncio; all else they share. See docs/python-client.md.
"""

try:
    import httpx2  # noqa: F401  # its absence is told in one place
except ModuleNotFoundError as error:
    raise ImportError("the client needs httpx2: pip install 'loupette[client]'") from error

from loupette.client.asynchronous import AsyncClient
from loupette.client.blocking import Client
from loupette.client.errors import BadReply, ClientError, NoReply
from loupette.client.results import Answer, Balance, Log, Reported, ServedType
from loupette.client.retries import Retries

__all__ = [
    "Answer",
    "AsyncClient",
    "BadReply",
    "Balance",
    "Client",
    "ClientError",
    "Log",
    "NoReply",
    "Reported",
    "Retries",
    "ServedType",
]
