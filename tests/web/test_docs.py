"""The documents as pages."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from loupette.web import docs
from loupette.web.samples import read_sample

BROWSER = {"Accept": "text/html"}
NAMES = sorted(name for name in docs.names() if "." not in name)


class Links(HTMLParser):
    """What a page links to, and what can be linked to on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag == "a" and facts.get("href"):
            self.targets.append(str(facts["href"]))
        if facts.get("id"):
            self.anchors.add(str(facts["id"]))


def page(client: TestClient, path: str, *, language: str = "en") -> str:
    reply = client.get(path, headers=BROWSER | {"Accept-Language": language})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return reply.text


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_document_leads_somewhere(client: TestClient, name: str) -> None:
    path = "/docs" if name == "index" else f"/docs/{name}"
    found = Links(page(client, path))
    for target in found.targets:
        if target.startswith(("http://127.0.0.1:8000", "https://", "?")):
            continue
        where, _, fragment = target.partition("#")
        linked = client.get(where, headers=BROWSER) if where else None
        assert linked is None or linked.status_code == 200, target
        anchors = Links(linked.text).anchors if linked else found.anchors
        assert not fragment or unquote(fragment) in anchors, target
    client.cookies.clear()


def test_every_document_is_in_the_menu_in_both_languages(client: TestClient) -> None:
    for language in ("zh", "en"):
        text = page(client, "/docs", language=language)
        missing = [name for name in NAMES if f'href="/docs/{name}"' not in text]
        assert missing == ["index"]


def test_a_document_is_shown_in_the_visitors_language_where_it_is_there(client: TestClient) -> None:
    assert "<h1 id=" in page(client, "/docs/quickstart", language="zh")
    assert "首次启动" in page(client, "/docs/quickstart", language="zh")
    assert "The first start" in page(client, "/docs/quickstart", language="en")
    assert "首次启动" not in page(client, "/docs/quickstart", language="en")
    assert "参数错误" in page(client, "/docs/errors", language="zh")


def test_a_document_links_to_itself_in_the_other_language(client: TestClient) -> None:
    assert '<a href="?lang=zh">中文</a>' in page(client, "/docs/quickstart", language="en")
    assert '<a href="?lang=en">English</a>' in page(client, "/docs/quickstart", language="zh")


@pytest.mark.parametrize(
    "name", ["no", "quickstart.zh", "..", "generate.py", "http-api.md", "<b>", "x" * 500]
)
def test_what_is_no_document_is_not_found(client: TestClient, name: str) -> None:
    reply = client.get(f"/docs/{name}", headers=BROWSER)
    assert reply.status_code == (404 if name != ".." else 200)
    assert "<b>" not in reply.text


def test_html_in_a_document_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.md").write_text(
        "# <i>One</i>\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n\n"
        "```html\n<img src=x onerror=alert(1)>\n```\n\n| <b> |\n|---|\n| <u> |\n"
    )
    monkeypatch.setattr(docs, "FOLDER", tmp_path)
    body = docs.read_document("evil").body
    assert re.findall(r"<(?!/)(\w+)", re.sub(r"<span[^>]*>", "", body)) == [
        "h1", "p", "p", "pre", "code", "div", "table", "thead", "tr", "th", "tbody", "tr", "td",
    ]  # fmt: skip
    assert "href" not in body


def test_marks_of_the_generator_are_not_shown(client: TestClient) -> None:
    for name in NAMES:
        text = page(client, "/docs" if name == "index" else f"/docs/{name}")
        assert "[[[" not in text and "&lt;!--" not in text


def test_what_lies_in_the_repository_only_is_no_link(client: TestClient) -> None:
    text = page(client, "/docs/accuracy")
    assert "registry.toml" in text
    assert "../registry.toml" not in text


def test_code_has_its_words_marked_and_stays_what_it_is(client: TestClient) -> None:
    text = page(client, "/docs/http-api")
    (shown,) = re.findall(r'<pre><code class="language-python">(.*?)</code></pre>', text, re.DOTALL)
    assert '<span class="kn">import</span>' in shown
    assert html.unescape(re.sub(r"<[^>]+>", "", shown)) == read_sample("python").rstrip("\n")


def test_a_page_has_a_table_of_contents(client: TestClient) -> None:
    text = page(client, "/docs/http-api")
    assert '<a href="#options-addition">options (addition)</a>' in text
