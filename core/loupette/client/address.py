"""Which server, with which key: from arguments or the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loupette.errors import SettingsError

URL, KEY = "LOUPETTE_URL", "LOUPETTE_KEY"


@dataclass(frozen=True)
class Address:
    """A server and a key for it.

    Attributes:
        url: without a slash at its end.
        key: never shown.
    """

    url: str
    key: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The URL without a password that stands in it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def find_address(
    url: str | None, key: str | None, environment: Mapping[str, str] = os.environ
) -> Address:
    """Take what is given, else what the environment says.

    Raises:
        SettingsError: absent, or nothing that can be used; the message does not show the key.
    """
    url, key = url or environment.get(URL), key or environment.get(KEY)
    if not url:
        raise SettingsError(f"which server? give url, or set {URL}: http://127.0.0.1:8000 or such")
    if not key:
        raise SettingsError(f"an API key is needed: give key, or set {KEY}")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise SettingsError("the API key has blanks or characters that no key has")
    address = Address(url.rstrip("/"), key)
    _check(address)
    return address


def _check(address: Address) -> None:
    try:
        parts = urlsplit(address.url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise SettingsError("the URL cannot be read; it must be http(s)://HOST[:PORT]") from None
    if not is_usable or parts.query or parts.fragment:
        raise SettingsError(f"{address.shown!r} must be http(s)://HOST[:PORT][/PATH]")
