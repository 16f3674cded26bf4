"""What a text picture goes through before a model sees it; the same in training and in serving."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence

from loupette.plugin import Picture

Pixels = npt.NDArray[np.uint8]

MOST_FRAMES = 32
"""Frames of an animation that are looked at."""

DARK_MEDIAN = 110.0
"""A picture whose median luma is below this counts as light ink on dark and is inverted."""

LINE_ASPECTS = (0.5, 16.0)
"""Width over height of what can be one line of text; no model here has seen others."""

LINE_HEIGHT = 8
"""Pixels of the lowest line in which letters can be told apart."""

_BLANK_RANGE = 10
"""A picture with fewer levels between its lowest and highest 0.5 % of values is blank."""

_MIN_RANGE = 40.0
"""Stretching a range smaller than this would blow noise up into shapes."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def luma(rgb: Pixels) -> npt.NDArray[np.float32]:
    """Brightness as ITU-R BT.601 weighs the colours.

    Args:
        rgb: uint8, (height, width, 3).

    Returns:
        float32, (height, width), 0..255.
    """
    grey: npt.NDArray[np.float32] = rgb.astype(np.float32) @ _LUMA
    return grey


def value_range(rgb: Pixels, *, tail: int = 100) -> tuple[int, int]:
    """The range of a picture's values without its extremes.

    Counts values instead of sorting them: 0.03 ms for 80x80 pixels, not 0.25.

    Args:
        rgb: uint8, any shape.
        tail: one value of so many is left out at either end.

    Returns:
        The lowest and the highest value that is left, 0..255.
    """
    below = np.bincount(rgb.reshape(-1), minlength=256).cumsum()
    skipped = rgb.size // tail
    low, high = below.searchsorted((skipped, rgb.size - 1 - skipped), side="right").tolist()
    return low, high


def is_blank(rgb: Pixels) -> bool:
    """Whether a picture has nothing to read on it, but for a few specks.

    Args:
        rgb: uint8, (height, width, 3).
    """
    # One pixel in 16 shows of most pictures that they are not.
    low, high = value_range(np.ascontiguousarray(rgb[::4, ::4]), tail=50)
    if high - low >= _BLANK_RANGE:
        return False
    low, high = value_range(rgb, tail=200)
    return high - low < _BLANK_RANGE


def is_line_shaped(width: int, height: int) -> bool:
    """Whether a picture of this size, in pixels, can be one line of text."""
    return height >= LINE_HEIGHT and LINE_ASPECTS[0] <= width / height <= LINE_ASPECTS[1]


def is_dark(rgb: Pixels, *, below: float = DARK_MEDIAN) -> bool:
    """Whether a picture counts as light ink on a dark ground: by the median of its luma.

    Args:
        rgb: uint8, (height, width, 3).
        below: largest luma of a dark ground.
    """
    # One pixel in eight shows of most pictures that they are light.
    some = luma(rgb[::4, ::2])
    if np.count_nonzero(some < below) < 0.25 * some.size:
        return False
    every = luma(rgb)
    # To count is quicker than to take the median, and leaves open only where halves are equal.
    twice = 2 * np.count_nonzero(every < below)
    return bool(twice > every.size or (twice == every.size and np.median(every) < below))


def stretch(rgb: Pixels) -> Pixels:
    """Spread the contrast over 0..255 and make the background the light side.

    All three channels share one range (1st to 99th percentile of all values), so colours keep
    their relation: coloured ink that equals its background in luma stays distinct.

    Args:
        rgb: uint8, (height, width, 3).

    Returns:
        uint8, (height, width, 3).
    """
    low, high = value_range(rgb)
    gain = 255.0 / max(high - low, _MIN_RANGE)
    levels = ((np.arange(256) - low) * gain).clip(0, 255)
    if is_dark(rgb, below=min(DARK_MEDIAN, (low + high) / 2)):
        levels = 255.0 - levels
    table = np.rint(levels).astype(np.uint8).tobytes()
    return np.frombuffer(bytearray(rgb).translate(table), np.uint8).reshape(rgb.shape)


def resize(rgb: Pixels, height: int, width: int) -> Pixels:
    """Scale to a fixed size, averaging where it shrinks.

    Args:
        rgb: uint8, (any height, any width, 3).
        height: pixels.
        width: pixels; the aspect is not kept (measured: equal to keeping it, and cheaper).

    Returns:
        uint8, (height, width, 3).
    """
    if rgb.shape[:2] == (height, width):
        return rgb
    scaled = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(scaled)


def prepare(rgb: Pixels, height: int, width: int) -> Pixels:
    """The whole path from a picture on white to a model's input.

    Args:
        rgb: uint8, (any height, any width, 3).
        height: the model's input height.
        width: the model's input width.

    Returns:
        uint8, (height, width, 3).
    """
    return resize(stretch(rgb), height, width)


def combine_frames(frames: Pixels) -> Pixels:
    """One picture of an animation: of each pixel the frame that is farthest from the ground.

    So letters are gathered that show in turn, blink or fade, whatever their colour. Frames on a
    dark ground are turned round first, so an animation that flips reads as one that does not.
    What moves over letters that stay is gathered too: `median_frame` is rid of it. The darkest of
    each pixel loses light letters, the median and the mean lose what shows in few frames:
    tests/toolkit/test_images.py draws each case.

    Args:
        frames: uint8, (count, height, width, 3), on white.

    Returns:
        uint8, (height, width, 3), light ground first; a single frame as it is.
    """
    if len(frames) == 1:
        only: Pixels = frames[0]
        return only
    upright = _upright(frames)
    ground = np.median(upright.reshape(-1, 3), axis=0).astype(np.int16)
    combined, farthest = upright[0].copy(), _distance(upright[0], ground)
    for frame in upright[1:]:
        distance = _distance(frame, ground)
        stands_out = distance > farthest
        combined[stands_out] = frame[stands_out]
        farthest[stands_out] = distance[stands_out]
    return combined


def median_frame(frames: Pixels) -> Pixels:
    """What stays in an animation: of each pixel the median, so that moving noise goes.

    Args:
        frames: uint8, (count, height, width, 3), on white.

    Returns:
        uint8, (height, width, 3), light ground first.
    """
    return np.median(_upright(frames), axis=0).astype(np.uint8)


def _upright(frames: Pixels) -> Pixels:
    """The frames, those on a dark ground turned round."""
    return np.stack([255 - frame if is_dark(frame) else frame for frame in frames])


def _distance(frame: Pixels, colour: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """How far each pixel is from a colour: the sum over the channels."""
    distance: npt.NDArray[np.int16] = np.abs(frame - colour).sum(axis=2, dtype=np.int16)
    return distance


def open_picture(path: Path) -> Picture:
    """Read an image file as the engine would hand it to a solver; for training and measuring.

    Args:
        path: PNG, JPEG, GIF, WebP or BMP.
    """
    with Image.open(path) as image:
        kind = (image.format or "png").lower()
        frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    return Picture(np.stack(frames[:MOST_FRAMES]), kind)
