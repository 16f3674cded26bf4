"""The Starlette application: routes, error replies, and what lives as long as the server."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from loupette.engine import Engine
from loupette.errors import InternalError, LoupetteError, MethodNotAllowed, NotFound
from loupette.executor import make_executor
from loupette.management import Management
from loupette.manager import load_plugins
from loupette.metrics import LedgerCheck, Metrics
from loupette.registry import build_catalogue
from loupette.settings import Settings
from loupette.store.opening import open_database
from loupette.web import account, console, docs, health, metrics, types
from loupette.web.headers import SecurityHeaders
from loupette.web.openapi import openapi
from loupette.web.pages import Static, show, wants_html
from loupette.web.reference import reference
from loupette.web.responses import code_and_msg, describe, disclose, error_headers, render, respond
from loupette.web.service import Service
from loupette.web.solve import solve

_PURGE_EVERY_S = 3600.0
_CHECK_EVERY_S = 60.0
_AGAIN_S = 1.0
_CHECK_SHARE = 0.05
"""Of one core's time: a large ledger is checked less often."""

_log = logging.getLogger(__name__)


def create_app(settings: Settings) -> Starlette:
    """Make the application; plugins, database and workers are opened by its lifespan.

    Args:
        settings: how this server runs.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        plugins = load_plugins(settings.modules)
        for failure in plugins.failures:
            _log.error("plugin %s did not load: %s", failure.name, failure.reason)
        catalogue = build_catalogue(plugins.loaded, settings.registry)
        with open_database(settings.database, settings.database_url, exclusive=True) as database:
            pool = make_executor(catalogue, plugins.loaded, settings)
            pool.start()
            engine = Engine(
                catalogue,
                database,
                pool,
                images=settings.images,
                images_max_bytes=settings.images_max_bytes,
            )
            management = Management(engine, plugins)
            service = app.state.service = Service(settings, engine, management)
            # After the metrics, which count every registered type.
            await management.apply_overrides()
            chores = [
                asyncio.create_task(purge(engine, every_s=_PURGE_EVERY_S)),
                asyncio.create_task(engine.front.tend()),
                asyncio.create_task(follow_types(engine, management, again_s=_AGAIN_S)),
                asyncio.create_task(check_ledger(engine, service.metrics, every_s=_CHECK_EVERY_S)),
            ]
            try:
                yield {"settings": settings}  # for LimitedProtocol
            finally:
                for chore in chores:
                    chore.cancel()
                await asyncio.gather(*chores, return_exceptions=True)
                await pool.close()

    async def reply_error(request: Request, error: Exception) -> Response:
        known = _known_error(request, error)
        code, msg = code_and_msg(known)
        told = describe(known)
        if wants_html(request) and not request.url.path.startswith("/api/"):
            return show(request, "error.html", status_code=code, code=code, msg=msg, error=told)
        return respond(
            code,
            render(code, msg, {}, error=told),
            always_200=settings.always_200,
            headers=error_headers(known) | dict(getattr(error, "headers", None) or {}),
        )

    app = Starlette(
        routes=[
            Route("/", types.types),
            Route("/api/v1/captcha.php", solve, methods=["POST"]),
            Route("/api/v1/balance", account.balance),
            Route("/api/v1/logs", account.list_logs),
            Route("/api/v1/logs/{log_id}", account.one_log),
            Route("/api/v1/report", account.report, methods=["POST"]),
            Route("/api/v1/types", types.types_json),
            Route("/types", types.types),
            Route("/types/{type_id}", types.one_type),
            Route("/types/{type_id}/sample", types.sample),
            Route("/docs", docs.index),
            Route("/docs/reference", reference),
            Route("/docs/{name}", docs.document),
            Route("/openapi.json", openapi),
            Mount("/static", Static()),
            Route("/livez", health.livez),
            Route("/readyz", health.readyz),
            Route("/metrics", metrics.metrics),
            *console.ROUTES,
        ],
        exception_handlers={
            LoupetteError: reply_error,
            HTTPException: reply_error,
            Exception: reply_error,
        },
        lifespan=lifespan,
    )
    # A redirect is no JSON, and behind a TLS proxy it would send the key on over plain http.
    app.router.redirect_slashes = False
    # Around all of Starlette's own, since the outermost of those answers for unforeseen errors.
    app.middleware_stack = SecurityHeaders(app.build_middleware_stack())
    return app


async def purge(engine: Engine, *, every_s: float) -> None:
    """Forget what is kept for a time again and again; what fails once may work the next time."""
    while True:
        try:
            await engine.purge()
        except Exception:
            _log.exception("old replies and images were not purged")
        await asyncio.sleep(every_s)


async def follow_types(engine: Engine, management: Management, *, again_s: float) -> None:
    """Take over what is decided on types at other servers of the database."""
    changed = engine.front.types_changed
    while True:
        await changed.wait()
        changed.clear()  # before it is read: what is decided meanwhile is read once more
        try:
            await management.apply_overrides()
        except Exception:
            _log.exception("decisions on types were not read")
            changed.set()
            await asyncio.sleep(again_s)


async def check_ledger(engine: Engine, metrics: Metrics, *, every_s: float) -> None:
    """Add all the money up again and again, and say what does not add up."""
    while True:
        started_s = time.monotonic()
        took_s = 0.0
        try:
            found = await engine.verify_ledger()
            took_s = time.monotonic() - started_s
            metrics.ledger_check = LedgerCheck(len(found.problems), time.time(), took_s)
            for problem in found.problems:
                _log.error("the ledger does not add up: %s", problem)
        except Exception:
            _log.exception("the ledger was not checked")
        await asyncio.sleep(max(every_s, took_s / _CHECK_SHARE))


def _known_error(request: Request, error: Exception) -> LoupetteError:
    if isinstance(error, LoupetteError):
        return disclose(error, of=f"{request.method} {request.url.path!r:.80}")
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound(f"there is no {request.url.path[:80]}")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed(f"{request.url.path[:80]} does not take {request.method}")
    return InternalError("the server's log has the reason")
