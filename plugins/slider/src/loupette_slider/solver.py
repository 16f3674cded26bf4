"""The solver: one background, with or without the piece, to the x of the gap."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from loupette.plugin import Answer, Challenge, Json, Picture, Pixels, Unsolvable
from loupette_slider.confidence import Calibration, matched_features, single_features
from loupette_slider.detector import Box, Candidate, Detections, Detector
from loupette_slider.likeness import compare, seek
from loupette_slider.matching import Piece, Place, cut_piece, find_places
from loupette_slider.packaged import load_weights
from loupette_slider.ranking import Ranking, believe, rank
from loupette_slider.refiner import GAP, Refiner, TwoLooks

SMALLEST_WIDTH = 120
SMALLEST_HEIGHT = 60
_PLAINEST_STD = 1.0

# Chosen on generated validation scenes; training/calibrate.py prints what they cost and catch.
_FAINTEST_GAP = 0.2
_TWIN_RATIO = 0.85
_LIKE_RATIO = 0.45
_LIKE_SIZE = 0.15
_SEEN_PIECE = 0.5
_WEAKEST_FIT = 0.75
_TWIN_LEAD = 0.05
_CLEAR_LEAD = 0.3
"""From here on the network is not asked: it takes as long as the matching, and tells where places
are close."""

_SURE_EDGE = 0.7

_OUTLINE_WEIGHT = 3.0
_HEAT_WEIGHT = 0.6
_MOST_FITS = 6


class Finder(Protocol):
    """What finds candidates: the packaged `TwoLooks`, or a stand-in in tests."""

    def detect(self, rgb: Pixels) -> Detections:
        """Find gaps and pieces in uint8 RGB."""
        ...

    def sharpen(self, rgb: Pixels, found: Detections) -> Detections:
        """Make the best boxes exact."""
        ...

    def look(self, rgb: Pixels, candidate: Candidate, kind: int) -> Candidate:
        """Make one box exact."""
        ...


def load() -> "SliderSolver":
    """Load the packaged networks."""
    cv2.setNumThreads(1)
    weights = load_weights()
    finder = TwoLooks(Detector(weights.boxes), Refiner(weights.edges))
    return SliderSolver(finder, weights.single, weights.matched)


@dataclass(frozen=True)
class Fit:
    """A place of the separate piece with its total score."""

    place: Place
    heat: float
    total: float


class SliderSolver:
    """Reads type 10200.

    Args:
        finder: finds candidate gaps and drawn pieces.
        single: calibration of answers from one image.
        matched: calibration of answers with a separate piece.
    """

    def __init__(self, finder: Finder, single: Calibration, matched: Calibration) -> None:
        self._finder = finder
        self._single = single
        self._matched = matched

    def solve(self, challenge: Challenge) -> Answer:
        """Find the gap's left edge, in pixels of the posted image.

        Args:
            challenge: the background, and the piece as its second image where there is one.

        Returns:
            x as an integer string, with boxes and candidates in the detail. Where the option
            ``width`` says how wide a page shows the image, x and the distance are in its pixels;
            boxes stay in those of the posted image.

        Raises:
            Unsolvable: the image cannot be a slider's, or no gap or two equal ones are seen.
        """
        rgb = challenge.image.rgb
        check_background(rgb)
        scale = int(challenge.options.get("width", rgb.shape[1])) / rgb.shape[1]
        if challenge.image2 is None:
            return self._solve_single(rgb, scale)
        return self._solve_matched(rgb, check_piece(challenge.image2, rgb), scale)

    def _solve_single(self, rgb: Pixels, scale: float) -> Answer:
        ranking = find_gaps(self._finder, rgb)
        detail = _describe(ranking, rgb)
        seen = ranking.piece is not None or ranking.likeliest_score >= _SEEN_PIECE
        check_candidates(ranking.gaps, detail, piece_seen=seen)
        best, second = ranking.gaps[0], _score_of(ranking.gaps[1:])
        features = single_features(
            best.score, second, sure=best.sure, with_piece=ranking.piece is not None
        )
        confidence = self._single.confidence(features)
        return _answer(best.box, ranking.piece, confidence, detail, scale=scale)

    def _solve_matched(self, rgb: Pixels, piece: Piece, scale: float) -> Answer:
        fits = weigh_places(self._finder, rgb, piece)
        h, w = piece.mask.shape
        gaps = tuple(
            Candidate(Box(fit.place.x, fit.place.y, w, h), round(max(fit.total, 0.0), 4))
            for fit in fits
        )
        drawn = Candidate(Box(piece.x, piece.y, w, h), 1.0)
        detail = _describe(Ranking(gaps, drawn), rgb)
        check_fits(fits, detail)
        best, settled = fits[0], settle(self._finder, rgb, gaps[0])
        features = matched_features(
            best.place.outline,
            best.place.content,
            best.heat,
            lead=lead_of(fits),
            sure=settled.sure,
        )
        confidence = self._matched.confidence(features)
        return _answer(settled.box, drawn, confidence, detail, scale=scale)


def find_gaps(finder: Finder, rgb: Pixels) -> Ranking:
    """Rank what may be the gap of one image, by all that is seen in it."""
    ranking = rank(finder.sharpen(rgb, finder.detect(rgb)), rgb.shape[1])
    piece = ranking.likeliest
    if ranking.piece is None and piece is not None:
        sought = seek(rgb, piece.box)
        if sought is not None:
            gap = finder.look(rgb, Candidate(sought, piece.score), GAP)
            ranking = believe(ranking, gap, piece)
    return compare(rgb, ranking)


def settle(finder: Finder, rgb: Pixels, fit: Candidate) -> Candidate:
    """Where the piece's place really begins: a soft shadow round a piece shifts what fits best."""
    exact = finder.look(rgb, fit, GAP)
    if exact.sure < _SURE_EDGE:
        return replace(fit, sure=exact.sure)
    return replace(fit, box=replace(fit.box, x=exact.box.x), sure=exact.sure)


