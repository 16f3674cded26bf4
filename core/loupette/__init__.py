"""Loupette: a plugin-based recognition engine with a registry."""

from typing import TYPE_CHECKING

__all__ = ["AsyncClient", "Client", "__version__"]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from loupette.client import AsyncClient, Client
else:

    def __getattr__(name: str) -> object:
        """Load the client when it is asked for: servers and plugins do without its HTTP library."""
        if name not in ("AsyncClient", "Client"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from loupette import client

        return getattr(client, name)
