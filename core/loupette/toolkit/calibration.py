"""Whether a solver is as often right as it is sure; from which confidence on it should answer.

Everything here takes what a solver said of pictures whose answer is known: its confidences, and
whether each answer is right. Where it gave none, the confidence is `NO_ANSWER`.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from loupette.toolkit.metrics import Share

NO_ANSWER = -1.0
"""Below every threshold."""

WANTED = 0.975
"""Share of the answers at the recommended threshold that are right."""

LEAST = 50
"""A threshold that fewer pictures reach is not recommended: they prove nothing."""

THRESHOLDS = (*(i / 20 for i in range(20)), 0.97, 0.98, 0.99)
"""Where the curve of a card is given."""


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence.

    Attributes:
        low: least confidence of the bin.
        confidence: their mean confidence.
        share: how many are right.
    """

    low: float
    confidence: float
    share: Share


@dataclass(frozen=True)
class Point:
    """What a threshold does.

    Attributes:
        threshold: answers below are refused.
        answered: share of the pictures that is answered.
        share: how many of those answers are right: the precision.
    """

    threshold: float
    answered: float
    share: Share


def reliability(
    confidences: Sequence[float], right: Sequence[bool], *, bins: int = 10
) -> list[Bin]:
    """Answers by confidence, in equal bins; empty ones are left out.

    Args:
        confidences: one a picture.
        right: whether the answer is right.
        bins: how many.
    """
    sure, correct = np.asarray(confidences, float), np.asarray(right, bool)
    place = np.where(sure < 0, -1, np.minimum((sure * bins).astype(int), bins - 1))
    return [
        Bin(
            i / bins,
            float(sure[inside].mean()),
            Share(int(correct[inside].sum()), int(inside.sum())),
        )
        for i in range(bins)
        if (inside := place == i).any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of confidence from accuracy, by count."""
    distance = sum(bin.share.count * abs(bin.confidence - bin.share.value) for bin in bins)
    return distance / max(1, sum(bin.share.count for bin in bins))


def coverage(
    confidences: Sequence[float],
    right: Sequence[bool],
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Point]:
    """What each threshold leaves of the answers, and how right they are."""
    sure, correct = np.asarray(confidences, float), np.asarray(right, bool)
    points = []
    for threshold in thresholds:
        kept = sure >= threshold
        share = Share(int(correct[kept].sum()), int(kept.sum()))
        points.append(Point(threshold, share.count / max(1, len(sure)), share))
    return points


def recommend(
    confidences: Sequence[float], right: Sequence[bool], *, wanted: float = WANTED
) -> float | None:
    """The smallest threshold, in hundredths, at which the answers are right often enough.

    Args:
        confidences: one a picture.
        right: whether the answer is right.
        wanted: share of the answers.

    Returns:
        The threshold; None if `LEAST` answers reach none such.
    """
    points = coverage(confidences, right, [i / 100 for i in range(100)])
    good = [p for p in points if p.share.count >= LEAST and p.share.value >= wanted]
    return good[0].threshold if good else None


def describe(
    confidences: Sequence[float], right: Sequence[bool], *, wanted: float = WANTED
) -> dict[str, Any]:
    """What a card says of its calibration: error, table, curve and recommended threshold."""
    bins, best = reliability(confidences, right), recommend(confidences, right, wanted=wanted)
    thresholds = sorted({*THRESHOLDS, *([] if best is None else [best])})
    return {
        "n": len(confidences),
        "error": round(calibration_error(bins), 4),
        "wanted": wanted,
        "min_confidence": best,
        "reliability": [
            {
                "from": bin.low,
                "n": bin.share.count,
                "confidence": round(bin.confidence, 4),
                "accuracy": round(bin.share.value, 4),
            }
            for bin in bins
        ],
        "curve": [
            {
                "threshold": point.threshold,
                "answered": round(point.answered, 4),
                "precision": round(point.share.value, 4),
                "n": point.share.count,
            }
            for point in coverage(confidences, right, thresholds)
            if point.share.count
        ],
    }


def recommended(card: Mapping[str, Any]) -> float:
    """The threshold a card recommends; 0 if it has none, as then nothing speaks for refusing."""
    return float(card.get("calibration", {}).get("min_confidence") or 0.0)


def recommendation(card: Mapping[str, Any], type_id: int) -> str:
    """The line for registry.toml, and what it does on the held-out pictures."""
    facts, best = card["calibration"], recommended(card)
    said = [point for point in facts["curve"] if point["threshold"] == best]
    does = "".join(f"  # answers {p['answered']:.3f}, right {p['precision']:.3f}" for p in said)
    return (
        f"calibration error {facts['error']:.4f} at temperature {card['temperature']:g}\n"
        f"[types.{type_id}]\nmin_confidence = {best:g}{does}"
    )


def log_loss(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Binary cross-entropy of the confidences, in nats; no answer counts as a confidence of 0."""
    chance = np.clip(np.asarray(confidences, float), 1e-4, 1 - 1e-4)
    return float(-np.where(np.asarray(right, bool), np.log(chance), np.log(1 - chance)).mean())


def fit_temperature(cost: Callable[[float], float]) -> float:
    """The temperature of least cost (C. Guo et al., 2017, arXiv:1706.04599), to a twentieth.

    Args:
        cost: of a temperature, such as the `log_loss` of a solver at it; dear, so asked about ten
            times only, each time nearer to the best so far.

    Returns:
        Between 0.5 and 3.
    """
    known = cache(cost)
    best, step = 1.0, 0.4
    while step >= 0.05:
        around = [round(min(3.0, max(0.5, best + move)), 2) for move in (0.0, -step, step)]
        nearest = min(around, key=known)
        step = step / 2 if nearest == best else step
        best = nearest
    return best


def read_threshold(registry: Path, type_id: int) -> float:
    """The ``min_confidence`` at which an operator's registry.toml serves a type."""
    types = tomllib.loads(registry.read_text(encoding="utf-8"))["types"]
    return float(types[str(type_id)].get("min_confidence", 0.0))


def draw_reliability(bins: Sequence[Bin], path: Path) -> None:
    """Draw accuracy over confidence; on the diagonal a solver is as often right as it is sure.

    Each bin is a dot with its count; a bar says where the accuracy lies, at 95 %.

    Args:
        bins: from `reliability`.
        path: PNG file to write; its folder is made.
    """
    side, edge = 400, 40
    image = Image.new("RGB", (side + 2 * edge, side + 2 * edge), "white")
    draw = ImageDraw.Draw(image)

    def place(x: float, y: float) -> tuple[float, float]:
        return edge + x * side, edge + (1 - y) * side

    for tick in range(6):
        share = tick / 5
        draw.line((*place(share, 0), *place(share, 1)), "#dddddd")
        draw.line((*place(0, share), *place(1, share)), "#dddddd")
        draw.text((place(share, 0)[0] - 8, edge + side + 6), f"{share:.1f}", "black")
        draw.text((edge - 24, place(0, share)[1] - 6), f"{share:.1f}", "black")
    draw.line((*place(0, 0), *place(1, 1)), "#999999", 2)
    draw.text((edge + side / 2 - 30, edge + side + 22), "confidence", "black")
    draw.text((6, 8), "accuracy (95 %) and number of answers", "black")
    centres = [place(bin.confidence, bin.share.value) for bin in bins]
    draw.line([value for centre in centres for value in centre], "#1f4e9c", 2)
    for bin, (x, y) in zip(bins, centres, strict=True):
        low, high = (place(0, bound)[1] for bound in bin.share.interval)
        draw.line((x, low, x, high), "#1f4e9c")
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), "#1f4e9c")
        draw.text((x + 7, y + 3), str(bin.share.count), "#1f4e9c")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)
