"""A trained CTC model that reads pictures, on LiteRT."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loupette.errors import PluginError
from loupette.toolkit.ctc import Alphabet, LogProbs, log_softmax
from loupette.toolkit.images import Pixels, prepare
from loupette.toolkit.weights import Card, read_card


class Recognizer(Protocol):
    """What reads pictures for a solver: a `CtcRecognizer`, or a test's own."""

    @property
    def alphabet(self) -> Alphabet:
        """The symbols it tells apart."""
        ...

    def read(self, pictures: Sequence[Pixels]) -> LogProbs:
        """As `CtcRecognizer.read`."""
        ...


class CtcRecognizer:
    """A CTC model on LiteRT: pictures in, log-probabilities out.

    The model, a ``.tflite`` file, takes float32 of shape (batch, height, width, 3), RGB in 0..255
    with dark ink on light (as `loupette.toolkit.images.prepare` makes it), and gives float32 logits
    of shape (batch, steps, symbols + 1), in the order of the alphabet with the blank last. One
    instance is for one thread; it runs on one thread itself.

    Args:
        weights: a model file, or a folder that holds one and its ``card.json``
            (`loupette.toolkit.weights`): the card is checked, and has the alphabet.
        alphabet: the symbols in the order of the outputs; needed where there is no card.
        temperature: divisor of the logits; above 1 makes confidences smaller. The card's where
            there is one.

    Raises:
        PluginError: the model is missing, or does not fit its card or the alphabet.
    """

    def __init__(
        self,
        weights: Path,
        alphabet: Alphabet | str | None = None,
        *,
        temperature: float | None = None,
    ) -> None:
        # Loaded here: whoever only decodes needs no inference library.
        from ai_edge_litert.interpreter import Interpreter

        card = read_card(weights) if weights.is_dir() else None
        model = card.model_path if card else weights
        if not model.is_file():
            raise PluginError(f"there is no model file {model}; reinstall the plugin")
        self.alphabet = _choose_alphabet(card, alphabet)
        self._temperature = temperature or (card.temperature if card else 1.0)
        self._interpreter = Interpreter(model_path=str(model), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._shape = tuple(int(size) for size in self._input["shape"][1:])
        self._check_shapes(model, card)
        self._set_batch(1)

    def _check_shapes(self, model: Path, card: Card | None) -> None:
        """Refuse a model that takes or gives something else than was said."""
        given, wanted = int(self._output["shape"][-1]), self.alphabet.blank + 1
        if card and self._shape != card.input_shape:
            raise PluginError(f"{model} takes {self._shape}; its card says {card.input_shape}")
        if len(self._shape) != 3 or self._shape[2] != 3:
            raise PluginError(f"{model} takes {self._shape}, not (height, width, 3)")
        if given != wanted:
            raise PluginError(
                f"{model} gives {given} values a step; {self.alphabet.blank} symbols and the blank"
                f" are {wanted}"
            )

    def _set_batch(self, count: int) -> None:
        self._interpreter.resize_tensor_input(self._input["index"], (count, *self._shape))
        self._interpreter.allocate_tensors()
        self._batch = count

    def read(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> LogProbs:
        """Run the model.

        Args:
            pictures: uint8, (any height, any width, 3), RGB on white; at least one.

        Returns:
            float32, (pictures, steps, symbols + 1), natural log-probabilities at the temperature.
        """
        height, width, _ = self._shape
        return self.run(np.array([prepare(picture, height, width) for picture in pictures]))

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
        return log_softmax(logits, temperature=self._temperature)


def _choose_alphabet(card: Card | None, alphabet: Alphabet | str | None) -> Alphabet:
    """The one that was given, or that of the card; they must not differ."""
    given = Alphabet(alphabet) if isinstance(alphabet, str) else alphabet
    carded = Alphabet(card.symbols, card.fold_case) if card else None
    if given and carded and given != carded:
        raise PluginError(f"{given} is not the card's, {carded}")
    chosen = given or carded
    if chosen is None:
        raise PluginError("a model file without a card needs its alphabet")
    if len(set(chosen.symbols)) != len(chosen.symbols):
        raise PluginError(f"a symbol is there twice in {chosen.symbols!r}")
    return chosen
