"""Which of two like gaps a drawn piece belongs to: by what both show, outlines and content."""

import math
from dataclasses import replace

import cv2
import numpy as np

from loupette_slider.detector import Box, Candidate, Floats, Pixels
from loupette_slider.ranking import Ranking

_RIVAL = 0.7
"""Share of the best score from which on another gap is a rival."""

_MOST_RIVALS = 3

_REACH_PX = 4
"""How far boxes may be off from each other, each way."""

_MARGIN = 1.1
"""Side of the square that is compared over the longer side of the box: the outline is in it."""

_WEIGHT = 4.0
"""How much a difference in likeness counts; chosen on generated scenes."""


def tell_apart(rgb: Pixels, ranking: Ranking) -> Ranking:
    """Rank gaps that are about as likely by how much they look like the piece.

    Args:
        rgb: uint8, (height, width, 3), RGB.
        ranking: of the gaps, and the piece drawn in the image.

    Returns:
        The ranking, scores of unlike rivals lowered; the same where there is no piece or no rival.
    """
    least = _RIVAL * max((gap.score for gap in ranking.gaps), default=0.0)
    rivals = [gap for gap in ranking.gaps[:_MOST_RIVALS] if gap.score >= least]
    if ranking.piece is None or len(rivals) < 2:
        return ranking
    slopes = _slopes(rgb)
    likenesses = [_likeness(slopes, gap.box, ranking.piece.box) for gap in rivals]
    best = max(likenesses)
    weighed: list[Candidate] = [
        replace(gap, score=gap.score * math.exp(-_WEIGHT * (best - likeness)))
        for gap, likeness in zip(rivals, likenesses, strict=True)
    ]
    ranked = sorted((*weighed, *ranking.gaps[len(rivals) :]), key=lambda gap: -gap.score)
    return Ranking(tuple(ranked), ranking.piece)


def _slopes(rgb: Pixels) -> Floats:
    """How steep the brightness is at each pixel, the steepest cut off: float32, (height, width)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.minimum(steep, np.percentile(steep, 95)).astype(np.float32)


def _likeness(slopes: Floats, gap: Box, piece: Box) -> float:
    """Correlation, -1..1, of what is in two boxes of about one size, at the best shift."""
    side = round(max(piece.w, piece.h) * _MARGIN)
    sought = cv2.getRectSubPix(slopes, (side, side), piece.centre)
    wide = side + 2 * _REACH_PX
    part = cv2.getRectSubPix(slopes, (wide, wide), gap.centre)
    return float(cv2.matchTemplate(part, sought, cv2.TM_CCOEFF_NORMED).max())
