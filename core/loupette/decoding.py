"""Untrusted text and bytes to a `Picture`: limits first, decoding after."""

import io
import re
import string
import warnings
from dataclasses import dataclass

import numpy as np
import pybase64
from PIL import Image, UnidentifiedImageError

from loupette.errors import (
    BadBase64,
    BadImage,
    BrokenImage,
    ImageTooLarge,
    NotAnImage,
    TooManyFrames,
)
from loupette.plugin import Picture, Pixels

_MAGIC = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "bmp": re.compile(rb"BM"),
}
FORMATS = tuple(_MAGIC)


@dataclass(frozen=True)
class ImageLimits:
    """What one posted image may be.

    Attributes:
        max_bytes: of the file.
        max_side_px: of width and of height.
        max_pixels: width times height times frames.
        max_frames: of an animation.
    """

    max_bytes: int = 2 * 1024 * 1024
    max_side_px: int = 8192
    max_pixels: int = 8_000_000
    max_frames: int = 64


LIMITS = ImageLimits()


def decode_base64(text: str, *, limits: ImageLimits = LIMITS) -> bytes:
    """Decode base64 as people really send it.

    A ``data:`` prefix, white space, the url-safe alphabet (RFC 4648 section 5), missing padding
    and percent-encoding are all accepted.

    Raises:
        BadBase64: anything else.
        ImageTooLarge: more bytes than the limit.
    """
    if len(text) > limits.max_bytes * 4:
        raise ImageTooLarge(f"the image may have {limits.max_bytes} bytes")
    try:
        data = pybase64.b64decode(text, validate=True)  # as most send it; the rest takes ten times
    except ValueError:
        data = _decode_loosely(text)
    if not data:
        raise BadBase64("the image decodes to no bytes at all")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"the image has {len(data)} bytes, at most {limits.max_bytes} are taken"
        )
    return data


def _decode_loosely(text: str) -> bytes:
    if "%" in text:
        text = _unescape(text)
    if text.lstrip()[:5].lower() == "data:":
        text = text.partition(",")[2]
    text = text.translate(_TO_STANDARD).rstrip("=")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise BadBase64(
            "the image must be base64 of the file's bytes, with or without a data: prefix"
        ) from error


_TO_STANDARD = str.maketrans("-_", "+/", string.whitespace)
_ESCAPED = "+/=:;, \t\r\n"


def _unescape(text: str) -> str:
    """Undo the percent-encoding of what base64 and a data: prefix may have; the rest stays.

    Ten replacements take 60 ms for 8 MB of escapes, unquoting any escape took 2 s.
    """
    for character in _ESCAPED:
        escape = f"%{ord(character):02X}"
        text = text.replace(escape, character).replace(escape.lower(), character)
    return text


def decode_picture(data: bytes, *, limits: ImageLimits = LIMITS) -> Picture:
    """Decode an image file.

    Args:
        data: bytes of a PNG, JPEG, GIF, WebP or BMP file.
        limits: checked against the header before any pixel is decoded.

    Raises:
        NotAnImage: begins like no accepted format.
        ImageTooLarge: over a byte, side or pixel limit.
        TooManyFrames: an animation over the limit.
        BrokenImage: truncated or damaged.
    """
    format_ = sniff(data)
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"the image has {len(data)} bytes, at most {limits.max_bytes} are taken"
        )
    try:
        with Image.open(io.BytesIO(data), formats=[format_]) as image:
            _check_size(image, limits)
            return Picture(np.array(_read_frames(image, limits)), format_)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"the image may have {limits.max_pixels} pixels") from error
    except UnidentifiedImageError as error:
        raise BrokenImage(f"the {format_} header is damaged") from error
    except BadImage:
        raise
    # Pillow's parsers raise anything on hostile bytes (struct.error, too); it all means the same.
    except Exception as error:
        raise BrokenImage(f"the {format_} data is truncated or damaged: {error}") from error


def heed_warnings() -> None:
    """Make of Pillow's warnings errors where they tell of a bomb, and nothing where of oddities.

    Once for a process, by whoever is going to decode: the filters are the process's own, and to
    change them for each picture would let threads see each other's, and leave some behind.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def sniff(data: bytes) -> str:
    """The format that the first bytes are of.

    Raises:
        NotAnImage: none that is accepted.
    """
    for name, magic in _MAGIC.items():
        if magic.match(data):
            return name
    raise NotAnImage(f"the bytes are none of {', '.join(FORMATS)}")


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    if image.width < 1 or image.height < 1:
        raise BrokenImage(f"the image is {image.width}x{image.height} pixels")
    if max(image.size) > limits.max_side_px:
        raise ImageTooLarge(
            f"a side is {max(image.size)} px, at most {limits.max_side_px} is taken"
        )
    if image.width * image.height > limits.max_pixels:
        raise ImageTooLarge(
            f"the image has {image.width}x{image.height} pixels,"
            f" at most {limits.max_pixels} are taken"
        )


def _read_frames(image: Image.Image, limits: ImageLimits) -> list[Pixels]:
    size = image.size
    frames = [_to_rgba(image)]
    if image.format == "MPO":  # a JPEG of a telephone: what follows is a preview, or another view
        return frames
    most = min(limits.max_frames, limits.max_pixels // (image.width * image.height))
    while True:
        try:
            image.seek(len(frames))
        except EOFError:
            return frames
        if len(frames) == most:
            raise TooManyFrames(f"an animation of this size may have {most} frames")
        if image.size != size:  # Pillow grows the canvas, past all that the header was checked for
            raise BrokenImage("a frame of the animation does not fit its canvas")
        frames.append(_to_rgba(image))


def _to_rgba(image: Image.Image) -> Pixels:
    """One frame as uint8 (height, width, 4); 16-bit grey keeps its upper eight bits."""
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        eight = (grey >> 8 if grey.max(initial=0) > 255 else grey).astype(np.uint8)
        image = Image.fromarray(eight)
    return np.asarray(image.convert("RGBA"))
