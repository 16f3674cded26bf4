"""Finding the best valid expression in what the recogniser saw: CTC prefix search in a grammar."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from loupette_arith.expression import ExpressionError, evaluate
from loupette_arith.grammar import DRAWN, START, Grammar, State, canonical

ALIKE = (("-", "一"),)
"""Characters that look the same: each counts for the other, by `_ALIKE_WEIGHT`, and mostly the
grammar tells which is meant."""

_ALIKE_WEIGHT = 0.2

_INEXACT = 0.03
"""Weight of a sum that does not come out whole: captchas that divide choose numbers that do."""

_MIXED = 0.1
"""Weight of a sum that mixes digits and Chinese numerals, which few captchas do."""

_DIGIT_CHARS = frozenset("0123456789")
_NUMERAL_CHARS = frozenset("零一二三四五六七八九十百两")

_BLANK = "\0"

_NEGLIGIBLE = 1e-4
"""Classes below this share of a step's likeliest one are passed over."""

_CLASSES = 8
"""Most classes looked at in one step; with the limit above it bounds the time of a noisy image."""


@dataclass(frozen=True)
class Reading:
    """One value that an image may show.

    Attributes:
        value: the value.
        expression: the likeliest expression with that value, in the recogniser's characters.
        probability: 0..1, of all the texts that the recogniser deems possible.
        share: 0..1, of those that are expressions, weighed by how usual they are.
    """

    value: Fraction
    expression: str
    probability: float
    share: float

    @property
    def confidence(self) -> float:
        """0..1, the geometric mean of the two: one alone is too low, the other too high."""
        return math.sqrt(self.probability * self.share)


def average(looks: Sequence[Sequence[Reading]]) -> list[Reading]:
    """What several looks at one sum say together: of each value the mean of its chances.

    Args:
        looks: the readings of each look, if any; a value that a look has not is none to it.

    Returns:
        Each value once, in its likeliest expression; the surest first.
    """
    found: dict[Fraction, list[Reading]] = {}
    for readings in looks:
        for reading in readings:
            found.setdefault(reading.value, []).append(reading)
    means = [
        Reading(
            value,
            max(readings, key=lambda reading: reading.probability).expression,
            sum(reading.probability for reading in readings) / len(looks),
            sum(reading.share for reading in readings) / len(looks),
        )
        for value, readings in found.items()
    ]
    return sorted(means, key=lambda reading: -reading.confidence)


@dataclass(slots=True)
class _Prefix:
    """Probability of one text so far, by whether its last step was blank."""

    state: State
    blank: float = 0.0
    char: float = 0.0

    @property
    def total(self) -> float:
        return self.blank + self.char


_Beam: TypeAlias = dict[str, _Prefix]


