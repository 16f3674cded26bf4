"""ASGI entry: ``uvicorn server:app``."""

from loupette.messages import set_up_messages
from loupette.settings import Settings
from loupette.web.app import create_app

settings = Settings.from_environment()
set_up_messages(settings.log_format)
app = create_app(settings)
