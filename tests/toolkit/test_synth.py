"""Drawing is tested with the face that Pillow brings along: no font package is needed."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

pytest.importorskip("cv2", reason="drawing needs the train extra")
pytest.importorskip("fontTools", reason="drawing needs the train extra")

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.synth import Studio, Style, draw_alnum, draw_style, write_sheet
from loupette.toolkit.synth.fonts import FACES, held_out, scan_fonts
from loupette.toolkit.synth.recipes import RECIPES
from loupette.toolkit.synth.shards import list_shards, read_labels, write_shard
from loupette.toolkit.synth.style import BACKGROUNDS, FILLS, INKS, NEGATIVES, OVERLAYS, WARPS
from loupette.toolkit.synth.texts import WRITES


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    (folder / "fonts/latin").mkdir(parents=True)
    (folder / "photos").mkdir()
    face = ImageFont.load_default(20).path
    (folder / "fonts/latin/plain.ttf").write_bytes(face.getvalue())
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "photos/noise.jpg")
    return folder


@pytest.fixture
def studio(assets: Path) -> Studio:
    return Studio(assets, 7)


def test_one_seed_draws_the_same_pictures(assets: Path) -> None:
    one, other = Studio(assets, 3), Studio(assets, 3)
    for _ in range(8):
        text = draw_alnum(one.rng)
        assert text == draw_alnum(other.rng)
        assert np.array_equal(one.draw(list(text)), other.draw(list(text)))


def test_another_seed_draws_others(assets: Path) -> None:
    one, other = Studio(assets, 3).draw(list("abc1")), Studio(assets, 4).draw(list("abc1"))
    assert one.shape != other.shape or not np.array_equal(one, other)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("warp", ["none", "wave"])
def test_every_fill_puts_ink_on_the_page(studio: Studio, fill: str, warp: str) -> None:
    style = replace(
        draw_style(studio.rng, clean=1.0),
        fill=fill,
        warp=warp,
        background="white",
        contrast=150,
        height=40,
        letter=0.6,
        jpeg=0,
        crop=0,
    )
    picture = studio.draw(list("B8"), style)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 40
    assert picture.max() - picture.min() > 40


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_ground_goes_with_every_clutter(
    studio: Studio, background: str, overlay: str
) -> None:
    style = replace(
        draw_style(studio.rng),
        background=background,
        overlays=(overlay,),
        contrast=120,
        load=0.2,
        under=True,
        fill="solid",
        fade=False,
    )
    assert studio.draw(list("A1"), style).ndim == 3


@pytest.mark.parametrize("warp", WARPS)
def test_every_warp_keeps_the_size(studio: Studio, warp: str) -> None:
    style = replace(draw_style(studio.rng, clean=1.0), warp=warp, height=50, letter=0.5, crop=0)
    assert studio.draw(list("Xy7"), style).shape[0] == 50


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_draws_legible_pictures(studio: Studio, name: str) -> None:
    for _ in range(3):
        style = draw_style(studio.rng, recipe=name)
        assert style.recipe == name
        assert style.fill in (*FILLS, "mixed")
        assert style.background in BACKGROUNDS
        assert style.warp in WARPS
        assert style.ink in INKS
        assert style.negative in NEGATIVES
        assert style.writes in WRITES
        assert style.face in FACES
        assert set(style.overlays) <= set(OVERLAYS)
        assert style.height <= 150
    assert studio.draw(list("7k"), replace(style, overlays=())).std() > 3


def test_a_recipe_names_attributes_of_a_style_only() -> None:
    known = {field.name for field in fields(Style)}
    assert not {name for recipe in RECIPES.values() for name in recipe.look} - known


def test_pictures_are_drawn_by_recipes_and_freely() -> None:
    rng = np.random.default_rng(8)
    names = [draw_style(rng).recipe for _ in range(600)]
    assert 0.25 < names.count("free") / len(names) < 0.6
    assert len(set(names)) > 0.8 * len(RECIPES)


def test_styles_kept_for_validation_are_never_drawn_for_training() -> None:
    rng = np.random.default_rng(5)
    kinds = {draw_style(rng).kind for _ in range(300)}
    held = {style.kind for _ in range(60) if (style := draw_style(rng, held=True)).overlays}
    assert held
    assert not kinds & held


def test_a_share_of_families_is_kept_for_validation() -> None:
    kept = sum(held_out(f"family{i}") for i in range(1600))
    assert 60 < kept < 140


def test_a_character_that_no_font_has_is_an_error(studio: Studio) -> None:
    with pytest.raises(LookupError):
        studio.draw(["三"])


def test_texts_are_letters_and_digits_of_captcha_length() -> None:
    rng = np.random.default_rng(2)
    texts = [draw_alnum(rng) for _ in range(500)]
    assert all(text.isalnum() and text.isascii() and 1 <= len(text) <= 10 for text in texts)
    assert 0.2 < np.mean([text.isdigit() for text in texts]) < 0.5


@pytest.mark.parametrize(
    ("writes", "pattern"),
    [
        ("digits", "[0-9]{1,10}"),
        ("numbers", "[0-9]{6,10}"),
        ("words", "[a-z]{3,8}|[A-Z]{3,8}"),
        ("upper", "[A-Z0-9]{1,10}"),
        ("lower", "[a-z0-9]{1,10}"),
        ("mixed", "[A-Za-z0-9]{1,10}"),
    ],
)
def test_a_family_writes_texts_of_its_own(writes: str, pattern: str) -> None:
    rng = np.random.default_rng(2)
    assert all(re.fullmatch(pattern, draw_alnum(rng, writes)) for _ in range(200))


def test_narrow_letters_come_more_often_than_others() -> None:
    rng = np.random.default_rng(5)
    letters = "".join(draw_alnum(rng, "lower") for _ in range(4000)).translate(
        str.maketrans("", "", "0123456789")
    )
    narrow = [letters.count(letter) for letter in "jftr"]  # i and l look like others
    broad = [letters.count(letter) for letter in "mwnd"]
    assert sum(narrow) > 1.1 * sum(broad)


def test_a_picture_is_given_with_the_text_composed_for_its_style(studio: Studio) -> None:
    style = replace(draw_style(studio.rng, clean=1.0), writes="digits", contrast=150)
    _, tokens = studio.write(lambda style: draw_alnum(studio.rng, style.writes), style)
    assert str(tokens).isdigit()


def test_the_strokes_of_a_face_are_measured(tmp_path: Path) -> None:
    plain = ImageFont.load_default(20).path.getvalue()
    (tmp_path / "plain.ttf").write_bytes(plain)
    (face,) = scan_fonts(tmp_path)
    assert 0.05 < face.stroke < 0.3
    # An index of a version that measured less is measured anew.
    index = tmp_path / "index.json"
    known = json.loads(index.read_text())
    index.write_text(json.dumps([{k: v for k, v in known[0].items() if k != "stroke"}]))
    assert scan_fonts(tmp_path) == [face]


def test_nothing_is_drawn_at_the_size_of_a_picture(studio: Studio) -> None:
    assert studio.draw_nothing().shape[2] == 3


def test_a_shard_holds_pictures_and_labels(studio: Studio, tmp_path: Path) -> None:
    alphabet = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz", fold_case=True)
    write_shard(
        tmp_path,
        0,
        lambda: (studio.draw(list("Ab1")), "Ab1"),
        alphabet,
        count=3,
        height=48,
        width=160,
    )
    (images,) = list_shards(tmp_path)
    assert np.load(images).shape == (3, 48, 160, 3)
    assert alphabet.decode(int(code) for code in read_labels(images)[0]) == "ab1"


def test_a_sheet_shows_all_pictures(studio: Studio, tmp_path: Path) -> None:
    write_sheet([studio.draw(["7"])] * 3, ["7"] * 3, tmp_path / "sheet.png", columns=2)
    with Image.open(tmp_path / "sheet.png") as page:
        assert page.size == (400, 168)
