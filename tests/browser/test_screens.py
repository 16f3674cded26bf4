"""The pictures of the README, and what pages look like: ``make screens`` writes docs/screens."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from conftest import DESKTOP, PHONE, Site

LARGEST = 150_000
SCREENS = [
    ("overview", "/console?range=30d", DESKTOP, "light"),
    ("overview-dark", "/console?range=30d", DESKTOP, "dark"),
    ("try", "/console/try?type=10200", DESKTOP, "light"),
    ("phone", "/console?range=30d", PHONE, "light"),
]


def save(page: Page, path: Path) -> None:
    """A small PNG: few colours do for a page."""
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        few = shot.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


@pytest.mark.parametrize(("name", "path", "size", "scheme"), SCREENS)
def test_a_screen_is_drawn_and_small(
    open_page: Callable[..., Page],
    site: Site,
    pytestconfig: pytest.Config,
    tmp_path: Path,
    name: str,
    path: str,
    size: tuple[int, int],
    scheme: str,
) -> None:
    page = open_page(path, size=size, scheme=scheme, language="en", key=site.admin)
    if name == "try":
        page.locator(".use-sample").click()
        page.locator(".preview:not([hidden])").wait_for()
        page.locator("#trial button").click()
        page.locator("#answer .boxes[data-is-fit]").wait_for()
        page.evaluate("scrollTo(0, 0)")
    folder = pytestconfig.getoption("--screens") or tmp_path
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / f"{name}.png"
    save(page, file)
    assert file.stat().st_size < LARGEST
    with Image.open(file) as shot:
        assert shot.size == size
        assert len(shot.convert("RGB").getcolors(1 << 20) or ()) > 20
