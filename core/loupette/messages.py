"""The server's own messages on standard error: lines for people, or a JSON object a line."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import TextIO

from loupette.settings import LogFormat, Settings

REQUESTS = "loupette.requests"
"""The logger that has a message for each row of the log; they are for machines, hence JSON only."""
PLUGINS = "loupette.manager"
"""The logger that says how long plugins took, where ``LOUPETTE_TRACE_PLUGINS`` asks for it. It is
asked here, as workers and commands have the variable, but no settings, in common."""

_LINE = "%(levelname)s: %(name)s: %(message)s"
_FACTS = ("log_id", "type", "outcome", "code", "ms")
_LONGEST_MESSAGE = 2000
_LONGEST_TRACEBACK = 8000
"""Docker and journald split lines beyond 16 KiB or so, and half an object is no JSON."""
_QUERY = re.compile(r"\?\S*")
_LEFT_OUT = re.compile(r"(?<=ak_)[\w-]{20,}|(?<![\w+/-])[\w+/-]{200,}", re.ASCII)
"""Keys, and runs as long as only base64 has them, whatever code put them into a message."""


class JsonFormatter(logging.Formatter):
    """One JSON object for each message; ASCII, so that every stream and collector takes it."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message, with the facts of a request where it is about one."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage(), record)[:_LONGEST_MESSAGE],
        }
        told |= {name: vars(record)[name] for name in _FACTS if name in vars(record)}
        if record.exc_info:
            trace = _clean(self.formatException(record.exc_info), record)
            told["traceback"] = trace[-_LONGEST_TRACEBACK:]  # the end says what went wrong
        return json.dumps(told)


class TextFormatter(logging.Formatter):
    """The lines of another formatter, without keys and images.

    Args:
        form: makes the lines.
    """

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """The message, and the traceback where there is one."""
        return _clean(self._form.format(record), record)


def _clean(text: str, record: logging.LogRecord) -> str:
    if record.name == "uvicorn.access":
        text = _QUERY.sub("", text)  # callers put keys and images there, wrongly
    return _LEFT_OUT.sub("...", text)


def set_up_messages(form: LogFormat, *, stream: TextIO | None = None) -> None:
    """Say how this process's messages are written; for its entry point, not for a library.

    Args:
        form: of the messages.
        stream: where they go, standard error unless given.
    """
    if Settings.from_environment().trace_plugins:
        logging.getLogger(PLUGINS).setLevel(logging.DEBUG)
    # It has a line for every broken form; who sends those without end would fill the disk.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    handler = logging.StreamHandler(stream)
    if form == "text":
        handler.setFormatter(TextFormatter(logging.Formatter(_LINE)))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        logging.getLogger(REQUESTS).setLevel(logging.WARNING)
    else:
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.access"):
        _take_over(logging.getLogger(name), form)


def _take_over(logger: logging.Logger, form: LogFormat) -> None:
    """Of uvicorn's own handlers; there are none where it was told to be silent."""
    if form == "json" and logger.handlers:
        logger.handlers.clear()
        logger.propagate = True
    for handler in logger.handlers:
        if not isinstance(handler.formatter, TextFormatter):
            handler.setFormatter(TextFormatter(handler.formatter or logging.Formatter()))
