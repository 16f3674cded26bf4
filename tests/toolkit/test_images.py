import numpy as np
import pytest
from PIL import Image

from loupette.toolkit.images import combine_frames, flatten, open_picture, prepare, stretch


def page(background, ink, height=30, width=80):
    rgb = np.full((height, width, 3), background, np.uint8)
    rgb[10:20, 20:40] = ink
    return rgb


def test_flatten_puts_transparent_pixels_on_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 255)
    assert flatten(rgba)[0, 0].tolist() == [10, 20, 30]
    assert flatten(rgba)[1, 1].tolist() == [255, 255, 255]


def test_stretch_uses_the_whole_range():
    result = stretch(page((140, 140, 140), (90, 90, 90)))
    assert result.min() == 0
    assert result.max() == 255


def test_stretch_turns_light_on_dark_around():
    result = stretch(page((10, 10, 10), (230, 230, 230)))
    assert result[0, 0].min() > 200
    assert result[15, 30].max() < 50


def test_stretch_keeps_colours_that_equal_in_luma_apart():
    # Red and green of one luma: in grey there would be nothing to see.
    result = stretch(page((255, 60, 60), (60, 160, 60)))
    assert np.abs(result[0, 0].astype(int) - result[15, 30]).max() > 100


def test_stretch_leaves_a_blank_page_blank():
    assert np.ptp(stretch(np.full((20, 50, 3), 200, np.uint8))) == 0


@pytest.mark.parametrize("size", [(20, 60), (48, 160), (150, 400), (9, 300)])
def test_prepare_gives_the_model_its_size(size):
    noise = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    result = prepare(noise, 48, 160)
    assert result.shape == (48, 160, 3)
    assert result.dtype == np.uint8


def test_combine_frames_gathers_letters_that_fade_in_turn():
    first, second = page((255, 255, 255), (0, 0, 0)), page((255, 255, 255), (255, 255, 255))
    second[5:8, 60:70] = 0
    both = combine_frames(np.stack([first, second]))
    assert both[15, 30].max() == 0
    assert both[6, 65].max() == 0


def test_combine_frames_takes_the_lightest_on_a_dark_ground():
    first, second = page((0, 0, 0), (255, 255, 255)), page((0, 0, 0), (0, 0, 0))
    assert combine_frames(np.stack([second, first]))[15, 30].min() == 255


def test_open_picture_reads_all_frames_of_an_animation(tmp_path):
    pages = [Image.fromarray(page((255, 255, 255), (c, 0, 0))) for c in (0, 90, 180)]
    pages[0].save(tmp_path / "x.gif", save_all=True, append_images=pages[1:])
    picture = open_picture(tmp_path / "x.gif")
    assert picture.frames.shape == (3, 30, 80, 4)
    assert picture.format == "gif"
