"""Code with its words marked for the style sheet, by Pygments."""

from functools import cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_NAMES = {"curl": "bash"}


def mark(code: str, language: str) -> Markup:
    """Code as HTML: its words in spans, all else escaped."""
    return Markup(highlight(code, _lexer(language), _formatter()).rstrip("\n"))  # noqa: S704  # escaped


@cache
def _lexer(language: str) -> Lexer:
    # A sample of PHP has no opening tag where it is part of a page.
    try:
        return get_lexer_by_name(_NAMES.get(language, language or "text"), startinline=True)
    except ClassNotFound:
        return get_lexer_by_name("text")


@cache
def _formatter() -> "HtmlFormatter[str]":
    return HtmlFormatter(nowrap=True)
