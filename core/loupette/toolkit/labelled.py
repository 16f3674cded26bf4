"""Folders of labelled pictures that a user brings, read and shared out for training.

Needs the ``train`` extra. Of the three parts *train* is learnt from, *check* says when to stop, and
*held* is measured before and after, and not looked at in between.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.images import combine_frames, open_picture
from loupette.toolkit.subject import TextOf
from loupette.toolkit.synth.shards import LONGEST, write_shard

PARTS = {"held": 0.2, "check": 0.15, "train": 0.65}
"""The parts, and how much of a folder each gets."""


@dataclass(frozen=True)
class Example:
    """One labelled picture file.

    Attributes:
        path: the file.
        text: what stands in it, in the model's symbols.
        answer: what is right.
    """

    path: Path
    text: str
    answer: str


def read_examples(source: Path, text_of: TextOf, alphabet: Alphabet) -> list[Example]:
    """The pictures of a folder with ``labels.csv``; of files that are alike, the first.

    Args:
        source: the folder; columns ``file``, ``answer`` and what `text_of` needs.
        text_of: makes the text of a row.
        alphabet: of the model.

    Raises:
        ValueError: a column is missing, or a text that the model cannot put out.
    """
    with (source / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    examples: dict[str, Example] = {}
    for row in rows:
        try:
            example = Example(source / row["file"], text_of(row), row["answer"])
        except KeyError as error:
            raise ValueError(f"{source / 'labels.csv'} has no column {error}") from error
        _check_text(example, alphabet)
        content = hashlib.sha256(example.path.read_bytes()).hexdigest()
        examples.setdefault(content, example)
    return list(examples.values())


def _check_text(example: Example, alphabet: Alphabet) -> None:
    text = example.text.lower() if alphabet.fold_case else example.text
    unknown = sorted(set(text) - set(alphabet.symbols))
    if unknown or len(text) > LONGEST:
        raise ValueError(
            f"{example.path.name}: {example.text!r} has "
            + (
                f"{unknown}, which the model does not know"
                if unknown
                else f"over {LONGEST} symbols"
            )
            + "; leave the row out"
        )


def split(examples: Iterable[Example], *, seed: int) -> dict[str, list[Example]]:
    """Share examples out into `PARTS`, by seed and file name alone.

    A file stays in its part when others are added.

    Raises:
        ValueError: a part would be empty.
    """
    parts: dict[str, list[Example]] = {name: [] for name in PARTS}
    for example in examples:
        parts[_part_of(example.path.name, seed)].append(example)
    if not all(parts.values()):
        sizes = {name: len(part) for name, part in parts.items()}
        raise ValueError(f"too few pictures to split, {sizes}: label some hundred")
    return parts


def _part_of(name: str, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    if place < PARTS["held"]:
        return "held"
    return "check" if place < PARTS["held"] + PARTS["check"] else "train"


def write_parts(
    parts: Mapping[str, Sequence[Example]],
    folder: Path,
    alphabet: Alphabet,
    *,
    height: int,
    width: int,
) -> None:
    """Write each part as one shard, into a subfolder of its name.

    Args:
        parts: from `split`.
        folder: where.
        alphabet: of the model.
        height: the model's input height.
        width: the model's input width.
    """
    for name, examples in parts.items():
        rows = iter(examples)

        def draw(rows: Iterator[Example] = rows) -> tuple[npt.NDArray[np.uint8], str]:
            example = next(rows)
            return combine_frames(open_picture(example.path).rgb_frames), example.text

        write_shard(
            folder / name, 0, draw, alphabet, count=len(examples), height=height, width=width
        )
