"""axe-core finds nothing serious on any page, light or dark, in both languages."""

from collections.abc import Callable
from pathlib import Path

import pictured
import pytest
from playwright.sync_api import Page, expect

import fakes
from conftest import DESKTOP, PHONE, Site, broken_books, read_again
from serving import ROOT

Opener = Callable[..., Page]

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ACCOUNTS = ["/console", "/console/keys", "/console/logs", "/console/try", "/console/ledger"]
PAGES = [*ACCOUNTS, "/console/types", "/console/login", "/types", "/types/50200",
         "/docs/reference"]  # fmt: skip
NAMES = {path.name.partition(".")[0] for path in (ROOT / "docs").glob("*.md")}
DOCUMENTS = ["/docs", *sorted(f"/docs/{name}" for name in NAMES)]
Look = tuple[str, str, tuple[int, int]]
LOOKS: list[Look] = [
    ("light", "zh-CN", DESKTOP),
    ("dark", "en", DESKTOP),
    ("light", "en", PHONE),
]
LIGHT_AND_DARK: list[Look] = [("light", "zh-CN", DESKTOP), ("dark", "en", PHONE)]


@pytest.fixture
def opened(open_page: Opener, look: Look) -> Opener:
    """Opens a page in one look."""
    scheme, language, size = look

    def make(path: str, key: str | None = None) -> Page:
        return open_page(path, scheme=scheme, language=language, size=size, key=key)

    return make


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people out, with the first place of each."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(AXE)
    found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", TAGS)
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        f" {one['nodes'][0]['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_nobody_out(opened: Opener, site: Site, path: str) -> None:
    assert serious(opened(path, site.admin)) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
@pytest.mark.parametrize("path", ACCOUNTS)
def test_what_an_account_is_shown_keeps_nobody_out(opened: Opener, site: Site, path: str) -> None:
    page = opened(path, site.account)
    expect(page.locator(".who")).to_contain_text("shop")
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_keeps_nobody_out(opened: Opener, path: str) -> None:
    assert serious(opened(path)) == []


@pytest.mark.parametrize("look", LOOKS)
def test_an_answer_and_its_reading_again_keep_nobody_out(opened: Opener, site: Site) -> None:
    page = opened(f"/console/try?type={pictured.PICTURED}", site.admin)
    page.locator(".use-sample").click()
    page.locator(".preview:not([hidden])").wait_for()
    page.locator("#trial button").click()
    page.locator("#answer .characters").wait_for()
    assert serious(page) == []
    page.locator("#answer a").click()
    read_again(page)
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_a_key_that_was_just_made_keeps_nobody_out(opened: Opener, site: Site) -> None:
    page = opened("/console/keys", site.admin)
    page.locator(".create summary").click()
    page.locator("#account").fill("accessible")
    page.locator(".create button").click()
    page.locator(".made code").wait_for()
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_books_that_do_not_add_up_keep_nobody_out(opened: Opener, site: Site) -> None:
    page = opened("/console/ledger", site.admin)
    with broken_books(site):
        page.locator(".head button").click()
        page.locator("#checked .alarm").wait_for()
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/console/logs?since=yesterday", 400),
        ("/console/types", 401),  # an administrator's
        ("/console/logs/LOG20200101000001", 404),
        ("/console/nowhere", 404),
        ("/docs/nowhere", 404),
    ],
)
def test_a_page_that_is_refused_keeps_nobody_out(
    opened: Opener, site: Site, path: str, status: int
) -> None:
    page = opened(path, site.account)
    told = page.reload()
    assert told and told.status == status
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_a_wrong_key_keeps_nobody_out(opened: Opener) -> None:
    page = opened("/console/login")
    page.fill("#key", "ak_wrong")
    with page.expect_response("**/console/login") as told:
        page.press("#key", "Enter")
    assert told.value.status == 401
    page.get_by_role("alert").wait_for()
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_a_form_of_another_session_keeps_nobody_out(opened: Opener, site: Site) -> None:
    page = opened("/console/keys", site.admin)
    page.locator(".create summary").click()
    page.locator("#account").fill("accessible")
    page.locator(".create [name=csrf]").evaluate("(field) => { field.value = 'another'; }")
    with page.expect_response("**/console/keys") as told:
        page.locator(".create button").click()
    assert told.value.status == 403
    page.locator("h1").wait_for()
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_a_fault_of_the_server_keeps_nobody_out(opened: Opener, site: Site) -> None:
    page = opened("/console", site.admin)
    with site.tampered("ALTER TABLE reports RENAME TO gone", "ALTER TABLE gone RENAME TO reports"):
        told = page.goto("/console/logs")
    assert told and told.status == 500
    assert serious(page) == []


@pytest.mark.parametrize("look", LIGHT_AND_DARK)
def test_a_solver_that_fails_keeps_nobody_out(opened: Opener, site: Site) -> None:
    page = opened(f"/console/try?type={fakes.RAISES}", site.admin)
    page.set_input_files(
        "#image",
        {"name": "a.png", "mimeType": "image/png", "buffer": fakes.draw_png(colour="black")},
    )
    page.locator("#trial button").click()
    expect(page.locator("#answer [role=alert]")).to_contain_text("500")
    assert serious(page) == []
