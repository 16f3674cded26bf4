"""Paths, bytes and Pillow images to what is posted."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupette.client.images import image_bytes
from loupette.decoding import decode_picture


def test_a_path_and_bytes_are_posted_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "image.bin"
    path.write_bytes(b"any bytes")
    assert image_bytes(path) == image_bytes(str(path)) == image_bytes(b"any bytes") == b"any bytes"
    assert image_bytes(bytearray(b"x")) == image_bytes(memoryview(b"x")) == b"x"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "F", "HSV"])
def test_a_pillow_image_arrives_in_every_mode(mode: str) -> None:
    picture = decode_picture(image_bytes(Image.new(mode, (31, 17))))
    assert (picture.width, picture.height, picture.format) == (31, 17, "png")


def test_a_pillow_image_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    pixels[..., 3] |= 1  # what is quite clear has no colour to keep
    assert np.array_equal(decode_picture(image_bytes(Image.fromarray(pixels))).rgba, pixels)


def test_an_animation_of_pillow_keeps_its_frames() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    picture = decode_picture(image_bytes(Image.open(file)))
    assert picture.rgb_frames[:, 0, 0].argmax(axis=1).tolist() == [0, 1, 2]


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        image_bytes(7)  # type: ignore[arg-type]  # what is tested


def test_a_path_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        image_bytes(tmp_path / "none.png")
