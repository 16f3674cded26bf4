"""Who is calling: X-API-Key or the body's api_key -> a key that may call."""

import time

from starlette.requests import HTTPConnection

from loupette.engine import Engine
from loupette.errors import KeyDisabled, KeyExpired, ScopeMissing, Unauthenticated
from loupette.store.keys import KeyRecord

HEADER = "x-api-key"


def header_key(request: HTTPConnection) -> str | None:
    """The key in the header, if any."""
    return request.headers.get(HEADER) or None


def one_key(in_header: str | None, in_body: str | None) -> str:
    """The key of a request that may name it twice.

    Raises:
        Unauthenticated: none, or two different ones.
    """
    if in_header and in_body and in_header != in_body:
        raise Unauthenticated("X-API-Key and the body's api_key differ; send one of them")
    if not (secret := in_header or in_body):
        raise Unauthenticated("send an API key: header X-API-Key, or api_key in the body")
    return secret


async def identify(engine: Engine, secret: str) -> KeyRecord:
    """Find a key, enabled or not.

    Raises:
        Unauthenticated: unknown.
    """
    key = await engine.front.find_key(secret)
    if key is None:
        raise Unauthenticated("this API key is unknown")
    return key


def permit(key: KeyRecord, scope: str) -> None:
    """Let a key pass that may do this now, and raise what `refusal` gives for any other."""
    if (error := refusal(key, scope)) is not None:
        raise error


def refusal(key: KeyRecord, scope: str) -> Unauthenticated | None:
    """Why a known key may not do this now, if it may not."""
    if key.is_disabled:
        return KeyDisabled("this API key or its account is disabled")
    if key.has_expired(time.time_ns() // 1_000_000):
        return KeyExpired("this API key has expired; ask the operator for a new one")
    if not key.may(scope):
        return ScopeMissing(f"this needs a key with the scope {scope!r}; this one has {key.scopes}")
    return None
