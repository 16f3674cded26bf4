"""What a gap and the piece drawn in the same image share: the directions of their edges."""

import math
from dataclasses import replace

import cv2
import numpy as np

from loupette_slider.detector import Box, Candidate, Floats, Pixels
from loupette_slider.ranking import Ranking

_RIVAL = 0.7
"""Share of the best score from which on another gap is a rival."""

_MOST_RIVALS = 3

_REACH = 0.12
"""How far boxes may be off from each other, each way, over their longer side."""

_MARGIN = 1.1
"""Size of what is compared over that of the box: the outline is in it."""

_STEEP = 96.0
"""Steps of brightness (over two pixels, times four) from which on an edge counts for half."""

# Chosen on generated scenes.
_CHOICE_WEIGHT = 3.0
"""How much a difference in likeness counts where gaps are rivals."""
_ROW_SLACK = 0.06
"""How far a gap may be above or below its piece's row, over the piece's height, when sought."""
_ELSEWHERE = 0.25
"""Share of the piece's width from which on another place counts as another."""
_CLEAR_LEAD = 0.15
"""How much liker the best place must be than any other; chosen on generated scenes."""
_LEAST_SPREAD = 0.02
"""Below which likeness over the places tells nothing."""


def compare(rgb: Pixels, ranking: Ranking) -> Ranking:
    """Rank like gaps by how much they look like the piece, and lay it over the best one.

    Args:
        rgb: uint8, (height, width, 3), RGB.
        ranking: of the gaps, and the piece drawn in the image.

    Returns:
        The ranking, scores of unlike rivals lowered, the best gap's box where the outlines agree;
        the same where there is no piece.
    """
    if ranking.piece is None or not ranking.gaps:
        return ranking
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    first, *others = _tell_apart(grey, ranking.gaps, ranking.piece.box)
    laid = _lay_over(grey, first, ranking.piece.box)
    return replace(ranking, gaps=(laid, *others))


def seek(rgb: Pixels, piece: Box) -> Box | None:
    """Where in its row the outline of a drawn piece is found again, if it clearly is somewhere.

    For a gap that the detector saw too faintly, or another thing better.

    Args:
        rgb: uint8, (height, width, 3), RGB.
        piece: in the image; what is right of it is searched.
    """
    start, width = piece.x + piece.w, rgb.shape[1]
    sought, slack = _outline_size(piece), round(piece.h * _ROW_SLACK)
    area = round(width - start), sought[1] + 2 * slack
    if area[0] < sought[0]:
        return None
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    row = Box(start, piece.y, width - start, piece.h)
    likeness = cv2.matchTemplate(
        _directions(grey, row, area), _directions(grey, piece, sought), cv2.TM_CCORR_NORMED
    )
    down, across = np.unravel_index(likeness.argmax(), likeness.shape)
    columns = likeness.max(axis=0)
    others = columns[np.abs(np.arange(len(columns)) - across) > _ELSEWHERE * piece.w]
    if not len(others) or columns[across] - others.max() < _CLEAR_LEAD:
        return None
    x = row.centre[0] + across - (len(columns) - 1) / 2 - piece.w / 2
    return Box(float(x), float(piece.y + down - slack), piece.w, piece.h)


def _tell_apart(grey: Pixels, gaps: tuple[Candidate, ...], piece: Box) -> list[Candidate]:
    """Order gaps that are about as likely by how much they look like the piece."""
    least = _RIVAL * gaps[0].score
    rivals = [gap for gap in gaps[:_MOST_RIVALS] if gap.score >= least]
    if len(rivals) < 2:
        return list(gaps)
    likenesses = [float(_likeness(grey, gap.box, piece).max()) for gap in rivals]
    best = max(likenesses)
    weighed = [
        replace(gap, score=gap.score * math.exp(-_CHOICE_WEIGHT * (best - likeness)))
        for gap, likeness in zip(rivals, likenesses, strict=True)
    ]
    return sorted((*weighed, *gaps[len(rivals) :]), key=lambda gap: -gap.score)


def _lay_over(grey: Pixels, gap: Candidate, piece: Box) -> Candidate:
    """The gap with its left edge where, of the places that are likely, the outlines agree best."""
    if gap.edges is None:
        return gap
    likeness = _likeness(grey, gap.box, piece).max(axis=0)
    middle = piece.x + gap.box.centre[0] - piece.centre[0]
    places = middle + np.arange(len(likeness)) - len(likeness) // 2
    # How likely a place is, by how far it stands out: faint edges are less alike everywhere.
    likelihood = np.exp((likeness - likeness.max()) / max(likeness.std(), _LEAST_SPREAD))
    return gap.seen(gap.edges.given_left(np.interp(gap.edges.lefts(), places, likelihood)))


def _likeness(grey: Pixels, gap: Box, piece: Box) -> Floats:
    """Correlation, -1..1, of two boxes' edges, by how the piece is shifted from centre to centre.

    A gap is darker than what is around it where its piece is brighter: so directions count, and
    not which side is bright.

    Returns:
        float32, (2 reach + 1, 2 reach + 1): rows up to below, columns left to right.
    """
    size = _outline_size(piece)
    reach = round(max(piece.w, piece.h) * _REACH)
    wide = size[0] + 2 * reach, size[1] + 2 * reach
    around, sought = _directions(grey, gap, wide), _directions(grey, piece, size)
    return np.asarray(cv2.matchTemplate(around, sought, cv2.TM_CCORR_NORMED), np.float32)


def _outline_size(piece: Box) -> tuple[int, int]:
    return round(piece.w * _MARGIN), round(piece.h * _MARGIN)


def _directions(grey: Pixels, box: Box, size: tuple[int, int]) -> Floats:
    """Directions of the edges around a box's centre, doubled, so that opposite ones are equal.

    Returns:
        float32, (height, width, 2), at most 1 long.
    """
    w, h = size
    part = cv2.getRectSubPix(grey, (w + 2, h + 2), box.centre).astype(np.float32)
    across, down = (cv2.Sobel(part, cv2.CV_32F, *axis)[1:-1, 1:-1] for axis in ((1, 0), (0, 1)))
    steep = np.sqrt(across * across + down * down)
    weight = 1 / ((steep + 1e-3) * (steep + _STEEP))
    return np.stack([(across * across - down * down) * weight, 2 * across * down * weight], axis=-1)
