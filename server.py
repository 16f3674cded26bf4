"""ASGI entry: ``uvicorn server:app``."""

from loupette.settings import Settings
from loupette.web.app import create_app

app = create_app(Settings.from_environment())
