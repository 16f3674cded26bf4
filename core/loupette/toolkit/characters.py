"""How sure each character of a reading is, and which columns of the picture it was read from."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

import numpy as np
import numpy.typing as npt

from loupette.plugin import Json
from loupette.toolkit.ctc import LogProbs, likeliest_path
from loupette.toolkit.looks import View

Span = tuple[int, int]
"""Time steps, or columns, from the first to the one after the last."""


def describe_characters(
    written: str,
    codes: Sequence[int],
    looks: Sequence[tuple[LogProbs, View]],
    *,
    size: tuple[int, int],
) -> list[dict[str, Json]]:
    """What an answer's detail says under ``characters``, in a tenth of the model's own time.

    A text's likeliest path (A. Viterbi, 1967) gives each character a run of steps, and the blanks
    between two runs are halved between them. The confidence of a character is the probability that
    its steps write it and nothing else, so the product over all is at most the text's; of several
    looks it is the mean. The steps, of equal width, are columns of the picture: a box ends where a
    character's steps do, and at the ends of the text is as wide on the outer side as on the inner
    one. It says between which columns the model saw the character, not where its ink ends, is of
    full height, and of the look that is surest of the text.

    Args:
        written: the text as the caller gets it, one character for each code.
        codes: indices of the text's symbols.
        looks: what the model gave each time, float32 or float64, (steps, symbols + 1), the blank
            last; and which columns its steps are. At least one.
        size: width and height of the posted picture in pixels.

    Returns:
        For each character ``text``, ``confidence`` (0..1) and ``box``: x, y, width and height in
        whole pixels of the posted picture. Empty if no look has steps enough for the text.
    """
    seen = [
        (_probabilities(log_probs, codes, spans), _columns(spans, len(log_probs), view, size[0]))
        for log_probs, view in looks
        if (spans := align(log_probs, codes))
    ]
    if not seen:
        return []
    _, columns = max(seen, key=lambda look: math.prod(look[0]))
    shares = [fmean(each) for each in zip(*(look[0] for look in seen), strict=True)]
    return [
        {"text": char, "confidence": round(share, 4), "box": [left, 0, right - left, size[1]]}
        for char, share, (left, right) in zip(written, shares, columns, strict=True)
    ]


def align(log_probs: LogProbs, codes: Sequence[int]) -> list[Span]:
    """The steps that write each symbol on the text's likeliest path.

    Where the likeliest path of all writes the text, as it does of most readings, it is that one.
    Else all steps at once, symbol after symbol: with sums up to each step, the best run that ends
    there is a running maximum over where it begins.

    Args:
        log_probs: float32 or float64, (steps, symbols + 1), the blank last.
        codes: indices of the text's symbols.

    Returns:
        One span for each; empty where there are too few steps, or no codes.
    """
    likeliest = likeliest_path(log_probs, log_probs.shape[1] - 1)
    if [code for code, _, _ in likeliest] == [*codes]:
        return [(start, end) for _, start, end in likeliest]
    sums = np.zeros((len(codes) + 1, len(log_probs) + 1))
    np.cumsum(log_probs[:, [*codes, -1]].T, axis=1, out=sums[:, 1:])
    gains = sums[:-1] - sums[-1]  # of writing the symbol rather than nothing, up to each step
    ended = np.full(sums.shape[1], -np.inf)
    ended[0] = 0.0
    starts, ends = [], []
    for repeats, gain in zip(_repeats(codes), gains, strict=True):
        # A repeated symbol needs a blank between, so begins a step later.
        begun = _best_before(ended, repeats) - gain
        ended = _best_before(begun, True) + gain
        starts.append(begun)
        ends.append(ended)
    return _trace(starts, ends, codes) if codes and ended.max() > -np.inf else []


def _best_before(scores: npt.NDArray[np.float64], is_strict: bool) -> npt.NDArray[np.float64]:
    """Up to each step the best score so far, that of the step itself left out where asked."""
    best: npt.NDArray[np.float64] = np.maximum.accumulate(scores)
    if is_strict:
        best[1:] = best[:-1].copy()
        best[0] = -np.inf
    return best


def _repeats(codes: Sequence[int]) -> list[bool]:
    return [index > 0 and code == codes[index - 1] for index, code in enumerate(codes)]


def _trace(
    starts: list[npt.NDArray[np.float64]],
    ends: list[npt.NDArray[np.float64]],
    codes: Sequence[int],
) -> list[Span]:
    """Follow the best path back from its end."""
    spans: list[Span] = []
    bound = len(ends[-1])
    for begun, ended, repeats in zip(
        reversed(starts), reversed(ends), reversed(_repeats(codes)), strict=True
    ):
        end = int(ended[:bound].argmax())
        start = int(begun[:end].argmax())
        spans.append((start, end))
        bound = start + (not repeats)
    return spans[::-1]


def _probabilities(log_probs: LogProbs, codes: Sequence[int], spans: Sequence[Span]) -> list[float]:
    """For each symbol the probability that its share of the steps writes it and nothing else."""
    cuts = [0, *((end + start) // 2 for (_, end), (start, _) in pairwise(spans)), len(log_probs)]
    *inks, blanks = np.exp(log_probs[:, [*codes, -1]].T).tolist()
    found = []
    for ink, (first, last) in zip(inks, pairwise(cuts), strict=True):
        none, now, done = 1.0, 0.0, 0.0  # of the symbol so far: not begun, in it, past it
        for symbol, blank in zip(ink[first:last], blanks[first:last], strict=True):
            none, now, done = none * blank, (none + now) * symbol, (now + done) * blank
        found.append(min(1.0, now + done))
    return found


def _columns(spans: Sequence[Span], steps: int, view: View, width: int) -> list[Span]:
    """Where each character begins and ends, in pixels of a picture that is so wide."""
    cuts = [(end + start) / 2 for (_, end), (start, _) in pairwise(spans)]
    if cuts:  # as far out as in
        edges = [sum(spans[0]) - cuts[0], *cuts, sum(spans[-1]) - cuts[-1]]
    else:
        edges = [float(edge) for edge in spans[0]]
    scale = view.width / steps
    return list(pairwise(min(max(0, view.left + round(edge * scale)), width) for edge in edges))
