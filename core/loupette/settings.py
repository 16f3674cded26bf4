"""Environment and defaults, read once into one frozen value."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from loupette.errors import SettingsError
from loupette.sources import list_files

PREFIX = "LOUPETTE_"
_URL = "DATABASE_URL"
_OF_THE_CLIENT = (PREFIX + "URL", PREFIX + "KEY")
"""Where `loupette.client` finds its server: no business of a server's."""

Network: TypeAlias = IPv4Network | IPv6Network
LogFormat: TypeAlias = Literal["text", "json"]


@dataclass(frozen=True)
class Images:
    """What is kept of the images that callers send.

    Attributes:
        hashed: the SHA-256 of the first one is in the log.
        kept_days: for how many days the files are kept; 0 for not at all.
    """

    hashed: bool = False
    kept_days: int = 0

    def __str__(self) -> str:
        """As it is set."""
        return f"{self.kept_days}d" if self.kept_days else "hash" if self.hashed else "none"


@dataclass(frozen=True)
class Settings:
    """How one server runs; each field is the environment variable that `variable_of` names.

    Attributes:
        database: SQLite file with keys, balances and logs.
        database_url: PostgreSQL instead, which several servers may share: `postgresql://` with
            user, password, host and database. The file's name then only says where images are.
        registry: which types are served; only the default file may be absent, then every
            installed type is served at its own price.
        workers: solver processes.
        worker_max_requests: a worker that has served so many is replaced by a fresh one, between
            two requests.
        worker_max_rss_bytes: a worker that takes more memory is replaced likewise, unless it is
            less than twice what it began with.
        max_in_flight: requests of known keys in progress at once, and beside them a quarter as many
            bodies being read from senders without X-API-Key; more are answered 429.
        max_body_bytes: larger bodies are refused unread.
        body_timeout_s: a sender slower than this is cut off.
        always_200: HTTP status 200 whatever the body's code, for proxies that eat error bodies.
        plugins: modules to load beside the installed plugins, comma separated.
        plugins_dir: folder of one-file plugins to load while they are written. What lies in it is
            run, and `loupette serve` starts anew when it changes.
        trace_plugins: say how long each plugin took to be imported and asked.
        metrics_from: networks whose machines may read ``/metrics``, and the reasons in ``/readyz``,
            comma separated; nobody may where it is empty.
        log_format: of the messages on standard error, `text` or `json`.
        images: what is kept of callers' images: `none`, `hash` for the SHA-256 in the log, or
            that and the files for some days, such as `7d`.
        images_max_bytes: of all files kept; when there is no room, no more are kept until older
            ones go.
        ray_address: host and port of the Ray cluster for types with `executor = "ray"`; `auto` is
            the one that this machine belongs to.
    """

    database: Path = Path("loupette.db")
    database_url: str | None = field(default=None, repr=False)  # there is a password in it
    registry: Path = Path("registry.toml")
    workers: int = max(1, os.cpu_count() or 1)
    worker_max_requests: int = 100_000
    worker_max_rss_bytes: int = 1024 * 1024 * 1024
    max_in_flight: int = 128
    max_body_bytes: int = 6 * 1024 * 1024
    body_timeout_s: float = 10.0
    always_200: bool = False
    plugins: tuple[str, ...] = ()
    plugins_dir: Path | None = None
    trace_plugins: bool = False
    metrics_from: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    log_format: LogFormat = "text"
    images: Images = Images()
    images_max_bytes: int = 1024 * 1024 * 1024
    ray_address: str = "auto"

    @property
    def modules(self) -> tuple[str, ...]:
        """What is loaded beside the installed plugins: `plugins`, and files of `plugins_dir`.

        Raises:
            SettingsError: there is no such folder, or it cannot be named to the workers.
        """
        if self.plugins_dir is None:
            return self.plugins
        if not self.plugins_dir.is_dir():
            raise SettingsError(f"{self.plugins_dir} is no folder; correct --plugins-dir")
        files = list_files(self.plugins_dir)
        if any("," in file for file in files):  # they go to the workers comma separated
            raise SettingsError(f"no file or folder in {self.plugins_dir} may have a comma")
        return self.plugins + files

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read ``LOUPETTE_*`` and ``DATABASE_URL``.

        Raises:
            SettingsError: a value that cannot be used, or a name that is no setting.
        """
        known = {variable_of(field.name): field for field in fields(cls)}
        values: dict[str, Any] = {}
        for variable, text in environment.items():
            setting = known.get(variable)
            if setting is not None:
                try:
                    values[setting.name] = _PARSERS[setting.type](text)
                except ValueError as error:
                    shown = "..." if variable == _URL else text
                    raise SettingsError(f"{variable}={shown!r}: {error}") from error
            elif variable.startswith(PREFIX) and variable not in _OF_THE_CLIENT:
                raise SettingsError(f"{variable} is no setting; there are {', '.join(known)}")
        return cls(**values)


def variable_of(name: str) -> str:
    """The environment variable of a field; the URL's is the one that platforms set."""
    return _URL if name == "database_url" else PREFIX + name.upper()


def _parse_positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _parse_positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("must be a positive number")
    return value


def _parse_bool(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("must be 1 or 0")
    return words[text.lower()]


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _parse_networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(name) for name in _parse_names(text))


def _parse_log_format(text: str) -> str:
    if text not in get_args(LogFormat):
        raise ValueError(f"must be {' or '.join(get_args(LogFormat))}")
    return text


def _parse_images(text: str) -> Images:
    if text in ("none", "hash"):
        return Images(hashed=text == "hash")
    days = text.removesuffix("d")
    if days == text or not (days.isascii() and days.isdigit()) or not 1 <= int(days) <= 3650:
        raise ValueError("must be none, hash, or 1d to 3650d")
    return Images(hashed=True, kept_days=int(days))


def _parse_url(text: str) -> str | None:
    if text and not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://; for SQLite, set LOUPETTE_DATABASE instead")
    return text or None


_PARSERS: dict[object, Callable[[str], Any]] = {
    str: str,
    Path: Path,
    Path | None: Path,
    str | None: _parse_url,
    int: _parse_positive_int,
    float: _parse_positive_float,
    bool: _parse_bool,
    tuple[str, ...]: _parse_names,
    tuple[Network, ...]: _parse_networks,
    LogFormat: _parse_log_format,
    Images: _parse_images,
}
