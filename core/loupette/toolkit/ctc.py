"""Connectionist temporal classification: coding, decoding and confidence, in numpy.

A. Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with
Recurrent Neural Networks", ICML 2006. A model gives for each time step the log-probabilities of the
symbols and of a blank; a text's probability is the sum over all paths that collapse to it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loupette.errors import PluginError
from loupette.toolkit.images import prepare
from loupette.toolkit.weights import read_card

LogProbs = npt.NDArray[np.float32]

_LIKELY = -9.0
"""Symbols below this log-probability at a step do not start or go on a text: one in 8,000."""

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
        return float(np.exp(min(0.0, self.log_prob)))


def log_softmax(logits: npt.NDArray[np.floating], *, temperature: float = 1.0) -> LogProbs:
    """Log-probabilities over the last axis.

    Args:
        logits: float, (..., symbols + 1).
        temperature: above 1 makes them less sure.
    """
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(axis=-1, keepdims=True)
    result: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result.astype(np.float32)


def restrict(log_probs: LogProbs, alphabet: Alphabet, allowed: Iterable[str]) -> LogProbs:
    """Forbid all symbols but these (and the blank), and share their probability out.

    Args:
        log_probs: float32, (steps, symbols + 1).
        alphabet: of the model.
        allowed: symbols that may occur; others are ignored.

    Returns:
        float32, same shape, normalised again.
    """
    keep = np.zeros(len(alphabet.symbols) + 1, bool)
    keep[alphabet.blank] = True
    for char in allowed:
        if char in alphabet.symbols:
            keep[alphabet.symbols.index(char)] = True
    return log_softmax(np.where(keep, log_probs, NEVER))


def greedy(log_probs: LogProbs, blank: int) -> list[int]:
    """The symbols on the single most likely path: repeats merged, blanks dropped.

    Args:
        log_probs: float32, (steps, symbols + 1).
        blank: index of the blank.
    """
    path = log_probs.argmax(axis=1)
    changed = np.concatenate(([True], path[1:] != path[:-1]))
    return [int(index) for index in path[changed] if index != blank]


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
    may_extend: Callable[[str, str], bool] | None = None,
    is_complete: Callable[[str], bool] | None = None,
) -> list[Reading]:
    """Prefix beam search (A. Hannun et al., 2014, arXiv:1408.2873, without a language model).

    Args:
        log_probs: float32, (steps, symbols + 1), as `restrict` left it.
        alphabet: of the model.
        width: prefixes kept after each step.
        min_length: shorter texts are not answers.
        max_length: longer prefixes are never made.
        may_extend: whether a prefix may go on with a symbol: a grammar; None for any.
        is_complete: whether a text may end here; None for any.

    Returns:
        Texts that keep all rules, likeliest first, at most `width`; empty when none was found.
    """
    beams: dict[str, tuple[float, float]] = {"": (0.0, NEVER)}
    for step in log_probs:
        beams = _advance(beams, step, alphabet, max_length, may_extend)
        ranked = sorted(beams.items(), key=lambda item: -_log_add(*item[1]))
        beams = dict(ranked[:width])
    readings = [
        Reading(text, _log_add(*scores))
        for text, scores in beams.items()
        if len(text) >= min_length and (is_complete is None or is_complete(text))
    ]
    return sorted(readings, key=lambda reading: -reading.log_prob)


def _log_add(one: float, other: float) -> float:
    """log(exp(one) + exp(other)); numpy's costs ten times as much on single numbers."""
    high, low = (one, other) if one > other else (other, one)
    return high + math.log1p(math.exp(low - high)) if high > NEVER else NEVER


def _advance(
    beams: Mapping[str, tuple[float, float]],
    step: npt.NDArray[np.float32],
    alphabet: Alphabet,
    max_length: int,
    may_extend: Callable[[str, str], bool] | None,
) -> dict[str, tuple[float, float]]:
    """One time step: each prefix ends in a blank, repeats its last symbol, or grows by one."""
    grown: dict[str, tuple[float, float]] = {}
    likely = [int(i) for i in np.flatnonzero(step > _LIKELY) if i != alphabet.blank]

    def add(text: str, blank: float, symbol: float) -> None:
        old = grown.get(text, (NEVER, NEVER))
        grown[text] = (_log_add(old[0], blank), _log_add(old[1], symbol))

    for text, (in_blank, in_symbol) in beams.items():
        total = _log_add(in_blank, in_symbol)
        add(text, total + float(step[alphabet.blank]), NEVER)
        last = alphabet.symbols.index(text[-1]) if text else -1
        if text:
            add(text, NEVER, in_symbol + float(step[last]))
        if len(text) >= max_length:
            continue
        for index in likely:
            char = alphabet.symbols[index]
            if may_extend is None or may_extend(text, char):
                before = in_blank if index == last else total
                add(text + char, NEVER, before + float(step[index]))
    return grown


class CtcRecognizer:
    """A packaged CTC model on LiteRT: pictures in, log-probabilities out.

    One instance is for one thread; it runs on one thread itself.

    Args:
        folder: holds the model and its ``card.json``.

    Raises:
        PluginError: the model does not fit its card.
    """

    def __init__(self, folder: Path) -> None:
        # Loaded here: whoever only decodes needs no inference library.
        from ai_edge_litert.interpreter import Interpreter

        self.card = read_card(folder)
        self.alphabet = Alphabet(self.card.symbols, self.card.fold_case)
        self._interpreter = Interpreter(model_path=str(self.card.model_path), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._check_shapes()
        self._set_batch(1)

    def _check_shapes(self) -> None:
        """Refuse a model that takes or gives something else than its card says."""
        taken = tuple(int(v) for v in self._input["shape"][1:])
        given = int(self._output["shape"][-1])
        if taken != self.card.input_shape or given != self.alphabet.blank + 1:
            raise PluginError(
                f"{self.card.model_path} takes {taken} and gives {given} values a step; "
                f"its card says {self.card.input_shape} and {self.alphabet.blank + 1}"
            )

    def _set_batch(self, count: int) -> None:
        self._interpreter.resize_tensor_input(self._input["index"], (count, *self.card.input_shape))
        self._interpreter.allocate_tensors()
        self._batch = count

    def read(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> LogProbs:
        """Run the model.

        Args:
            pictures: uint8, (any height, any width, 3), RGB on white; at least one.

        Returns:
            float32, (pictures, steps, symbols + 1), log-probabilities at the card's temperature.
        """
        height, width, _ = self.card.input_shape
        return self.run(np.stack([prepare(picture, height, width) for picture in pictures]))

    def run(self, batch: npt.NDArray[np.uint8]) -> LogProbs:
        """Run the model on pictures that `loupette.toolkit.images.prepare` has prepared.

        Args:
            batch: uint8, (pictures, height, width, 3), at the model's input size.

        Returns:
            As `read`.
        """
        if len(batch) != self._batch:
            self._set_batch(len(batch))
        self._interpreter.set_tensor(self._input["index"], batch.astype(np.float32))
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._output["index"])
        return log_softmax(logits, temperature=self.card.temperature)
