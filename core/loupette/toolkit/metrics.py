"""How well a solver reads: exact match, character errors, intervals, precision at a threshold."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Share:
    """A share of right answers with its 95 % interval.

    Attributes:
        right: how many were right.
        count: how many there were.
    """

    right: int
    count: int

    @property
    def value(self) -> float:
        """Right over count; NaN for none."""
        return self.right / self.count if self.count else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval (E. B. Wilson, 1927): it holds near 0 and 1 too."""
        return wilson(self.right, self.count)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] n={self.count}"


def wilson(right: int, count: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Interval of a share.

    Args:
        right: successes.
        count: trials; (0, 1) for none.
        z: normal quantile, 1.96 for 95 %.
    """
    if count == 0:
        return 0.0, 1.0
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / count + spread / (4 * count)))
    return max(0.0, middle - half), min(1.0, middle + half)


def edit_distance(one: str, other: str) -> int:
    """Least insertions, deletions and replacements that make one text the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


def character_error(answers: Sequence[str], truths: Sequence[str]) -> float:
    """Edits over characters, all texts together."""
    edits = sum(edit_distance(a, t) for a, t in zip(answers, truths, strict=True))
    return edits / max(1, sum(len(truth) for truth in truths))


def precision_at(confidences: Sequence[float], right: Sequence[bool], *, answered: float) -> Share:
    """How many of the surest answers are right.

    Args:
        confidences: one an answer.
        right: whether it is right.
        answered: share of the answers that are given, the surest first.
    """
    order = np.argsort(-np.asarray(confidences), kind="stable")
    kept = order[: round(answered * len(order))]
    return Share(int(np.asarray(right, bool)[kept].sum()), len(kept))


@dataclass(frozen=True)
class Labelled:
    """One labelled image file.

    Attributes:
        path: the image.
        answer: what is right.
    """

    path: Path
    answer: str


def read_labels(source: Path) -> list[Labelled]:
    """The images of a source: a folder with ``labels.csv`` (columns ``file`` and ``answer``)."""
    with (source / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        return [Labelled(source / row["file"], row["answer"]) for row in csv.DictReader(file)]