def check_background(rgb: Pixels) -> None:
    """Refuse what is no slider background: upright, tiny or of one colour.

    Raises:
        Unsolvable: with the reason ``portrait_image``, ``image_too_small`` or ``blank_image``.
    """
    height, width = rgb.shape[:2]
    if width < SMALLEST_WIDTH or height < SMALLEST_HEIGHT:
        least = f"{SMALLEST_WIDTH}x{SMALLEST_HEIGHT}"
        raise Unsolvable("image_too_small", f"{width}x{height} px; a slider has {least} or more")
    if height > width:
        raise Unsolvable("portrait_image", f"{width}x{height} px is upright; a slider is wide")
    # A row in four shows of most pictures that they are not.
    if all(float(cv2.meanStdDev(part)[1].max()) < _PLAINEST_STD for part in (rgb[::4], rgb)):
        raise Unsolvable("blank_image", "the image has one colour only")


def check_piece(picture: Picture, rgb: Pixels) -> Piece:
    """Cut the piece out of the second image.

    Raises:
        Unsolvable: ``piece_too_large`` for one that does not fit into the background,
            ``empty_piece`` for one that shows nothing.
    """
    height, width = rgb.shape[:2]
    if picture.height > height or picture.width > width:
        size = f"{picture.width}x{picture.height}"
        raise Unsolvable("piece_too_large", f"piece {size} px, background {width}x{height} px")
    piece = cut_piece(picture.rgba, height)
    if piece is None or min(piece.mask.shape) < 8:
        raise Unsolvable("empty_piece", "the second image is transparent or nearly so")
    h, w = piece.mask.shape
    if h > 0.9 * height or w > 0.6 * width:
        raise Unsolvable("piece_too_large", f"piece {w}x{h} px, background {width}x{height} px")
    return piece


