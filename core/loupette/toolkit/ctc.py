"""Connectionist temporal classification: coding, decoding and confidence, in numpy.

A. Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with
Recurrent Neural Networks", ICML 2006. A model gives for each time step the log-probabilities of the
symbols and of a blank; a text's probability is the sum over all paths that collapse to it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.float32]

_LIKELY = 1e-3
"""Symbols below this share of a step's likeliest one do not start or go on a text there."""

_NEGLIGIBLE = 1e-4
"""Texts below this share of the likeliest one so far are given up. The two limits bound the time
that noise takes."""

_LEAST_LEFT = 0.2
"""Share of probability that texts of the asked lengths are taken to have at least."""

NEVER = -1e30
"""Log-probability of what cannot be; finite, so that differences stay numbers."""


@dataclass(frozen=True)
class Alphabet:
    """The symbols a model tells apart; the blank has the index after the last one.

    Attributes:
        symbols: one character each, in the order of the model's outputs.
        fold_case: letters are coded in lower case.
    """

    symbols: str
    fold_case: bool = False

    @property
    def blank(self) -> int:
        """Index of the blank."""
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """Indices of a text's symbols.

        Raises:
            ValueError: a character is not in the alphabet.
        """
        folded = text.lower() if self.fold_case else text
        return [self.symbols.index(char) for char in folded]

    def decode(self, indices: Iterable[int]) -> str:
        """The text of a row of indices; anything that is no symbol ends nothing and is skipped."""
        return "".join(self.symbols[i] for i in indices if 0 <= i < len(self.symbols))


@dataclass(frozen=True)
class Reading:
    """One text read from a picture.

    Attributes:
        text: in the alphabet's symbols.
        log_prob: natural logarithm of its probability.
    """

    text: str
    log_prob: float

    @property
    def probability(self) -> float:
        """0..1."""
        return math.exp(min(0.0, self.log_prob))


def log_softmax(logits: npt.NDArray[np.floating], *, temperature: float = 1.0) -> LogProbs:
    """Log-probabilities over the last axis.

    Args:
        logits: float, (..., symbols + 1).
        temperature: above 1 makes them less sure.
    """
    scaled = logits.astype(np.float32) / np.float32(temperature)
    scaled -= scaled.max(axis=-1, keepdims=True)
    result: LogProbs = scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))
    return result


def restrict(log_probs: LogProbs, alphabet: Alphabet, allowed: Iterable[str]) -> LogProbs:
    """Forbid all symbols but these (and the blank), and share their probability out.

    Args:
        log_probs: float32, (steps, symbols + 1).
        alphabet: of the model.
        allowed: symbols that may occur; others are ignored.

    Returns:
        float32, same shape, normalised again.
    """
    wanted = set(allowed)
    if wanted.issuperset(alphabet.symbols):
        return log_probs
    keep = np.array([*(symbol in wanted for symbol in alphabet.symbols), True])
    return log_softmax(np.where(keep, log_probs, NEVER))


def likeliest_path(log_probs: LogProbs, blank: int) -> list[tuple[int, int, int]]:
    """The single most likely path: its symbols, repeats merged and blanks dropped, and their steps.

    Args:
        log_probs: float32 or float64, (steps, symbols + 1).
        blank: index of the blank.

    Returns:
        For each symbol its index, its first step, and the one after its last.
    """
    path = log_probs.argmax(axis=1).tolist()
    cuts = [step for step in range(1, len(path)) if path[step] != path[step - 1]]
    runs = pairwise((0, *cuts, len(path)))
    return [(path[start], start, end) for start, end in runs if path[start] != blank]


def greedy(log_probs: LogProbs, blank: int) -> list[int]:
    """The symbols of `likeliest_path`."""
    return [code for code, _, _ in likeliest_path(log_probs, blank)]


