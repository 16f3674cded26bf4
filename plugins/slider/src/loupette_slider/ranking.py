"""Which of the detected gaps is the true one: its own score, and the drawn piece's row and size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loupette_slider.detector import Box, Candidate, Detections
from loupette_slider.edges import agree

_SUREST_PIECE = 0.35
_PIECE_REACH = 0.3
_ROW_TOLERANCE = 0.12
_ROW_FLOOR = 0.05

_BELIEVED = 0.5
"""Likelihood below which the piece is left out of the answer."""

_ONE_SIZE = 0.2
"""Share by which gap and piece may differ in width and height and yet be of one size."""


@dataclass(frozen=True)
class Ranking:
    """Candidate gaps, best first, and the drawn piece.

    Attributes:
        gaps: with scores that already weigh in the piece's row and size, and boxes of its size.
        piece: the piece drawn at the left; None when none is believed.
        likeliest: what is likeliest to be a piece, believed or not; None when nothing is.
    """

    gaps: tuple[Candidate, ...]
    piece: Candidate | None
    likeliest: Candidate | None = None

    @property
    def likeliest_score(self) -> float:
        """Of the likeliest piece; 0 where there is none."""
        return self.likeliest.score if self.likeliest else 0.0


def rank(found: Detections, image_width: int) -> Ranking:
    """Order the candidate gaps.

    Args:
        found: from the detector.
        image_width: pixels.

    Returns:
        The ranking; gaps under or left of a piece that is one are left out.
    """
    piece = _find_piece(found, image_width)
    if piece is None or not found.gaps:
        return Ranking(found.gaps, piece, piece)
    agreements = [_agreement(gap.box, piece.box) * _beyond(gap, piece) for gap in found.gaps]
    belief = _believe(piece, found.gaps, agreements)
    weighed = [
        replace(gap, score=gap.score * (belief * agreement + 1 - belief))
        for gap, agreement in zip(found.gaps, agreements, strict=True)
    ]
    ranked = sorted(weighed, key=lambda gap: -gap.score)
    if belief < _BELIEVED:
        return Ranking(tuple(ranked), None, piece)
    gaps = tuple(_resize(gap, piece) for gap in ranked if _beyond(gap, piece))
    return Ranking(gaps, piece, piece)


def _beyond(gap: Candidate, piece: Candidate) -> float:
    """0 for a gap under or left of the piece, which the piece cannot reach."""
    return float(gap.box.x > piece.box.x + 0.5 * piece.box.w)


def _believe(piece: Candidate, gaps: Sequence[Candidate], agreements: Sequence[float]) -> float:
    """How likely the piece is one, by its own score and by whether any gap goes with it.

    A logo at the left looks like a piece; a gap that is far likelier than all of its row and size
    says that it is none.
    """
    with_it = piece.score * max(
        gap.score * agreement for gap, agreement in zip(gaps, agreements, strict=True)
    )
    without = (1 - piece.score) * max(gap.score for gap in gaps)
    return with_it / max(with_it + without, 1e-6)


def _find_piece(found: Detections, image_width: int) -> Candidate | None:
    """Take the best piece near the left border that is not rather a gap itself."""
    for piece in found.pieces:
        if piece.score < _SUREST_PIECE:
            break
        if piece.box.x > _PIECE_REACH * image_width:
            continue
        rivals = [gap for gap in found.gaps if gap.box.overlap(piece.box) > 0.5]
        if all(gap.score < piece.score for gap in rivals):
            return piece
    return None


def _resize(gap: Candidate, piece: Candidate) -> Candidate:
    """Let the piece's size tell the sides of a gap that is about as large."""
    if gap.edges is None or piece.edges is None:
        return gap
    unlike = max(abs(gap.box.w / piece.box.w - 1), abs(gap.box.h / piece.box.h - 1))
    return gap.seen(agree(gap.edges, piece.edges)) if unlike < _ONE_SIZE else gap


def believe(ranking: Ranking, gap: Candidate, piece: Candidate) -> Ranking:
    """The ranking with a gap that was found by a piece's outline, before all others."""
    return Ranking((_resize(gap, piece), *ranking.gaps), piece, piece)


def _agreement(gap: Box, piece: Box) -> float:
    """Give 1 for a gap in the piece's row and of its size, less with distance from it."""
    off_row = abs(gap.centre[1] - piece.centre[1]) / max(piece.h, 1.0)
    off_size = abs(gap.h / piece.h - 1) + abs(gap.w / piece.w - 1)
    slip = max(0.0, off_row - _ROW_TOLERANCE) * 3 + max(0.0, off_size - 2 * _ROW_TOLERANCE)
    return max(_ROW_FLOOR, 1.0 / (1.0 + 4 * slip**2))
