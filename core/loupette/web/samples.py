"""The samples of the documents and of the catalogue: the same files, with another host and type."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup

from loupette.web.highlighting import mark

LANGUAGES = {"curl": "cURL", "python": "Python", "php": "PHP", "javascript": "JavaScript"}
"""File of the sample -> what people call it."""

_HOST, _TYPE = "https://captchaapi.com", "10001"
_NO_IMAGE = "'base64_encoded_image_here'"
_FROM_FILE = "require('fs').readFileSync('captcha.png').toString('base64')"
_URL = re.compile(r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Sample:
    """One request in one language.

    Attributes:
        language: of LANGUAGES.
        label: its name for people.
        code: reads captcha.png and prints the answer, once the key is put in.
    """

    language: str
    label: str
    code: str

    @property
    def marked(self) -> Markup:
        """The code as HTML."""
        return mark(self.code, self.language)


@cache
def read_sample(language: str) -> str:
    """A sample as it stands in the documents."""
    folder = resources.files("loupette.web") / "samples"
    return (folder / f"{language}.txt").read_text(encoding="utf-8")


def samples_for(type_id: int, *, host: str) -> list[Sample]:
    """The samples of one type on one server."""
    return [
        Sample(language, label, _adapt(read_sample(language), type_id, host))
        for language, label in LANGUAGES.items()
    ]


def _adapt(code: str, type_id: int, host: str) -> str:
    code = code.replace(_HOST, host).replace(_TYPE, str(type_id))
    return code.replace(_NO_IMAGE, _FROM_FILE).rstrip()


def quotable(url: str) -> str:
    """A visitor's base URL where it means nothing to a shell, else that of a server at home."""
    url = url.rstrip("/")
    return url if _URL.fullmatch(url) else "http://127.0.0.1:8000"
