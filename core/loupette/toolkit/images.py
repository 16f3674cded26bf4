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

_MIN_RANGE = 40.0
"""Stretching a range smaller than this would blow noise up into shapes."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def flatten(rgba: Pixels) -> Pixels:
    """Put a picture with alpha on white.

    Args:
        rgba: uint8, (height, width, 4).

    Returns:
        uint8, (height, width, 3), RGB.
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    blended = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def luma(rgb: Pixels) -> npt.NDArray[np.float32]:
    """Brightness as ITU-R BT.601 weighs the colours.

    Args:
        rgb: uint8, (height, width, 3).

    Returns:
        float32, (height, width), 0..255.
    """
    grey: npt.NDArray[np.float32] = rgb.astype(np.float32) @ _LUMA
    return grey


def stretch(rgb: Pixels) -> Pixels:
    """Spread the contrast over 0..255 and make the background the light side.

    All three channels share one range (1st to 99th percentile of all values), so colours keep
    their relation: coloured ink that equals its background in luma stays distinct.

    Args:
        rgb: uint8, (height, width, 3).

    Returns:
        uint8, (height, width, 3).
    """
    ordered = np.sort(rgb, axis=None)
    low = float(ordered[len(ordered) // 100])
    high = float(ordered[len(ordered) - 1 - len(ordered) // 100])
    gain = 255.0 / max(high - low, _MIN_RANGE)
    levels = np.clip((np.arange(256) - low) * gain, 0, 255)
    if np.median(luma(rgb)) < (low + high) / 2 and np.median(luma(rgb)) < DARK_MEDIAN:
        levels = 255.0 - levels
    stretched: Pixels = np.rint(levels).astype(np.uint8)[rgb]
    return stretched


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
    """One picture of an animation in which letters fade in and out: the darkest of each pixel.

    Args:
        frames: uint8, (count, height, width, 3), on white.

    Returns:
        uint8, (height, width, 3); the lightest of each pixel where the background is dark.
    """
    if len(frames) == 1:
        only: Pixels = frames[0]
        return only
    dark = np.median(luma(frames[0])) < DARK_MEDIAN
    combined: Pixels = frames.max(axis=0) if dark else frames.min(axis=0)
    return combined


def open_picture(path: Path) -> Picture:
    """Read an image file as the engine would hand it to a solver; for training and measuring.

    Args:
        path: PNG, JPEG, GIF, WebP or BMP.
    """
    with Image.open(path) as image:
        kind = (image.format or "png").lower()
        frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    return Picture(np.stack(frames[:MOST_FRAMES]), kind)
