"""Where a separate piece belongs: its outline and its content, slid over the background."""

from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Plane = TypeVar("Plane", Floats, Pixels)

_OPAQUE_SHARE = 0.6
_EDGE_KNEE = 12.0
_ROW_SLACK_PX = 2
_HALVED_FROM_PX = 40
_ACROSS = np.array([[-1, 1]], np.float32)
_DOWN = _ACROSS.T
_NEAR = np.ones((5, 5), np.uint8)
_MOST_PLACES = 40
_CONTENT_PIXELS = 100
_FEWEST_PIXELS = 50
_PLAINEST_STD = 2.0
_CHANNELS = np.tile(np.eye(3, dtype=np.float32), (_CONTENT_PIXELS, 1))
_ASIDE = np.array([[-1], [0], [1]])


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
    alpha = np.ascontiguousarray(rgba[..., 3])
    lowest, highest = int(alpha.min()), int(alpha.max())
    if highest < 16:
        return None
    if lowest == highest:
        solid = _differs_from_border(rgba[..., :3])
    else:
        # Drop shadows and glows are weaker than the piece itself.
        solid = (alpha > _OPAQUE_SHARE * highest).astype(np.uint8)
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
        Up to `_MOST_PLACES` places, best outline first.
    """
    (height, width), (h, w) = rgb.shape[:2], piece.mask.shape
    top, bottom = 0, height
    if piece.row is not None:
        top = max(0, piece.row - _ROW_SLACK_PX)
        bottom = min(height, piece.row + h + _ROW_SLACK_PX)
    # At half its size a large piece is found as surely, in a third of the time.
    by = 2 if min(h, w) >= _HALVED_FROM_PX else 1
    band = _shrink(rgb[top:bottom], by, cv2.BORDER_REPLICATE)
    small = replace(
        piece,
        rgb=_shrink(piece.rgb, by, cv2.BORDER_REPLICATE),
        mask=_shrink(piece.mask, by, cv2.BORDER_CONSTANT),
    )
    outline = _score_outline(band, small.mask)
    rows, columns = _summits(outline)
    content = _score_content(band, small, rows=rows, columns=columns)
    ys, xs = _peaks(outline, rows, columns)
    tops = np.clip(np.rint(ys * by) + top, 0, height - h).astype(int)
    lefts = np.clip(np.rint(xs * by), 0, width - w).astype(int)
    facts = (lefts, tops, outline[rows, columns], content)
    return [Place(*place) for place in zip(*(fact.tolist() for fact in facts), strict=True)]


def _shrink(plane: Plane, by: int, border: int) -> Plane:
    """Average squares of pixels; a side that they do not fill is made longer first."""
    if by == 1:
        return plane
    h, w = plane.shape[:2]
    whole = cv2.copyMakeBorder(plane, 0, -h % by, 0, -w % by, border)
    size = whole.shape[1] // by, whole.shape[0] // by
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), plane.dtype)


def _score_outline(band: Pixels, mask: Floats) -> Floats:
    """Score how much of the band's gradient, its length squeezed into 0..1, crosses the outline.

    A gap is darker (or brighter) than its surroundings all along its outline, so gradients agree
    in sense there; those of the picture itself cancel out. What crosses an outline is the sum of
    the sources inside (Gauss), so one mask slides over these, not two normals over two gradients.
    """
    grey = np.asarray(cv2.cvtColor(band, cv2.COLOR_RGB2GRAY), np.uint8)
    gx, gy = _ahead(grey, _ACROSS), _ahead(grey, _DOWN)
    squeeze = np.float32(1) / (np.abs(gx) + np.abs(gy) + np.float32(_EDGE_KNEE))
    sources = cv2.add(_behind(gx * squeeze, _ACROSS), _behind(gy * squeeze, _DOWN))
    framed = np.asarray(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.float32)
    length = sum(cv2.norm(_ahead(framed, way), cv2.NORM_L1) for way in (_ACROSS, _DOWN))
    return np.asarray(np.abs(cv2.matchTemplate(sources, mask, cv2.TM_CCORR)) / length, np.float32)


def _ahead(plane: Plane, way: Floats) -> Floats:
    """Difference of the next pixel from each."""
    border = cv2.BORDER_REPLICATE
    steps = cv2.filter2D(plane, cv2.CV_32F, way, anchor=(0, 0), borderType=border)
    return np.asarray(steps, np.float32)


def _behind(plane: Floats, way: Floats) -> Floats:
    """Difference of each pixel from the one before."""
    steps = cv2.filter2D(plane, cv2.CV_32F, way, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(steps, np.float32)


def _summits(scores: Floats) -> tuple[Cells, Cells]:
    """Give rows and columns of the highest local maxima, highest first."""
    at = np.flatnonzero(scores >= cv2.dilate(scores, _NEAR))
    best = at[np.argsort(-scores.take(at))[:_MOST_PLACES]]
    return np.divmod(best, scores.shape[1])


def _peaks(scores: Floats, rows: Cells, columns: Cells) -> tuple[Doubles, Doubles]:
    """Give row and column of summits between the cells, by a parabola through their neighbours."""
    framed = cv2.copyMakeBorder(scores, 1, 1, 1, 1, cv2.BORDER_REFLECT_101).astype(np.float64)
    at = (rows + 1) * framed.shape[1] + columns + 1
    return rows + _lean(framed, at, framed.shape[1]), columns + _lean(framed, at, 1)


def _lean(scores: Doubles, at: Cells, step: int) -> Doubles:
    """How far the top lies towards the next cell, -0.5..0.5, at indices into the flat scores."""
    before, here, after = (scores.take(at + aside) for aside in (-step, 0, step))
    return (after - before) / np.maximum(4 * here - 2 * (before + after), 1e-9)


def _score_content(band: Pixels, piece: Piece, *, rows: Cells, columns: Cells) -> Floats:
    """Correlate the piece's inner colours with those at each place: mostly a gap dims them only.

    Returns:
        The best within a pixel sideways of each, -1..1; 0 for a piece too plain to tell.
    """
    inner_y, inner_x = np.nonzero(cv2.erode(piece.mask, _NEAR, borderValue=0))
    # Every pixel of a 100 px piece would cost ten times the outline's score, and tell no more.
    step = -(-len(inner_y) // _CONTENT_PIXELS) or 1
    inner_y, inner_x = inner_y[::step], inner_x[::step]
    own = piece.rgb[inner_y, inner_x].astype(np.float32)
    if len(own) < _FEWEST_PIXELS:
        return np.zeros(len(rows), np.float32)
    own -= own.mean(axis=0)
    if float(np.square(own).sum(axis=0).max()) < _PLAINEST_STD**2 * len(own):
        return np.zeros(len(rows), np.float32)
    wide = band.shape[1]
    lefts = (columns + _ASIDE).clip(0, wide - piece.mask.shape[1])
    at = (rows * wide + lefts)[..., None] + (inner_y * wide + inner_x)
    seen = band.reshape(-1, 3).take(at.reshape(-1, len(own)), axis=0).astype(np.float32)
    correlated = _correlate(seen.reshape(lefts.size, -1), own)
    return np.asarray(correlated.reshape(lefts.shape).max(axis=0), np.float32)


def _correlate(seen: Floats, own: Floats) -> Floats:
    """Correlate (places, pixels * 3) with (pixels, 3), each channel about its mean; own's is 0."""
    shared = seen @ own.ravel()
    sums = seen @ _CHANNELS[: own.size]  # a tenth of the time that numpy takes to mean them
    spread = np.einsum("ij,ij->i", seen, seen) - np.square(sums).sum(axis=1) / len(own)
    # A spread below one level is noise.
    scale = np.sqrt(np.maximum(spread, own.size) * np.square(own).sum())
    return np.asarray(shared / scale, np.float32)
