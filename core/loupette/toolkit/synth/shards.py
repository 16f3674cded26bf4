"""Drawn pictures on disk, as training reads them: uint8 arrays that are mapped, not loaded."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.images import prepare

LONGEST = 16
"""Most symbols in one label row; shorter ones are filled up with -1."""

Draw = Callable[[], tuple[npt.NDArray[np.uint8], str]]


def write_shard(
    folder: Path,
    number: int,
    draw: Draw,
    alphabet: Alphabet,
    *,
    count: int,
    height: int,
    width: int,
) -> None:
    """Draw one shard: ``images_NNNNN.npy`` and ``labels_NNNNN.npy``.

    The files appear under these names only when complete, and a number that exists is replaced:
    a running training keeps the old one open and finds the new one later.

    Args:
        folder: where; made when absent.
        number: of the shard.
        draw: gives a picture (uint8, (height, width, 3)) and what it reads.
        alphabet: codes the labels.
        count: pictures in the shard.
        height: the model's input height.
        width: the model's input width.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"scratch_{number:05d}.npy"
    images = np.lib.format.open_memmap(
        scratch, mode="w+", dtype=np.uint8, shape=(count, height, width, 3)
    )
    labels = np.full((count, LONGEST), -1, np.int8)
    for row in range(count):
        picture, text = draw()
        images[row] = prepare(picture, height, width)
        labels[row] = label_of(text, alphabet)
    images.flush()
    del images
    np.save(folder / f"labels_{number:05d}.npy", labels)
    os.replace(scratch, folder / f"images_{number:05d}.npy")


def label_of(text: str, alphabet: Alphabet) -> npt.NDArray[np.int8]:
    """One label row: int8, (LONGEST,), the text's codes, filled up with -1."""
    row = np.full(LONGEST, -1, np.int8)
    codes = alphabet.encode(text)
    row[: len(codes)] = codes
    return row


def list_shards(folder: Path) -> list[Path]:
    """The image files of the complete shards of a folder, by number."""
    return sorted(folder.glob("images_*.npy"))


def read_labels(images: Path) -> npt.NDArray[np.int8]:
    """The labels that belong to an image file: int8, (count, LONGEST), filled up with -1."""
    labels: npt.NDArray[np.int8] = np.load(
        images.with_name(images.name.replace("images", "labels"))
    )
    return labels
