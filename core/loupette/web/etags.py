"""Replies that a browser need not fetch again."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response


def cached(request: Request, body: bytes, *, media_type: str, max_age_s: int) -> Response:
    """A body under its ETag, or 304 where the sender has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={max_age_s}"}
    known = {tag.strip().removeprefix("W/") for tag in _if_none_match(request).split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _if_none_match(request: Request) -> str:
    return request.headers.get("if-none-match", "")
