"""The least that a Starlette endpoint can do with a body; ``load.py`` measures the rest by it."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def echo(request: Request) -> Response:
    """Send the body back."""
    return Response(await request.body(), media_type="application/json")


app = Starlette(
    routes=[
        Route("/livez", echo),
        Route("/api/v1/captcha.php", echo, methods=["POST"]),
    ]
)
