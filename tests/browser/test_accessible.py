"""axe-core finds nothing serious on any page, light or dark, in both languages."""

from collections.abc import Callable
from pathlib import Path

import pictured
import pytest
from playwright.sync_api import Page

from conftest import DESKTOP, PHONE, Site

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = ["/console", "/console/keys", "/console/logs", "/console/types", "/console/try",
         "/console/ledger", "/console/login", "/types", "/types/50200", "/docs",
         "/docs/reference"]  # fmt: skip
LOOKS = [("light", "zh-CN", DESKTOP), ("dark", "en", DESKTOP), ("light", "en", PHONE)]


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people out, with the first place of each."""
    page.evaluate(AXE)
    found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", TAGS)
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        f" {one['nodes'][0]['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def open_all(page: Page) -> None:
    """What is folded away is looked at too."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_nobody_out(
    open_page: Callable[..., Page],
    site: Site,
    path: str,
    scheme: str,
    language: str,
    size: tuple[int, int],
) -> None:
    page = open_page(path, scheme=scheme, language=language, size=size, key=site.admin)
    open_all(page)
    assert serious(page) == []


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
def test_an_answer_keeps_nobody_out(
    open_page: Callable[..., Page],
    site: Site,
    scheme: str,
    language: str,
    size: tuple[int, int],
) -> None:
    page = open_page(
        f"/console/try?type={pictured.PICTURED}",
        scheme=scheme,
        language=language,
        size=size,
        key=site.admin,
    )
    page.locator(".use-sample").click()
    page.locator(".preview:not([hidden])").wait_for()
    page.locator("#trial button").click()
    page.locator("#answer .characters").wait_for()
    open_all(page)
    assert serious(page) == []
    page.locator("#answer a").click()
    page.locator("h1").wait_for()
    assert serious(page) == []