def log_probability(log_probs: LogProbs, codes: Sequence[int], blank: int) -> float:
    """The forward algorithm: log-probability of exactly this text.

    Args:
        log_probs: float32, (steps, symbols + 1).
        codes: indices of the text's symbols.
        blank: index of the blank.

    Returns:
        Natural logarithm; about -1e30 when there are too few steps for the text.
    """
    extended = np.full(2 * len(codes) + 1, blank)
    extended[1::2] = codes
    # A step may skip the blank between two symbols only where they differ.
    skip = np.zeros(len(extended), bool)
    skip[3::2] = extended[3::2] != extended[1:-2:2]
    alpha = np.full(len(extended), NEVER)
    alpha[:2] = log_probs[0, extended[:2]]
    for step in log_probs[1:]:
        one = np.concatenate(([NEVER], alpha[:-1]))
        two = np.where(skip, np.concatenate(([NEVER, NEVER], alpha[:-2]))[: len(alpha)], NEVER)
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + step[extended]
    return float(np.logaddexp.reduce(alpha[-2:]))


def beam_search(
    log_probs: LogProbs,
    alphabet: Alphabet,
    *,
    width: int = 12,
    min_length: int = 0,
    max_length: int = 64,
) -> list[Reading]:
    """Prefix beam search (A. Hannun et al., 2014, arXiv:1408.2873, without a language model).

    Where the likeliest text breaks the limits, the likeliest path within them is searched too: a
    beam alone loses texts that begin less likely than they end.

    Args:
        log_probs: float32, (steps, symbols + 1), as `restrict` left it.
        alphabet: of the model.
        width: prefixes kept after each step.
        min_length: fewest symbols.
        max_length: most symbols.

    Returns:
        Texts within the limits, likeliest first, at most `width`; empty only when no text of
        this length is possible in so many steps. Who tells the length knows something: what
        texts of others took is shared out, as `restrict` does for symbols, but a text gains no
        more than five times its own probability: the picture may say otherwise.
    """
    found = _search(log_probs, alphabet, width)
    fitting, others = [], 0.0
    for reading in found:
        if min_length <= len(reading.text) <= max_length:
            fitting.append(reading)
        else:
            others += reading.probability
    if fitting[:1] != found[:1]:
        codes = _fit_length(log_probs, min_length, max_length)
        text = alphabet.decode(codes or ())
        if codes is not None and all(reading.text != text for reading in fitting):
            fitting.append(Reading(text, log_probability(log_probs, codes, alphabet.blank)))
    gain = -math.log(max(1.0 - others, _LEAST_LEFT))
    shared = [Reading(reading.text, reading.log_prob + gain) for reading in fitting]
    return sorted(shared, key=lambda reading: -reading.log_prob)[:width]


def average(looks: Sequence[Sequence[Reading]]) -> list[Reading]:
    """What several looks at one text say together: the mean of the probabilities they give.

    Args:
        looks: the readings of each look, at least one; a text that a look has not is never to it.

    Returns:
        Each text once, likeliest first.
    """
    found: dict[str, list[float]] = {}
    for readings in looks:
        for reading in readings:
            found.setdefault(reading.text, []).append(reading.log_prob)
    count = math.log(len(looks))
    means = [
        Reading(text, float(np.logaddexp.reduce(log_probs)) - count)
        for text, log_probs in found.items()
    ]
    return sorted(means, key=lambda reading: -reading.log_prob)


def _search(log_probs: LogProbs, alphabet: Alphabet, width: int) -> list[Reading]:
    """Texts of any length, likeliest first.

    Each prefix carries the probability of the paths that end in a blank and of those that end in
    its last symbol, both over the likeliest path's: so they do not underflow, and no logarithm
    is needed before the end.
    """
    peaks, steps = _likely_symbols(log_probs, alphabet)
    beam, resting = {"": (1.0, 0.0)}, False
    for blank, symbols in steps:
        if symbols:
            beam = _advance(beam, blank, symbols)
            if len(beam) > width:
                beam = dict(sorted(beam.items(), key=_share, reverse=True)[:width])
        elif not resting:
            # Surely blank, as most steps are; a second one in a row changes nothing more.
            beam = {text: (rest + ink, 0.0) for text, (rest, ink) in beam.items()}
        resting = not symbols
    scale = float(np.log(peaks).sum())
    ranked = sorted(beam.items(), key=_share, reverse=True)
    return [Reading(text, scale + math.log(sum(paths))) for text, paths in ranked if any(paths)]


