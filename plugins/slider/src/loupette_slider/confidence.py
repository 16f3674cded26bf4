"""How likely an answer is right, from what the best candidate has over the second."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Calibration:
    """Weights of a logistic curve, fitted by training/calibrate.py.

    Attributes:
        bias: added to the weighted features.
        weights: one for each feature.
    """

    bias: float
    weights: tuple[float, ...]

    @classmethod
    def read(cls, card: Mapping[str, object]) -> "Calibration":
        """Read one from a model card's ``{"bias": ..., "weights": [...]}``."""
        bias, weights = card["bias"], card["weights"]
        assert isinstance(bias, int | float) and isinstance(weights, Sequence)
        return cls(float(bias), tuple(float(weight) for weight in weights))

    def confidence(self, features: Sequence[float]) -> float:
        """Give 0..1 for an answer's features."""
        total = self.bias + sum(w * f for w, f in zip(self.weights, features, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


def logit(score: float) -> float:
    """Give the log-odds of a score, kept within +-5."""
    kept = min(max(score, 0.0067), 0.9933)
    return math.log(kept / (1.0 - kept))


def single_features(
    best: float, second: float, *, sure: float, with_piece: bool
) -> tuple[float, ...]:
    """Give what a single image's answer is judged by.

    Args:
        best: score of the answer, 0..1.
        second: score of the next candidate, 0 without one.
        sure: of the answer's left edge, 0..1.
        with_piece: whether the drawn piece was seen.
    """
    lead = min(logit(best) - logit(second), 6.0)
    return logit(best), lead, logit(sure), float(with_piece)


def matched_features(
    outline: float, content: float, heat: float, *, lead: float, sure: float
) -> tuple[float, ...]:
    """Give what an answer with a separate piece is judged by.

    Args:
        outline: outline score of the answer, 0..1.
        content: content score, -1..1.
        heat: the detector's heat there, 0..1; 0 where it was not asked.
        lead: total score over that of the next place.
        sure: of the left edge, by the second look, 0..1.
    """
    return outline, content, heat, min(lead, 2.0), logit(sure)
