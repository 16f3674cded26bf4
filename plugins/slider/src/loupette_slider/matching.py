"""Where a separate piece belongs: its outline and its content, slid over the background."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

_OPAQUE_SHARE = 0.6
_EDGE_KNEE = 24.0
_ROW_SLACK_PX = 2
_MARGIN = 2
_APART_PX = 3
_MOST_PLACES = 16
_CONTENT_PIXELS = 300


@dataclass(frozen=True)
class Piece:
    """A piece cut out of the second image.

    Attributes:
        rgb: uint8, (height, width, 3), RGB.
        mask: float32, (height, width), 1 inside the piece.
        x: its left edge in the second image, pixels.
        y: its top edge in the second image, pixels.
        row: its top edge in the background when the strip is as tall as it, else None.
    """

    rgb: Pixels
    mask: Floats
    x: int
    y: int
    row: int | None


def cut_piece(rgba: Pixels, background_height: int) -> Piece | None:
    """Cut the piece out of its image.

    Args:
        rgba: uint8, (height, width, 4): a tight crop, a strip as tall as the background, or an
            opaque picture whose one-coloured border (if any) is not part of the piece.
        background_height: pixels.

    Returns:
        The piece, or None where nothing is opaque.
    """
    alpha = rgba[..., 3]
    solid = _solid_part(rgba)
    if solid is None:
        return None
    x, y, w, h = cv2.boundingRect(solid)
    mask = solid[y : y + h, x : x + w].astype(np.float32)
    strip = alpha.shape[0] == background_height and h < background_height
    rgb = np.ascontiguousarray(rgba[y : y + h, x : x + w, :3])
    return Piece(rgb, mask, x, y, y if strip else None)


def _solid_part(rgba: Pixels) -> Pixels | None:
    """Give uint8 0/1, (height, width): the largest connected part that belongs to the piece."""
    alpha = rgba[..., 3]
    if int(alpha.max()) < 16:
        return None
    if int(alpha.min()) == int(alpha.max()):
        solid = _differs_from_border(rgba[..., :3])
    else:
        # Drop shadows and glows are weaker than the piece itself.
        solid = (alpha > _OPAQUE_SHARE * float(alpha.max())).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest, np.uint8)


def _differs_from_border(rgb: Pixels) -> Pixels:
    corners = rgb[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int16)
    whole = np.ones(rgb.shape[:2], np.uint8)
    if int(np.ptp(corners, axis=0).max()) > 8:
        return whole
    far = np.abs(rgb.astype(np.int16) - corners[0]).max(axis=2) > 24
    inside = cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    share = float(inside.mean())
    return np.asarray(inside, np.uint8) if 0.05 < share < 0.98 else whole


@dataclass(frozen=True)
class Place:
    """One place where the piece may belong.

    Attributes:
        x: left edge of the piece there, pixels of the background.
        y: top edge, likewise.
        outline: 0..1, edges all along the outline, of one sense.
        content: -1..1, correlation of the piece's colours with what the gap shows; 0 for a
            piece too plain to tell.
    """

    x: int
    y: int
    outline: float
    content: float


def find_places(rgb: Pixels, piece: Piece) -> list[Place]:
    """List the places whose outline fits best, with their content scores.

    Args:
        rgb: uint8, (height, width, 3), RGB, the background; taller and wider than the piece.
        piece: from `cut_piece`. One that came in a strip is looked for in its row only.

    Returns:
        Up to `_MOST_PLACES` places, best outline first, none within 3 px of another.
    """
    h = piece.mask.shape[0]
    top, bottom = 0, rgb.shape[0]
    if piece.row is not None:
        top = max(0, piece.row - _ROW_SLACK_PX)
        bottom = min(rgb.shape[0], piece.row + h + _ROW_SLACK_PX)
    band = np.ascontiguousarray(rgb[top:bottom])
    outline = _score_outline(band, piece.mask)
    summits = _summits(outline)
    contents = _ContentScore(piece).at(band, summits)
    return [
        Place(x, y + top, float(outline[y, x]), content)
        for (y, x), content in zip(summits, contents, strict=True)
    ]


def _summits(scores: Floats) -> list[tuple[int, int]]:
    near = np.ones((2 * _APART_PX + 1,) * 2, np.uint8)
    rows, columns = np.nonzero(scores >= cv2.dilate(scores, near))
    best = np.argsort(-scores[rows, columns])[:_MOST_PLACES]
    return [(int(rows[at]), int(columns[at])) for at in best]


def _score_outline(band: Pixels, mask: Floats) -> Floats:
    """Correlate the outline's normals with the band's gradients, strong edges saturated.

    A gap is darker (or brighter) than its surroundings all along its outline, so gradients agree
    in sense there; those of the picture itself cancel out.
    """
    gx, gy = (_pad(plane) for plane in _soft_gradients(band))
    mx, my = _derivatives(np.asarray(cv2.GaussianBlur(_pad(mask), (0, 0), 0.8), np.float32))
    sense = cv2.matchTemplate(gx, mx, cv2.TM_CCORR) + cv2.matchTemplate(gy, my, cv2.TM_CCORR)
    return np.asarray(np.abs(sense) / max(float(np.hypot(mx, my).sum()), 1e-6), np.float32)


def _pad(plane: Floats) -> Floats:
    """Add a margin, so that an outline on the border counts whole."""
    return np.pad(plane, _MARGIN)


def _derivatives(plane: Floats) -> tuple[Floats, Floats]:
    gx, gy = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    return np.asarray(gx, np.float32), np.asarray(gy, np.float32)


def _soft_gradients(band: Pixels) -> tuple[Floats, Floats]:
    """Give the grey gradient with its length squeezed into 0..1."""
    gx, gy = _derivatives(np.asarray(cv2.cvtColor(band, cv2.COLOR_RGB2GRAY), np.float32))
    squeeze = np.float32(1) / (np.sqrt(gx * gx + gy * gy) + np.float32(4 * _EDGE_KNEE))
    return gx * squeeze, gy * squeeze


class _ContentScore:
    """Correlation of colours inside the piece: a gap mostly shows the same picture, dimmed."""

    def __init__(self, piece: Piece) -> None:
        inner = cv2.erode(piece.mask, np.ones((5, 5), np.uint8), borderValue=0) > 0
        rows, columns = np.nonzero(inner)
        # Every pixel of a 100 px piece would cost ten times the outline's score, and tell no more.
        step = -(-len(rows) // _CONTENT_PIXELS) or 1
        self._rows, self._columns = rows[::step], columns[::step]
        colours = piece.rgb[self._rows, self._columns].astype(np.float32)
        self._plain = len(colours) < 50 or float(colours.std(axis=0).max()) < 2
        self._colours = colours - colours.mean(axis=0) if len(colours) else colours
        self._width = piece.mask.shape[1]

    def at(self, band: Pixels, places: Sequence[tuple[int, int]]) -> list[float]:
        """Give the best correlation, -1..1, within a pixel sideways of each place (row, column)."""
        if self._plain or not places:
            return [0.0] * len(places)
        tops, lefts = np.array(places).T
        wide, right = band.shape[1], band.shape[1] - self._width
        colours, inside = band.reshape(-1, 3), self._rows * wide + self._columns
        best = np.full(len(places), -1.0, np.float32)
        for shift in (-1, 0, 1):
            corners = tops * wide + np.clip(lefts + shift, 0, right)
            seen = colours.take(corners[:, None] + inside, axis=0)
            best = np.maximum(best, self._correlate(seen.astype(np.float32)))
        return [float(score) for score in best]

    def _correlate(self, seen: Floats) -> Floats:
        """Correlation with the piece of float32 (places, pixels, 3)."""
        seen = (seen - seen.mean(axis=1, keepdims=True)).reshape(len(seen), -1)
        colours = self._colours.ravel()
        length = np.sqrt(np.einsum("ij,ij->i", seen, seen) * (colours @ colours))
        shared = seen @ colours
        return np.where(length > 1e-3, shared / np.maximum(length, 1e-3), 0.0).astype(np.float32)
