"""Own fonts are all drawn with: none is held back, and each is a family of its own."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("fontTools")

from loupette.toolkit.synth.fonts import family_of, held_out


@pytest.fixture(scope="module")
def own_fonts() -> ModuleType:
    path = Path(__file__).parents[1] / "training" / "own_fonts.py"
    spec = importlib.util.spec_from_file_location("alnum_own_fonts", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_font_is_left_out(own_fonts: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "fonts"
    (source / "more").mkdir(parents=True)
    for number in range(40):
        (source / f"Face-{number}.ttf").touch()
    (source / "more/Other.OTF").touch()
    (source / "licence.txt").touch()
    assert own_fonts.link_fonts(source, tmp_path / "links") == 41
    links = list((tmp_path / "links").iterdir())
    assert len({family_of(link) for link in links}) == 41
    assert not any(held_out(family_of(link)) for link in links)


def test_fonts_of_before_are_gone(own_fonts: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.ttf").touch()
        own_fonts.link_fonts(tmp_path / name, tmp_path / "links")
    (link,) = (tmp_path / "links").iterdir()
    assert link.resolve() == tmp_path / "two/two.ttf"
