"""The server's process for ``loupette serve``, alone or started anew when plugin files change."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors.basereload import BaseReload

from loupette.messages import set_up_messages
from loupette.settings import Settings
from loupette.sources import list_files
from loupette.web.app import create_app
from loupette.web.protocol import LimitedProtocol

_DRAIN_S = 8
"""With what then remains to be done, below the ten seconds that containers have."""
_VOID_S = 1
"""Before that; uvicorn would cancel what is left, and tell nobody why."""
_YOUNG_OBJECTS = 10_000
"""Before the garbage collector looks at them. Requests leave it nothing, and with Python's own 700
it looked at those in progress once in 16 requests: an eighth of the processor time."""


def run_server(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM or Ctrl-C; ends the process with 1 where it could not start."""
    gc.set_threshold(_YOUNG_OBJECTS)
    # uvicorn drains on SIGTERM, then raises it again for whoever listened before: a clean end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = create_app(settings)
    signal.signal(signal.SIGHUP, lambda *_: _renew(app))
    server = _Server(_config(settings, app), app)
    set_up_messages(settings.log_format)  # now that uvicorn's own are there, which are cleaned too
    with suppress(KeyboardInterrupt):
        server.run(sockets=list(sockets))
    if not server.started:
        sys.exit(1)  # it has logged why


class _Server(uvicorn.Server):
    """When it stops, it waits for requests; those that are not answered in time are voided."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        voiding = asyncio.create_task(self._void())
        await super().shutdown(sockets)
        voiding.cancel()

    async def _void(self) -> None:
        await asyncio.sleep(_DRAIN_S - _VOID_S)
        for connection in [*self.server_state.connections]:
            assert isinstance(connection, LimitedProtocol)
            connection.drop_unfinished()
        await self._app.state.service.engine.pool.close()


def _renew(app: Starlette) -> None:
    """Have all workers replaced, if they have been started yet."""
    if service := getattr(app.state, "service", None):
        service.engine.pool.renew()


def run_reloading(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Serve in a process of its own, replaced when a file of `plugins_dir` changes.

    The sockets stay open meanwhile, so that callers wait and are not refused.
    """
    assert settings.plugins_dir
    config = _config(settings, "loupette.web.app:create_app")  # named only; the target makes it
    _Watch(config, partial(run_server, settings), list(sockets), folder=settings.plugins_dir).run()


class _Watch(BaseReload):
    """Looks at the plugin files four times a second; new and deleted ones count, too."""

    def __init__(
        self,
        config: uvicorn.Config,
        target: Callable[..., None],
        sockets: list[socket.socket],
        *,
        folder: Path,
    ) -> None:
        super().__init__(config, target, sockets)
        self.reloader_name = "loupette"
        self._folder = folder
        self._seen = self._look()

    def should_restart(self) -> list[Path] | None:
        self.pause()
        before, self._seen = self._seen, self._look()
        return sorted(Path(name) for name, _ in before ^ self._seen) or None

    def _look(self) -> set[tuple[str, int]]:
        """Each file with its time of change; what vanishes meanwhile is not there."""
        found = set()
        for name in list_files(self._folder):
            with suppress(OSError):
                found.add((name, Path(name).stat().st_mtime_ns))
        return found


def _config(settings: Settings, app: Starlette | str) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None if settings.log_format == "json" else uvicorn.config.LOGGING_CONFIG,
        http=LimitedProtocol,
        lifespan="on",
        ws="none",
        access_log=False,
        server_header=False,
        timeout_keep_alive=ceil(settings.body_timeout_s),
        timeout_graceful_shutdown=_DRAIN_S,
    )
