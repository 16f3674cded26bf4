"""Pages: language, what a browser may keep, and errors that people see."""

import re

import pytest
from starlette.testclient import TestClient

import fakes
from loupette.web.pages import STATIC, static_url

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def language(client: TestClient, path: str = "/types", **headers: str) -> str:
    reply = client.get(path, headers=BROWSER | headers)
    (tag,) = re.findall(r'<html lang="([\w-]+)">', reply.text)
    assert reply.headers["Content-Language"] == tag
    return str(tag)


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("", "zh-CN"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh;q=0.3,en;q=0.9", "en"),
        ("fr-FR,en;q=0.5,zh;q=0.4", "en"),
        ("fr", "zh-CN"),
        ("en;q=0", "zh-CN"),
        ("en;q=x, zh", "zh-CN"),
        ("*", "zh-CN"),
        ("," * 5000, "zh-CN"),
    ],
)
def test_the_browser_says_the_language_and_chinese_is_first(
    client: TestClient, wanted: str, tag: str
) -> None:
    assert language(client, **{"Accept-Language": wanted}) == tag


def test_a_visitor_switches_and_the_choice_is_kept(client: TestClient) -> None:
    assert language(client, "/types?lang=en", **{"Accept-Language": "zh"}) == "en"
    assert language(client, "/docs", **{"Accept-Language": "zh"}) == "en"
    assert language(client, "/docs?lang=zh") == "zh-CN"
    client.cookies.clear()


def test_the_cookie_is_for_the_server_alone(client: TestClient) -> None:
    cookie = client.get("/types?lang=en", headers=BROWSER).headers["set-cookie"]
    client.cookies.clear()
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    secure = TestClient(client.app, base_url="https://testserver")
    assert "Secure" in secure.get("/types?lang=en", headers=BROWSER).headers["set-cookie"]


@pytest.mark.parametrize("path", ["/types?lang=xx", '/types?lang="><b>', "/types"])
def test_what_is_no_language_is_neither_kept_nor_shown(client: TestClient, path: str) -> None:
    reply = client.get(path, headers=BROWSER)
    assert "set-cookie" not in reply.headers
    assert "<b>" not in reply.text


def test_the_switch_keeps_the_rest_of_the_query(client: TestClient) -> None:
    text = client.get('/types?a=1&lang=zh&b="><b>', headers=BROWSER).text
    client.cookies.clear()
    assert 'href="?a=1&amp;b=%22%3E%3Cb%3E&amp;lang=en"' in text


@pytest.mark.parametrize("path", ["/types", f"/types/{fakes.ECHO}", "/docs", "/docs/reference"])
def test_both_languages_say_all_in_one(client: TestClient, path: str) -> None:
    """The menu, to name one, is Chinese or English, never both."""
    english = client.get(path, headers=BROWSER | {"Accept-Language": "en"}).text
    assert ">Docs</a>" in english and ">文档</a>" not in english
    chinese = client.get(path, headers=BROWSER).text
    assert ">文档</a>" in chinese and ">Docs</a>" not in chinese


def test_an_error_is_a_page_for_people_and_json_for_programs(client: TestClient) -> None:
    page = client.get("/<b>no", headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<b>" not in page.text
    assert client.get("/no").json()["error"]["reason"] == "not_found"


def test_the_api_answers_in_json_whoever_asks(client: TestClient) -> None:
    reply = client.get("/api/v1/balance", headers=BROWSER)
    assert (reply.status_code, reply.json()["code"]) == (401, 401)


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.iterdir()))
def test_a_file_of_a_page_is_kept_until_it_changes(client: TestClient, name: str) -> None:
    first = client.get(static_url(name))
    assert first.content == (STATIC / name).read_bytes()
    assert first.headers["cache-control"] == "public, max-age=3600"
    again = client.get(static_url(name), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "", "no.css"])
def test_no_other_file_is_given_out(client: TestClient, path: str) -> None:
    reply = client.get(f"/static/{path}")
    assert reply.status_code == 404
    assert reply.json()["error"]["reason"] == "not_found"


def test_the_files_of_pages_name_no_other_server() -> None:
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://|@import|url\(", text) == [], path.name
