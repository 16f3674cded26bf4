"""Where images are read: by the plugins on this machine, or by a server."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

import click

from loupette.errors import Overloaded, PluginError, UnsupportedOption
from loupette.executor import Executor, make_executor
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.options import check_options
from loupette.plugin import Json, OptionValue
from loupette.reading import read_once
from loupette.registry import ServedType, build_catalogue
from loupette.settings import Settings

_READY_WITHIN_S = 120.0
_ATTEMPTS = 5
"""For a worker to become free; there are never more images under way than workers."""
_BULK_RETRIES = 10
"""A key's rate slows many files down; it must not end them."""

_FIELDS = {"image", "type", "image2", "idempotency_key"}

Options: TypeAlias = Mapping[str, OptionValue]


@dataclass(frozen=True)
class Reading:
    """One answer, from wherever.

    Attributes:
        result: what was read.
        confidence: 0 to 1.
        detail: what the plugin says beside it.
        ms: how long it took: as a server says, or here with the wait for a worker.
        cost: in yuan; None on this machine.
        log_id: the server's; empty on this machine.
    """

    result: str
    confidence: float
    detail: Mapping[str, Json]
    ms: float | None = None
    cost: Decimal | None = None
    log_id: str = ""


@dataclass(frozen=True)
class Images:
    """What one reading is of.

    Attributes:
        image: a file's bytes.
        image2: those of the slider's piece.
        request: the Idempotency-Key; None for a new one.
    """

    image: bytes
    image2: bytes | None = None
    request: str | None = None


Read: TypeAlias = Callable[[Images], Awaitable[Reading]]
"""Reads images, or raises a LoupetteError."""
Reader: TypeAlias = AbstractAsyncContextManager[Read]


@asynccontextmanager
async def read_here(
    settings: Settings, type_id: int, options: Options, *, jobs: int
) -> AsyncIterator[Read]:
    """Read with the installed plugins, in worker processes as a server does.

    Args:
        settings: plugins and registry.
        type_id: which type.
        options: as posted.
        jobs: workers.

    Raises:
        LoupetteError: the type, the options or the plugin cannot be used.
    """
    plugins = load_plugins(settings.modules).loaded
    catalogue = build_catalogue(plugins, settings.registry)
    served = catalogue.find(type_id)
    checked = check_options(options, served.spec)
    only = replace(catalogue, types={type_id: served})
    executor = make_executor(only, plugins, replace(settings, workers=jobs))
    executor.start()

    async def read(images: Images) -> Reading:
        return await _read_with(executor, served, images, options=checked)

    try:
        await _wait_ready(executor, type_id)
        yield read
    finally:
        await executor.close()


async def _wait_ready(executor: Executor, type_id: int) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            await executor.wait_ready()
    except TimeoutError:
        raise PluginError(f"no worker was ready within {_READY_WITHIN_S:g} s") from None
    if reason := executor.failures.get(type_id):
        raise PluginError(f"type {type_id} is out of order: {reason}")


async def _read_with(
    executor: Executor, served: ServedType, images: Images, *, options: Options
) -> Reading:
    task = Task(served.spec.type_id, images.image, images.image2, options)
    started_s = time.monotonic()
    for left in reversed(range(_ATTEMPTS)):
        try:
            answer = await read_once(executor, served, task)
            break
        except Overloaded:  # only while workers start or are replaced
            if not left:
                raise
    ms = (time.monotonic() - started_s) * 1000
    return Reading(answer.result, answer.confidence, answer.detail, ms)


@asynccontextmanager
async def read_there(
    url: str, key: str | None, type_id: int, options: Options
) -> AsyncIterator[Read]:
    """Read with a server, which charges for answers.

    Args:
        url: the server.
        key: an API key; else ``LOUPETTE_KEY``.
        type_id: which type.
        options: as posted.

    Raises:
        click.ClickException: the client is not installed.
        UnsupportedOption: a field of the request, which is no option.
    """
    if fields := _FIELDS & options.keys():
        raise UnsupportedOption(f"{min(fields)} is not among the options of any type")
    try:
        from loupette.client import AsyncClient, Retries
    except ImportError as error:  # says what to install
        raise click.ClickException(str(error)) from error
    async with AsyncClient(url, key, retries=Retries(most=_BULK_RETRIES)) as client:

        async def read(images: Images) -> Reading:
            answer = await client.solve(
                images.image, type_id, images.image2, idempotency_key=images.request, **options
            )
            return Reading(
                answer.result,
                answer.confidence,
                answer.detail,
                answer.response_ms,
                answer.cost,
                answer.log_id,
            )

        yield read
