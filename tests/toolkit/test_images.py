import numpy as np
import pytest
from PIL import Image

from loupette.toolkit.images import (
    combine_frames,
    is_blank,
    is_dark,
    is_line_shaped,
    median_frame,
    open_picture,
    prepare,
    stretch,
    value_range,
)


def page(background, ink, height=30, width=80):
    rgb = np.full((height, width, 3), background, np.uint8)
    rgb[10:20, 20:40] = ink
    return rgb


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


@pytest.mark.parametrize("seed", range(20))
def test_stretch_gives_what_models_were_trained_on(seed):
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(0, 256, 2))
    rgb = rng.integers(low, high + 1, (*rng.integers(1, 40, 2), 3)).astype(np.uint8)
    ordered = np.sort(rgb, axis=None)
    low, high = (float(ordered[at]) for at in (rgb.size // 100, -1 - rgb.size // 100))
    levels = np.clip((np.arange(256) - low) * (255.0 / max(high - low, 40.0)), 0, 255)
    grey = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    if np.median(grey) < min(110.0, (low + high) / 2):
        levels = 255.0 - levels
    assert np.array_equal(stretch(rgb), np.rint(levels).astype(np.uint8)[rgb])


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


PAPER, INK = (240, 235, 230), (30, 20, 90)
COLUMNS = [slice(5 + 15 * letter, 15 + 15 * letter) for letter in range(5)]


def lettered(shown, paper=PAPER, ink=INK):
    """A page with some of five letters."""
    rgb = np.full((30, 80, 3), paper, np.uint8)
    for letter in shown:
        rgb[8:22, COLUMNS[letter]] = ink
    return rgb


def stripe(rgb, row):
    noisy = rgb.copy()
    noisy[row : row + 3] = INK
    return noisy


WHOLE = lettered(range(5))


@pytest.mark.parametrize(
    "shown",
    [
        [[0], [1], [2], [3], [4]],
        [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]],
        [[], [0, 1, 2, 3, 4], [], []],
        [[0, 1, 2, 3, 4], [1, 2, 3, 4], [0, 2, 3, 4]],
        [[frame // 4] for frame in range(20)],
    ],
    ids=["in turn", "as typed", "blinking", "one missing", "slowly"],
)
def test_combine_frames_gathers_every_letter_of_an_animation(shown):
    frames = np.stack([lettered(letters) for letters in shown])
    assert np.array_equal(combine_frames(frames), WHOLE)


def test_combine_frames_turns_light_letters_on_dark_round():
    frames = np.stack([lettered([letter], (10, 10, 10), (250, 250, 0)) for letter in range(5)])
    expected = lettered(range(5), (245, 245, 245), (5, 5, 255))
    assert np.array_equal(combine_frames(frames), expected)


def test_combine_frames_sees_through_a_flip_of_light_and_dark():
    assert np.array_equal(combine_frames(np.stack([255 - WHOLE, WHOLE, 255 - WHOLE])), WHOLE)


def test_combine_frames_gathers_letters_lighter_and_darker_than_the_ground():
    grey = (150, 150, 150)
    light, dark = lettered([0, 1], grey, (250, 250, 250)), lettered([3], grey, (40, 40, 40))
    combined = combine_frames(np.stack([light, dark]))
    assert [int(combined[15, columns].mean()) for columns in COLUMNS] == [250, 250, 150, 40, 150]


def test_combine_frames_keeps_letters_that_fade():
    faint = [lettered(range(5), ink=(level,) * 3) for level in (200, 90, 160)]
    assert np.array_equal(combine_frames(np.stack(faint)), faint[1])


def test_combine_frames_leaves_a_still_as_it_is():
    assert np.array_equal(combine_frames((255 - WHOLE)[None]), 255 - WHOLE)


def test_median_frame_is_rid_of_what_moves():
    frames = np.stack([stripe(WHOLE, row) for row in range(0, 30, 5)])
    assert np.array_equal(median_frame(frames), WHOLE)
    assert not np.array_equal(combine_frames(frames), WHOLE)


@pytest.mark.parametrize("seed", range(5))
def test_value_range_is_that_of_the_sorted_values(seed):
    values = np.random.default_rng(seed).integers(seed, 200 + seed, (7 + seed, 31, 3), np.uint8)
    ordered, skipped = np.sort(values, axis=None), values.size // 100
    assert value_range(values) == (ordered[skipped], ordered[-1 - skipped])


@pytest.mark.parametrize("level", [0, 109, 110, 255])
def test_is_dark_goes_by_the_median(level):
    rgb = np.full((6, 6, 3), 255 - level, np.uint8)
    rgb[:4] = level
    assert is_dark(rgb) == (level < 110)


@pytest.mark.parametrize(("upper", "dark"), [(150, True), (160, False), (200, False)])
def test_is_dark_takes_the_middle_where_halves_are_equal(upper, dark):
    rgb = np.full((6, 6, 3), 60, np.uint8)
    rgb[:3] = upper
    assert is_dark(rgb) == (np.median(rgb) < 110) == dark


def test_stretch_takes_a_part_of_a_picture():
    part = page((140, 140, 140), (90, 90, 90))[:, 15:60]
    assert np.array_equal(stretch(part), stretch(part.copy()))
    assert stretch(part).flags.writeable


def test_a_few_specks_leave_a_page_blank():
    rgb = np.full((60, 160, 3), 200, np.uint8)
    rgb[5, 5:9] = 0
    assert is_blank(rgb)
    assert not is_blank(WHOLE)


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [(160, 60, True), (80, 160, True), (1, 1, False), (4000, 30, False), (30, 90, False)],
)
def test_lines_are_told_by_their_shape(width, height, fits):
    assert is_line_shaped(width, height) == fits


def test_open_picture_reads_all_frames_of_an_animation(tmp_path):
    pages = [Image.fromarray(page((255, 255, 255), (c, 0, 0))) for c in (0, 90, 180)]
    pages[0].save(tmp_path / "x.gif", save_all=True, append_images=pages[1:])
    picture = open_picture(tmp_path / "x.gif")
    assert picture.frames.shape == (3, 30, 80, 4)
    assert picture.format == "gif"
