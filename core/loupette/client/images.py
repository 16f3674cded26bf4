"""Whatever people have an image in, to the bytes that are posted."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = Union[str, os.PathLike[str], bytes, bytearray, memoryview, "Image.Image"]
"""A file's path, a file's bytes, or an image of Pillow."""

_WRITABLE_AS_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


def image_bytes(picture: Picture) -> bytes:
    """The bytes of an image file; one of Pillow becomes a PNG, with all frames.

    Raises:
        OSError: a path that cannot be read.
        TypeError: something else.
    """
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        return Path(picture).read_bytes()
    from PIL import Image

    if isinstance(picture, Image.Image):
        return _encode(picture)
    raise TypeError(f"an image is a path, bytes or a Pillow image, not {type(picture).__name__}")


def _encode(picture: "Image.Image") -> bytes:
    is_animated = getattr(picture, "n_frames", 1) > 1
    if not is_animated and picture.mode not in _WRITABLE_AS_PNG:
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG", save_all=is_animated)
    return file.getvalue()
