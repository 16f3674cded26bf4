"""Where a second look puts the sides of a box: odds over places, so that two looks can agree."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

BINS = 40
"""Places along a side that an edge is told apart at."""

NEAR_PX = 3.0
"""Pixels of the image within which an answer counts as right."""

_PEAK = 2
"""Bins on both sides of the likeliest one of which the mean is taken."""

_FINER = 4
"""Into how many places a bin is divided where two looks are compared."""

_MISTAKEN = 0.05
"""Share of looks of which an edge may be anywhere: two that contradict must not decide alone."""

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Edges:
    """The four sides of one box.

    Attributes:
        odds: float, (4, places): left, top, right, bottom; each sums to 1.
        x: column of the image where the places begin.
        y: row of the image where the places begin.
        step: pixels of the image from place to place.
    """

    odds: Floats
    x: float
    y: float
    step: float

    @classmethod
    def read(cls, logits: Floats, *, x: float, y: float, side: float) -> "Edges":
        """Turn the network's output into odds.

        Args:
            logits: float32, (4, BINS): left, top, right, bottom.
            x: left edge of the square that was looked at, in pixels of the image.
            y: its top edge.
            side: its side.
        """
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return cls(odds / odds.sum(axis=1, keepdims=True), x, y, side / BINS)

    @cached_property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels of the image, below a place exact."""
        count = self.odds.shape[1]
        places = np.arange(count)
        # The mean near the peak: not moved by a second guess far off.
        reach = _PEAK * count / BINS
        near = self.odds * (np.abs(places - self.odds.argmax(axis=1)[:, None]) <= reach)
        means = (near * (places + 0.5)).sum(axis=1) / near.sum(axis=1) * self.step
        left, top, right, bottom = (float(mean) for mean in means)
        return self.x + left, self.y + top, self.x + right, self.y + bottom

    def sure(self) -> float:
        """Probability, 0..1, that the left edge is within `NEAR_PX` of where `sides` has it."""
        at = (self.sides[0] - self.x) / self.step - 0.5
        reach = max(NEAR_PX / self.step, self.odds.shape[1] / BINS)
        return float(self.odds[0][np.abs(np.arange(self.odds.shape[1]) - at) <= reach].sum())

    def lefts(self) -> Floats:
        """Where a left edge may be: float, (places,), columns of the image."""
        return self.x + (np.arange(self.odds.shape[1]) + 0.5) * self.step

    def given_left(self, likelihood: Floats) -> "Edges":
        """The same, the left edge's odds weighed by another witness.

        Args:
            likelihood: float, (places,), above 0.
        """
        left = self.odds[0] * likelihood
        return replace(self, odds=np.stack([left / left.sum(), *self.odds[1:]]))

    def finer(self, step: float) -> "Edges":
        """The same at other, evenly spaced places, none of them impossible.

        Args:
            step: pixels of the image from place to place.
        """
        count = self.odds.shape[1]
        new = max(2, round(count * self.step / step))
        at = (np.arange(new) + 0.5) * step / self.step - 0.5
        odds = np.stack([np.interp(at, np.arange(count), row) for row in self.odds])
        odds /= odds.sum(axis=1, keepdims=True)
        return Edges((1 - _MISTAKEN) * odds + _MISTAKEN / new, self.x, self.y, step)


def agree(gap: Edges, piece: Edges) -> Edges:
    """What the gap's sides are, given that the piece is of its size.

    A tab that hardly shows at the gap is seen at the piece: so the side that is clear, and the
    piece's width, tell where the other one is.

    Args:
        gap: of the gap.
        piece: of the piece drawn in the same image.

    Returns:
        The gap's edges, at finer places.
    """
    gap = gap.finer(gap.step / _FINER)
    piece = piece.finer(gap.step)
    odds = gap.odds.copy()
    for first, last in ((0, 2), (1, 3)):
        count, most = gap.odds.shape[1], piece.odds.shape[1]
        # Of each size from 0 up: how likely the piece is of that size.
        sizes = np.correlate(piece.odds[last], piece.odds[first], "full")[most - 1 :][:count]
        sizes = np.pad(sizes, (0, count - len(sizes)))
        odds[first] *= np.correlate(np.pad(gap.odds[last], (0, count)), sizes, "valid")[:count]
        odds[last] *= np.convolve(gap.odds[first], sizes)[:count]
    return Edges(odds / odds.sum(axis=1, keepdims=True), gap.x, gap.y, gap.step)
