"""Which server, with which key: from arguments or the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from loupette.errors import SettingsError

URL, KEY = "LOUPETTE_URL", "LOUPETTE_KEY"


@dataclass(frozen=True)
class Address:
    """A server and a key for it.

    Attributes:
        url: without a slash at its end, and without a name and a password.
        key: never shown.
        login: the name and password that stood in the URL, for a proxy before the server.
    """

    url: str
    key: str = field(repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)


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
    bare, login = _take_login(url)
    return Address(bare, key, login)


def _take_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without name and password, which a library's log would show."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise SettingsError("the URL cannot be read; it must be http(s)://HOST[:PORT]") from None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    if not is_usable or parts.query or parts.fragment:
        raise SettingsError(f"{bare!r} must be http(s)://HOST[:PORT][/PATH]")
    if parts.username is None:
        return bare, None
    return bare, (unquote(parts.username), unquote(parts.password or ""))
