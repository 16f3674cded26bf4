"""Images for tests: a solver's challenge from a file's bytes, and what strangers send."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from loupette.decoding import decode_picture
from loupette.plugin import Challenge, OptionValue

BLANK = ("white", "black", "transparent")
"""Names of the images that show nothing at all."""


def make_challenge(image: bytes, image2: bytes | None = None, **options: OptionValue) -> Challenge:
    """What a solver is handed for these files, decoded as the engine does it.

    Args:
        image: bytes of a PNG, JPEG, GIF, WebP or BMP file.
        image2: of the second image, such as a slider's piece.
        options: as the caller posts them; they are not checked here.

    Raises:
        BadImage: the engine would refuse the file.
    """
    second = decode_picture(image2) if image2 is not None else None
    return Challenge(decode_picture(image), second, options)


def hostile_images() -> Mapping[str, bytes]:
    """Images that are no challenge of anybody, by what they are.

    All are image files, and all but ``"truncated"`` pass the engine's limits, so a solver gets
    them. They are the same each time.
    """
    noise = _noise(160, 60)
    return {
        "white": _save(Image.new("RGB", (160, 60), "white")),
        "black": _save(Image.new("RGB", (160, 60), "black")),
        "transparent": _save(Image.new("RGBA", (160, 60), (0, 0, 0, 0))),
        "noise": _save(noise),
        "one pixel": _save(_noise(1, 1)),
        "a row": _save(_noise(500, 1)),
        "a column": _save(_noise(1, 500)),
        "huge": _save(_noise(28, 28).resize((2800, 2800), Image.Resampling.NEAREST)),
        "animated": _animate([_noise(120, 50, seed=seed) for seed in range(8)]),
        "palette": _save(noise.quantize(16)),
        "one bit": _save(noise.convert("1")),
        "grey with alpha": _save(noise.convert("LA")),
        "sixteen bits": _save(Image.fromarray(np.arange(9600, dtype=np.uint16).reshape(60, 160))),
        "CMYK": _save(noise.convert("CMYK"), "JPEG"),
        "truncated": _save(noise)[:2000],
    }


def _noise(width: int, height: int, *, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _save(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _animate(frames: list[Image.Image]) -> bytes:
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()
