"""Cutting the piece out of its image, and sliding it over the background."""

import numpy as np
import pytest

from loupette_slider.matching import cut_piece, find_places

from .conftest import Pixels

Rng = np.random.Generator


@pytest.fixture
def rng() -> Rng:
    return np.random.default_rng(3)


def disc(size: int) -> Pixels:
    ys, xs = np.mgrid[0:size, 0:size] - (size - 1) / 2
    rgba = np.full((size, size, 4), 120, np.uint8)
    rgba[..., 3] = np.where(np.hypot(xs, ys) <= size / 2, 255, 0)
    return rgba


def dented(rng: Rng, *, x: int, y: int, size: int, rate: float) -> tuple[Pixels, Pixels]:
    """A smooth random background with a disc-shaped gap, and the disc cut from it."""
    ys, xs = np.mgrid[0:160, 0:320]
    waves = sum(np.sin(xs * a + ys * b + c) for a, b, c in rng.uniform(0.01, 0.12, (4, 3)))
    base = np.repeat((130 + 25 * np.asarray(waves))[..., None], 3, axis=2)
    piece = disc(size)
    piece[..., :3] = base[y : y + size, x : x + size].astype(np.uint8)
    inside = piece[..., 3:] > 0
    base[y : y + size, x : x + size] *= np.where(inside, rate, 1.0)
    return np.clip(base, 0, 255).astype(np.uint8), piece


def test_cut_piece_crops_to_the_opaque_part() -> None:
    rgba = np.zeros((60, 70, 4), np.uint8)
    rgba[20:50, 10:42, 3] = 255
    piece = cut_piece(rgba, 160)
    assert piece is not None
    assert (piece.x, piece.y, piece.mask.shape, piece.row) == (10, 20, (30, 32), None)


def test_cut_piece_reads_the_row_of_a_full_height_strip() -> None:
    rgba = np.zeros((160, 60, 4), np.uint8)
    rgba[90:130, 5:45, 3] = 255
    piece = cut_piece(rgba, 160)
    assert piece is not None and piece.row == 90


def test_cut_piece_leaves_a_faint_shadow_out() -> None:
    rgba = np.zeros((60, 60, 4), np.uint8)
    rgba[5:55, 5:55, 3] = 90
    rgba[10:50, 10:50, 3] = 255
    piece = cut_piece(rgba, 160)
    assert piece is not None and piece.mask.shape == (40, 40)


def test_cut_piece_of_an_opaque_image_leaves_its_border_out() -> None:
    rgba = np.full((60, 60, 4), 255, np.uint8)
    rgba[10:50, 12:48, :3] = 40
    piece = cut_piece(rgba, 160)
    assert piece is not None and (piece.x, piece.y, piece.mask.shape) == (12, 10, (40, 36))


@pytest.mark.parametrize("alpha", [0, 9])
def test_cut_piece_gives_none_for_a_transparent_image(alpha: int) -> None:
    rgba = np.full((50, 50, 4), alpha, np.uint8)
    assert cut_piece(rgba, 160) is None


@pytest.mark.parametrize("rate", [0.45, 1.5])
def test_best_place_is_the_gap_dark_or_bright(rng: Rng, rate: float) -> None:
    image, rgba = dented(rng, x=201, y=57, size=44, rate=rate)
    piece = cut_piece(rgba, 160)
    assert piece is not None
    best = max(find_places(image, piece), key=lambda place: place.outline)
    assert abs(best.x - 201) <= 1 and abs(best.y - 57) <= 1
    assert best.content > 0.9


@pytest.mark.parametrize("size", [26, 39, 40, 71])
@pytest.mark.parametrize(("x", "y"), [(117, 33), (118, 34), (0, 0)])
def test_best_place_is_the_gap_large_or_small(rng: Rng, size: int, x: int, y: int) -> None:
    image, rgba = dented(rng, x=x, y=y, size=size, rate=0.5)
    piece = cut_piece(rgba, 160)
    assert piece is not None
    best = find_places(image, piece)[0]
    assert abs(best.x - x) <= 1 and abs(best.y - y) <= 1


@pytest.mark.parametrize("size", [30, 45, 46])
@pytest.mark.parametrize(("height", "width"), [(160, 320), (151, 311)])
def test_best_place_is_the_gap_in_the_last_corner(
    rng: Rng, size: int, height: int, width: int
) -> None:
    x, y = width - size, height - size
    image, rgba = dented(rng, x=x, y=y, size=size, rate=0.5)
    piece = cut_piece(rgba, height)
    assert piece is not None
    places = find_places(image[:height, :width], piece)
    assert abs(places[0].x - x) <= 1 and abs(places[0].y - y) <= 1
    assert all(place.x <= x and place.y <= y for place in places)


@pytest.mark.parametrize("size", [30, 44])
def test_outline_tells_how_dark_the_gap_is_up_to_one(size: int) -> None:
    def outline(rate: float) -> float:
        image, rgba = dented(np.random.default_rng(3), x=150, y=60, size=size, rate=rate)
        piece = cut_piece(rgba, 160)
        assert piece is not None
        return find_places(image, piece)[0].outline

    assert 0.0 < outline(0.9) < outline(0.6) < outline(0.0) <= 1.0


def test_content_is_of_one_sense(rng: Rng) -> None:
    image, rgba = dented(rng, x=150, y=60, size=44, rate=0.5)
    negative = rgba.copy()
    negative[..., :3] = 255 - rgba[..., :3]
    contents = []
    for pixels in (rgba, negative):
        piece = cut_piece(pixels, 160)
        assert piece is not None
        contents.append(find_places(image, piece)[0].content)
    assert contents[0] > 0.9 and contents[1] < -0.5


def test_places_of_a_strip_stay_in_its_row(rng: Rng) -> None:
    image, rgba = dented(rng, x=150, y=80, size=44, rate=0.5)
    tall = np.zeros((160, 50, 4), np.uint8)
    tall[80:124, 3:47] = rgba
    piece = cut_piece(tall, 160)
    assert piece is not None
    places = find_places(image, piece)
    assert all(abs(place.y - 80) <= 2 for place in places)
    assert abs(places[0].x - 150) <= 1


def test_plain_piece_has_no_content_score(rng: Rng) -> None:
    image, _ = dented(rng, x=150, y=80, size=44, rate=0.5)
    piece = cut_piece(disc(44), 160)
    assert piece is not None
    assert {place.content for place in find_places(image, piece)} == {0.0}