def check_candidates(
    gaps: Sequence[Candidate], detail: dict[str, Json], *, piece_seen: bool
) -> None:
    """Refuse when no candidate is strong, or two are equally so.

    Args:
        gaps: best first.
        detail: of the refusal.
        piece_seen: something that may be the piece is drawn. Where nothing is, only how it looks
            tells a false gap, and another of the same size need not be as strong to be true.

    Raises:
        Unsolvable: ``no_gap`` or ``ambiguous_gaps``, with the candidates.
    """
    best = _score_of(gaps)
    if best < _FAINTEST_GAP:
        raise Unsolvable("no_gap", f"best candidate scores {best:.2f}", detail=detail)
    like = () if piece_seen else [gap for gap in gaps[1:] if _one_size(gap.box, gaps[0].box)]
    if _score_of(gaps[1:]) > _TWIN_RATIO * best or _score_of(like) > _LIKE_RATIO * best:
        message = "two gaps are equally likely; post the piece as image2"
        raise Unsolvable("ambiguous_gaps", message, detail=detail)


def check_fits(fits: Sequence[Fit], detail: dict[str, Json]) -> None:
    """Refuse when the piece fits nowhere, or in two places alike.

    Raises:
        Unsolvable: ``no_gap`` or ``ambiguous_gaps``, with the candidates.
    """
    if not fits or fits[0].total < _WEAKEST_FIT:
        raise Unsolvable("no_gap", "the piece fits nowhere", detail=detail)
    if lead_of(fits) < _TWIN_LEAD:
        raise Unsolvable("ambiguous_gaps", "the piece fits two places alike", detail=detail)


def weigh_places(finder: Finder, rgb: Pixels, piece: Piece) -> list[Fit]:
    """The places of a separate piece, best first; the network is asked where they are close."""
    places = find_places(rgb, piece)
    fits = rank_fits(places, piece, Detections((), ()))
    if lead_of(fits) >= _CLEAR_LEAD:
        return fits
    return rank_fits(places, piece, finder.detect(rgb))


def lead_of(fits: Sequence[Fit]) -> float:
    """How far the best place is ahead of the second."""
    return fits[0].total - fits[1].total if len(fits) > 1 else fits[0].total


def rank_fits(places: Sequence[Place], piece: Piece, found: Detections) -> list[Fit]:
    """Weigh outline, content and the detector's heat; the best first, near repeats left out."""
    fits = []
    for place in places:
        heat = _heat_near(found, place, piece)
        total = _OUTLINE_WEIGHT * place.outline + place.content + _HEAT_WEIGHT * heat
        fits.append(Fit(place, heat, total))
    kept: list[Fit] = []
    for fit in sorted(fits, key=lambda fit: -fit.total):
        if len(kept) == _MOST_FITS:
            break
        if all(_apart(fit.place, other.place, piece) for other in kept):
            kept.append(fit)
    return kept


def _one_size(one: Box, other: Box) -> bool:
    return max(abs(one.w / other.w - 1), abs(one.h / other.h - 1)) < _LIKE_SIZE


def _apart(one: Place, other: Place, piece: Piece) -> bool:
    h, w = piece.mask.shape
    return bool(abs(one.x - other.x) > 0.3 * w or abs(one.y - other.y) > 0.3 * h)


def _heat_near(found: Detections, place: Place, piece: Piece) -> float:
    """Give the score of the candidate whose box covers the place best."""
    if not found.gaps:
        return 0.0
    h, w = piece.mask.shape
    here = Box(place.x, place.y, w, h)
    return max(gap.score * here.overlap(gap.box) for gap in found.gaps)


def _score_of(gaps: Sequence[Candidate]) -> float:
    return gaps[0].score if gaps else 0.0


def _describe(ranking: Ranking, rgb: Pixels) -> dict[str, Json]:
    height, width = rgb.shape[:2]
    detail: dict[str, Json] = {
        "candidates": [
            {"box": gap.box.rounded(), "score": round(gap.score, 4)} for gap in ranking.gaps
        ],
        "image_size": [width, height],
    }
    if ranking.piece is not None:
        detail["piece"] = ranking.piece.box.rounded()
    return detail


def _answer(
    gap: Box, piece: Candidate | None, confidence: float, detail: dict[str, Json], *, scale: float
) -> Answer:
    facts: dict[str, Json] = {"box": [max(0, round(gap.x)), *gap.rounded()[1:]], **detail}
    if piece is not None:
        facts["distance"] = round((gap.x - piece.box.x) * scale)
    x = max(0, round(gap.x * scale))
    return Answer(result=str(x), confidence=float(np.round(confidence, 4)), detail=facts)
