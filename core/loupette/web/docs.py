"""The documents of docs/ as pages, offline: Markdown without HTML, links within the server."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from loupette.errors import NotFound
from loupette.web.highlighting import mark
from loupette.web.pages import Language, language_of, show

_BESIDE = Path(__file__).parent / "documents"
FOLDER = _BESIDE if _BESIDE.is_dir() else Path(__file__).parents[3] / "docs"
"""In a wheel beside this file, in a checkout where they are written."""

_INDEX = "index"
_COMMENT = re.compile(r"^ *<!--.*?-->\n?", re.MULTILINE | re.DOTALL)
_OUTSIDE = re.compile(r"[a-z]+:", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """A part of a page, for its table of contents."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Document:
    """One page.

    Attributes:
        title: its first heading.
        body: HTML.
        headings: of the second and third level.
    """

    title: str
    body: Markup
    headings: tuple[Heading, ...]


@dataclass(frozen=True)
class Section:
    """A group of the navigation: what it is called, and its pages by name."""

    title: str
    pages: Mapping[str, str]


async def index(request: Request) -> Response:
    """GET /docs: the documents' own index."""
    return _show(request, _INDEX)


async def document(request: Request) -> Response:
    """GET /docs/{name}: one document."""
    return _show(request, request.path_params["name"])


def _show(request: Request, name: str) -> Response:
    if name not in names() or "." in name:
        raise NotFound(f"there is no document {name[:40]!r}; /docs lists them")
    language = language_of(request)
    return show(
        request,
        "document.html",
        document=read_document(_in(language, name)),
        sections=sections(language),
        name=name,
    )


def _in(language: Language, name: str) -> str:
    """A document's name in a language; most are there once, in English with Chinese terms."""
    translated = f"{name}.{language}"
    return translated if translated in names() else name


@cache
def names() -> frozenset[str]:
    """Of all documents."""
    return frozenset(path.name.removesuffix(".md") for path in FOLDER.glob("*.md"))


@cache
def read_document(name: str) -> Document:
    """A document as HTML."""
    tokens = _markdown().parse(_source(name))
    headings = _mark_headings(tokens)
    _mend_links(tokens, name.partition(".")[0])
    _frame_tables(tokens)
    # HTML in a document is shown as text, as `_markdown` is set up.
    body = Markup(_markdown().renderer.render(tokens, _markdown().options, {}))  # noqa: S704
    title = next((heading.text for heading in headings if heading.level == 1), name)
    return Document(title, body, tuple(h for h in headings if h.level in (2, 3)))


@cache
def sections(language: Language) -> tuple[Section, ...]:
    """The navigation: the lists of links in the index, under the lines before them."""
    found: list[Section] = []
    title = ""
    for block in _source(_in(language, _INDEX)).split("\n\n"):
        if pages := dict(_pairs(block)):
            found.append(Section(title, pages))
        title = block.strip().rstrip(":：")
    return tuple(found)


def _pairs(block: str) -> Sequence[tuple[str, str]]:
    found = re.findall(r"^- \[(.+?)\]\(([\w-]+)(?:\.zh)?\.md\)", block, re.MULTILINE)
    return [(name, text) for text, name in found]


def _source(name: str) -> str:
    """A document without the marks of cog."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return _COMMENT.sub("", text)


def anchor(heading: str) -> str:
    """The fragment that Git hosts give a heading, so that links work in both places."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _mark_headings(tokens: Sequence[Token]) -> list[Heading]:
    found = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = inline.content.replace("`", "")
            opening.attrSet("id", anchor(text))
            found.append(Heading(int(opening.tag[1:]), anchor(text), text))
    return found


def _mend_links(tokens: Sequence[Token], page: str) -> None:
    """Lead to the pages here; what is in the repository only loses its link, not its text."""
    for token in tokens:
        stack: list[Token] = []
        for child in token.children or ():
            if child.type == "link_open":
                stack.append(child)
                target = _target(str(child.attrGet("href") or ""), page)
                if target is None:
                    child.tag, child.attrs = "span", {}
                else:
                    child.attrSet("href", target)
            elif child.type == "link_close":
                child.tag = stack.pop().tag


def _target(link: str, page: str) -> str | None:
    path, _, fragment = link.partition("#")
    if _OUTSIDE.match(link) or not path:
        return link
    name = posixpath.normpath(path).removesuffix(".md")
    if name not in names():
        return None
    name, _, language = name.partition(".")
    if name == page and not fragment:  # itself, in the other language
        return f"?lang={language or 'en'}"
    return ("/docs" if name == _INDEX else f"/docs/{name}") + (f"#{fragment}" if fragment else "")


def _frame_tables(tokens: list[Token]) -> None:
    """A frame that scrolls sideways around each table; a keyboard reaches it too."""
    for place in reversed(range(len(tokens))):
        if tokens[place].type == "table_close":
            tokens.insert(place + 1, Token("frame_close", "div", -1, block=True))
        elif tokens[place].type == "table_open":
            frame = Token("frame_open", "div", 1, block=True)
            frame.attrs = {"class": "frame", "tabindex": "0"}
            tokens.insert(place, frame)


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "highlight": _highlight}).enable("table")


def _highlight(code: str, language: str, _attributes: str) -> str:
    return str(mark(code, language))