class ExpressionDecoder:
    """Prefix beam search that keeps only what can still become an expression.

    Unlike `loupette.toolkit.ctc.beam_search` it knows the grammar, adds up the spellings of a value
    and lets characters that look alike stand in for each other.

    Args:
        alphabet: one character for each class but the blank, in class order.
        blank: index of the blank class.
        grammar: what counts as an expression.
        beam: texts kept after each step.
    """

    def __init__(
        self, alphabet: str, *, blank: int = 0, grammar: Grammar = DRAWN, beam: int = 16
    ) -> None:
        self._chars = (*alphabet[:blank], _BLANK, *alphabet[blank:])
        self._grammar = grammar
        self._width = beam
        # The same few thousand moves come up all the time.
        self._step = lru_cache(maxsize=65536)(self._move)

    def _move(self, state: State, char: str) -> State | None:
        return self._grammar.step(state, canonical(char))

    def read(self, log_probs: npt.NDArray[np.float32]) -> list[Reading]:
        """Find the values that the image may show.

        Args:
            log_probs: float32, (time, classes), natural logarithms that sum to one over classes.

        Returns:
            The readings, likeliest first; empty if no expression is possible.
        """
        beam, scale = self._search(self.join_alike(log_probs))
        complete = {t: p.total for t, p in beam.items() if self._grammar.is_complete(p.state)}
        return _by_value(complete, self._grammar, scale)

    def join_alike(self, log_probs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """What readings are made from: characters that look alike stand in for each other.

        Args:
            log_probs: float32, (time, classes), natural logarithms.

        Returns:
            float64, same shape; the two of a pair may sum to more than one.
        """
        joined = log_probs.astype(np.float64)
        for pair in ALIKE:
            if set(pair) <= set(self._chars):
                both = list(map(self._chars.index, pair))
                others = log_probs[:, both[::-1]] + math.log(_ALIKE_WEIGHT)
                joined[:, both] = np.logaddexp(joined[:, both], others)
        return joined

    def _search(self, log_probs: npt.NDArray[np.float64]) -> tuple[_Beam, float]:
        """The last beam, and the factor that makes its numbers probabilities."""
        probs = np.exp(log_probs)
        peaks = probs.max(axis=1)
        beam: _Beam = {"": _Prefix(START, blank=1.0)}
        # Each step is scaled to its peak, so that long inputs do not underflow.
        for step in probs / peaks[:, None]:
            beam = self._prune(self._extend(beam, self._likely(step)))
        return beam, float(np.prod(peaks))

    def _likely(self, step: npt.NDArray[np.float64]) -> dict[str, float]:
        classes = np.flatnonzero(step > _NEGLIGIBLE)
        if len(classes) > _CLASSES:
            classes = np.argpartition(-step, _CLASSES)[:_CLASSES]
        return {
            self._chars[c]: p for c, p in zip(classes.tolist(), step[classes].tolist(), strict=True)
        }

    def _extend(self, beam: _Beam, seen: dict[str, float]) -> _Beam:
        p_blank = seen.pop(_BLANK, 0.0)
        # What a whole beam outweighs this much would be pruned, or lost in the sums.
        least = 1e-6 * max(prefix.total for prefix in beam.values())
        longer: _Beam = {}
        for text, prefix in beam.items():
            last = text[-1:]
            same = longer.setdefault(text, _Prefix(prefix.state))
            same.blank += prefix.total * p_blank
            same.char += prefix.char * seen.get(last, 0.0)
            for char, p in seen.items():
                # A repeated character needs a blank between its two steps.
                gain = p * (prefix.blank if char == last else prefix.total)
                state = self._step(prefix.state, char) if gain > least else None
                if state is not None:
                    longer.setdefault(text + char, _Prefix(state)).char += gain
        return longer

    def _prune(self, beam: _Beam) -> _Beam:
        if len(beam) <= self._width:
            return beam
        best = sorted(beam.items(), key=lambda item: item[1].total, reverse=True)
        return dict(best[: self._width])


def _by_value(texts: dict[str, float], grammar: Grammar, scale: float) -> list[Reading]:
    sums = [_Sum(text, p, *_judge(text, grammar)) for text, p in texts.items() if p > 0.0]
    total = sum(s.probability * s.weight for s in sums) or 1.0
    readings = []
    for value in {s.value for s in sums if s.weight > 0.0}:
        same = [s for s in sums if s.value == value and s.weight > 0.0]
        best = max(same, key=lambda s: s.probability * s.weight)
        # Characters that look alike were counted for each other, hence the limit.
        probability = min(1.0, scale * sum(s.probability for s in same))
        share = sum(s.probability * s.weight for s in same) / total
        readings.append(Reading(value, best.text, probability, share))
    return sorted(readings, key=lambda reading: reading.share, reverse=True)


@dataclass(frozen=True, slots=True)
class _Sum:
    """One complete text, its probability, value, and how usual such a sum is."""

    text: str
    probability: float
    value: Fraction
    weight: float


def _judge(text: str, grammar: Grammar) -> tuple[Fraction, float]:
    """The value of a text, and its weight: zero if it divides by zero."""
    try:
        value = evaluate(text, grammar)
    except ExpressionError:
        return Fraction(0), 0.0
    plain = canonical(text)
    mixed = not _NUMERAL_CHARS.isdisjoint(plain) and not _DIGIT_CHARS.isdisjoint(plain)
    return value, (_INEXACT if value.denominator > 1 else 1.0) * (_MIXED if mixed else 1.0)
