"""Which of the detected gaps is the true one: its own score, and the drawn piece's row and size."""

from dataclasses import dataclass, replace

from loupette_slider.detector import Box, Candidate, Detections

_SUREST_PIECE = 0.35
_PIECE_REACH = 0.3
_ROW_TOLERANCE = 0.12
_ROW_FLOOR = 0.05


@dataclass(frozen=True)
class Ranking:
    """Candidate gaps, best first, and the drawn piece.

    Attributes:
        gaps: with scores that already weigh in the piece's row and size.
        piece: the piece drawn at the left; None when none is seen.
    """

    gaps: tuple[Candidate, ...]
    piece: Candidate | None


def rank(found: Detections, image_width: int) -> Ranking:
    """Order the candidate gaps.

    Args:
        found: from the detector.
        image_width: pixels.

    Returns:
        The ranking; gaps under or left of the drawn piece are left out.
    """
    piece = _find_piece(found, image_width)
    if piece is None:
        return Ranking(found.gaps, None)
    fitting = [
        replace(gap, score=gap.score * _agreement(gap.box, piece.box))
        for gap in found.gaps
        if gap.box.x > piece.box.x + 0.5 * piece.box.w
    ]
    return Ranking(tuple(sorted(fitting, key=lambda gap: -gap.score)), piece)


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


def _agreement(gap: Box, piece: Box) -> float:
    """Give 1 for a gap in the piece's row and of its size, less with distance from it."""
    off_row = abs(gap.centre[1] - piece.centre[1]) / max(piece.h, 1.0)
    off_size = abs(gap.h / piece.h - 1) + abs(gap.w / piece.w - 1)
    slip = max(0.0, off_row - _ROW_TOLERANCE) * 3 + max(0.0, off_size - 2 * _ROW_TOLERANCE)
    return max(_ROW_FLOOR, 1.0 / (1.0 + 4 * slip**2))
