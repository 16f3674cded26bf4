"""Fit confidence on generated scenes, and show what thresholds cost and catch there.

    python plugins/slider/training/calibrate.py PHOTOS gap.tflite edges.tflite calibration.json

Only scenes on held-out photos are used; the first half fits, the second half measures.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from generate import split_photos
from scenes import Scene, draw_scene

from loupette_slider.confidence import Calibration, matched_features, single_features
from loupette_slider.detector import Box, Candidate, Detector
from loupette_slider.matching import cut_piece
from loupette_slider.refiner import Refiner, TwoLooks
from loupette_slider.solver import find_gaps, lead_of, settle, weigh_places

SEED = 5_000_001
RIGHT_PX = 3


@dataclass(frozen=True)
class Case:
    """One answer: its features, whether it is right, and what refusals look at.

    Attributes:
        features: as the solver judges them.
        right: within `RIGHT_PX` of the true gap.
        best: score of the answer.
        second: score of the next candidate.
        kind: ``"plain"``, ``"twin"`` (undecidable) or ``"empty"`` (no gap).
    """

    features: tuple[float, ...]
    right: bool
    best: float
    second: float
    kind: str


def draw_scenes(photos: list[npt.NDArray[np.uint8]], count: int) -> Iterator[Scene]:
    """Draw scenes at their full size."""
    for index in range(count):
        yield draw_scene(photos, np.random.default_rng([SEED, index]))


def judge_single(finder: TwoLooks, scene: Scene) -> Case:
    """Answer from the image alone."""
    ranking = find_gaps(finder, scene.image)
    best = ranking.gaps[0].score if ranking.gaps else 0.0
    second = ranking.gaps[1].score if len(ranking.gaps) > 1 else 0.0
    x = ranking.gaps[0].box.x if ranking.gaps else -99.0
    right = scene.gap is not None and abs(round(x) - scene.gap[0]) <= RIGHT_PX
    kind = "empty" if scene.gap is None else "plain"
    if scene.twins and scene.piece is None:
        kind = "twin"
    sure = ranking.gaps[0].sure if ranking.gaps else 0.0
    features = single_features(best, second, sure=sure, with_piece=ranking.piece is not None)
    return Case(features, right, best, second, kind)


def judge_matched(finder: TwoLooks, scene: Scene, *, strip: bool) -> Case | None:
    """Answer with the piece as a second image; a strip as tall as the scene, or a tight crop."""
    if scene.gap is None or scene.piece_rgba is None or scene.piece is not None:
        return None
    rgba = scene.piece_rgba
    if strip:
        _, y, w, h = scene.gap
        tall = np.zeros((scene.image.shape[0], w + 4, 4), np.uint8)
        tall[y : y + h, 2 : 2 + w] = rgba
        rgba = tall
    piece = cut_piece(rgba, scene.image.shape[0])
    if piece is None:
        return None
    fits = weigh_places(finder, scene.image, piece)
    first, second = fits[0], fits[1].total if len(fits) > 1 else 0.0
    h, w = piece.mask.shape
    fit = Candidate(Box(first.place.x, first.place.y, w, h), first.total)
    settled = settle(finder, scene.image, fit)
    right = abs(round(settled.box.x) - scene.gap[0]) <= RIGHT_PX
    place = first.place
    features = matched_features(
        place.outline, place.content, first.heat, lead=lead_of(fits), sure=settled.sure
    )
    return Case(features, right, first.total, second, "plain")


def fit(cases: Sequence[Case]) -> Calibration:
    """Fit a logistic curve by Newton's method with a small ridge."""
    rows = np.array([(1.0, *case.features) for case in cases])
    truth = np.array([case.right for case in cases], float)
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        share = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (truth - share) - 0.1 * weights
        curve = (rows * (share * (1 - share))[:, None]).T @ rows + 0.1 * np.eye(len(weights))
        weights = weights + np.linalg.solve(curve, slope)
    bias, *rest = (round(float(weight), 4) for weight in weights)
    return Calibration(bias, tuple(rest))


def print_thresholds(cases: Sequence[Case], calibration: Calibration) -> None:
    """Print coverage and precision on the measuring half."""
    scores = np.array([calibration.confidence(case.features) for case in cases])
    right = np.array([case.right for case in cases])
    print("| min_confidence | answered | right of those answered |\n|---|---|---|")
    for threshold in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        kept = scores >= threshold
        print(f"| {threshold} | {kept.mean():.3f} | {right[kept].mean():.3f} |")


def print_refusals(cases: Sequence[Case]) -> None:
    """Print how the kinds of scene spread over the best score and the second's ratio."""
    for kind in ("plain", "twin", "empty"):
        some = [case for case in cases if case.kind == kind]
        best = np.array([case.best for case in some])
        ratio = np.array([case.second / max(case.best, 1e-6) for case in some])
        below = {f: round(float((best < f).mean()), 3) for f in (0.15, 0.2, 0.25, 0.3, 0.4)}
        twin = {r: round(float((ratio > r).mean()), 3) for r in (0.7, 0.8, 0.85, 0.9, 0.95)}
        print(f"{kind} {len(some)}: best below {below}; second/best above {twin}")


def main() -> None:
    """Fit both curves and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("edges", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--count", type=int, default=1500)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    finder = TwoLooks(Detector(args.model.read_bytes()), Refiner(args.edges.read_bytes()))
    single, matched = [], []
    for index, scene in enumerate(
        draw_scenes(split_photos(args.photos, validation=True), args.count)
    ):
        single.append(judge_single(finder, scene))
        case = judge_matched(finder, scene, strip=index % 2 == 0)
        matched += [case] if case else []
    print_refusals(single)
    curves = {}
    for name, cases in (("single", single), ("matched", matched)):
        half = len(cases) // 2
        curve = fit(cases[:half])
        curves[name] = {"bias": curve.bias, "weights": list(curve.weights)}
        right = np.mean([case.right for case in cases])
        print(f"\n{name}: {len(cases)} scenes, right {right:.3f}; measured on {len(cases) - half}:")
        print_thresholds(cases[half:], curve)
    args.target.write_text(json.dumps(curves, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
