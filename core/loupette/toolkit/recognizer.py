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

    @property
    def glances(self) -> bool:
        """Whether it can be asked for a glance: what costs less, and mostly is enough."""
        ...

    def read(self, pictures: Sequence[Pixels], *, glance: bool = False) -> LogProbs:
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
            (`loupette.toolkit.weights`): the card is checked, and has all that follows.
        alphabet: the symbols in the order of the outputs; needed where there is no card.
        temperature: divisor of the logits; above 1 makes confidences smaller. The card's where
            there is one.
        width: columns that pictures are scaled to; needed where there is no card and the model
            takes any.
        glance: columns of a glance, for a model that takes any width; without it there is none.

    Raises:
        PluginError: the model is missing, or does not fit its card or what is said here.
    """

    def __init__(
        self,
        weights: Path,
        alphabet: Alphabet | str | None = None,
        *,
        temperature: float | None = None,
        width: int | None = None,
        glance: int | None = None,
    ) -> None:
        card = read_card(weights) if weights.is_dir() else None
        model = card.model_path if card else weights
        if not model.is_file():
            raise PluginError(f"there is no model file {model}; reinstall the plugin")
        self.alphabet = _choose_alphabet(card, alphabet)
        self._temperature = temperature or (card.temperature if card else 1.0)
        self._look = _Look(model, self.alphabet, card.input_shape[1] if card else width)
        if card and self._look.shape != card.input_shape:
            raise PluginError(f"{model} takes {self._look.shape}; its card says {card.input_shape}")
        columns = card.glance if card else glance
        self._glance = _Look(model, self.alphabet, columns) if columns else None

    @property
    def glances(self) -> bool:
        """Whether `read` can be asked for a glance."""
        return self._glance is not None

    def read(self, pictures: Sequence[Pixels], *, glance: bool = False) -> LogProbs:
        """Run the model.

        Args:
            pictures: uint8, (any height, any width, 3), RGB on white; at least one.
            glance: look at fewer columns, for less time, if the model `glances`.

        Returns:
            float32, (pictures, steps, symbols + 1), natural log-probabilities at the temperature.
        """
        look = (glance and self._glance) or self._look
        height, width, _ = look.shape
        batch = np.array([prepare(picture, height, width) for picture in pictures])
        return log_softmax(look.run(batch), temperature=self._temperature)

    def run(self, batch: Pixels) -> LogProbs:
        """Run the model on pictures that `loupette.toolkit.images.prepare` has prepared.

        Args:
            batch: uint8, (pictures, height, width, 3), at the model's input size.

        Returns:
            As `read`.
        """
        return log_softmax(self._look.run(batch), temperature=self._temperature)


class _Look:
    """A model at one width; of each width it is kept ready, as changing it takes long."""

    def __init__(self, model: Path, alphabet: Alphabet, width: int | None) -> None:
        # Loaded here: whoever only decodes needs no inference library.
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(model), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        _, *size = (int(pixels) for pixels in self._input["shape_signature"])
        if len(size) != 3 or size[2] != 3:
            raise PluginError(f"{model} takes {tuple(size)}, not (height, width, 3)")
        if size[1] < 0:
            if width is None:
                raise PluginError(f"{model} takes any width: say which")
            size[1] = width
        elif width not in (None, size[1]):
            raise PluginError(f"{model} takes {tuple(size)}, not {width} columns")
        self.shape = size[0], size[1], size[2]
        self._set_batch(1)
        given, wanted = int(self._output["shape"][-1]), alphabet.blank + 1
        if given != wanted:
            raise PluginError(
                f"{model} gives {given} values a step; {alphabet.blank} symbols and the blank"
                f" are {wanted}"
            )

    def _set_batch(self, count: int) -> None:
        self._interpreter.resize_tensor_input(self._input["index"], (count, *self.shape))
        self._interpreter.allocate_tensors()
        self._batch = count

    def run(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """Logits: float32, (pictures, steps, symbols + 1)."""
        if len(batch) != self._batch:
            self._set_batch(len(batch))
        self._interpreter.set_tensor(self._input["index"], batch.astype(np.float32))
        self._interpreter.invoke()
        logits: npt.NDArray[np.float32] = self._interpreter.get_tensor(self._output["index"])
        return logits


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