def _share(prefix: tuple[str, tuple[float, float]]) -> float:
    rest, ink = prefix[1]
    return rest + ink


def _likely_symbols(
    log_probs: LogProbs, alphabet: Alphabet
) -> tuple[npt.NDArray[np.float64], list[tuple[float, dict[str, float]]]]:
    """Each step's peak and, as shares of it, its blank and the symbols that matter."""
    probs = np.exp(log_probs.astype(np.float64))
    peaks = probs.max(axis=1)
    shares = probs / peaks[:, None]
    steps: list[tuple[float, dict[str, float]]]
    steps = [(blank, {}) for blank in shares[:, alphabet.blank].tolist()]
    rows, codes = np.nonzero(shares[:, : alphabet.blank] > _LIKELY)
    values = shares[rows, codes].tolist()
    for row, code, share in zip(rows.tolist(), codes.tolist(), values, strict=True):
        steps[row][1][alphabet.symbols[code]] = share
    return peaks, steps


def _advance(
    beam: dict[str, tuple[float, float]], blank: float, symbols: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """One time step: each prefix ends in a blank, repeats its last symbol, or grows by one."""
    grown: dict[str, tuple[float, float]] = {}
    nothing = (0.0, 0.0)
    least = _NEGLIGIBLE * max(rest + ink for rest, ink in beam.values())
    for text, (rest, ink) in beam.items():
        total, last = rest + ink, text[-1:]
        if total < least:
            continue
        old = grown.get(text, nothing)
        grown[text] = (old[0] + total * blank, old[1] + ink * symbols.get(last, 0.0))
        for char, share in symbols.items():
            # A repeated symbol needs a blank between.
            gain = share * (rest if char == last else total)
            if gain > least:
                longer = text + char
                old = grown.get(longer, nothing)
                grown[longer] = (old[0], old[1] + gain)
    return grown


def _fit_length(log_probs: LogProbs, least: int, most: int) -> list[int] | None:
    """The symbols on the single most likely path with so many of them (A. Viterbi, 1967).

    Each state is a number of symbols so far and the last output, the blank being the last one.
    Needed only where the limits bind, and dearer than the beam.
    """
    steps, outputs = log_probs.shape
    blank, most = outputs - 1, min(most, steps)
    counts, codes = np.arange(most + 1), np.arange(outputs)
    score = np.full((most + 1, outputs), NEVER)
    score[0, blank] = 0.0
    came = np.tile(codes, (steps, most + 1, 1))
    for step, before in zip(log_probs.astype(np.float64), came, strict=True):
        # Into each output from the best other one: from itself it only stays.
        others = score.copy()
        best = score.argmax(axis=1)
        others[counts, best] = -np.inf
        source = np.where(best[:, None] == codes, others.argmax(axis=1)[:, None], best[:, None])
        source[:, blank] = best
        entered = np.take_along_axis(score, source, axis=1)
        grows = entered[:-1, :blank] > score[1:, :blank]
        before[1:, :blank] = np.where(grows, source[:-1, :blank], codes[:blank])
        before[:, blank] = best
        score[1:, :blank] = np.where(grows, entered[:-1, :blank], score[1:, :blank])
        score[:, blank] = entered[:, blank]
        score += step
    return _trace(score, came, least)


def _trace(
    score: npt.NDArray[np.float64], came: npt.NDArray[np.intp], least: int
) -> list[int] | None:
    """Follow the best path back from its end; None where there is none."""
    if least >= len(score) or score[least:].max() < NEVER / 2:
        return None
    blank = score.shape[1] - 1
    count, output = divmod(int(score[least:].argmax()) + least * score.shape[1], score.shape[1])
    symbols: list[int] = []
    for before in came[::-1]:
        source = int(before[count, output])
        if output not in (source, blank):
            symbols.append(output)
            count -= 1
        output = source
    return symbols[::-1]
