"""What training, exporting and fine-tuning must know of a plugin that reads text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loupette.plugin import Picture, Solver
from loupette.toolkit.calibration import WANTED
from loupette.toolkit.ctc import Alphabet

Read = Callable[[Picture], tuple[str, float]]
"""What a solver sees in a picture, sure or not: answer and confidence; `Unsolvable` if nothing."""

TextOf = Callable[[Mapping[str, str]], str]
"""What stands in a picture, in the model's symbols, from its row of ``labels.csv``."""


@dataclass(frozen=True)
class Subject:
    """A plugin, as its training folder describes it.

    Attributes:
        name: names its folders of data, such as ``data/train/alnum``.
        type_id: of the plugin.
        alphabet: symbols of the model.
        height: of the model's input, pixels.
        width: of the model's input, pixels.
        load: makes the solver of a weights folder.
        reader: makes the `Read` of a weights folder: the solver without its refusal of unsure
            readings.
        packaged: weights folder of the plugin as it is.
        training: the plugin's training folder, with ``export.py`` and ``weights.npz``.
        facts: entries of the card about how the model came to be.
        text_of: labels to symbols.
        answer_of: the answer to a text; None where there is none.
        wanted: share of the held-out answers at the recommended threshold that are right.
    """

    name: str
    type_id: int
    alphabet: Alphabet
    height: int
    width: int
    load: Callable[[Path], Solver]
    reader: Callable[[Path], Read]
    packaged: Path
    training: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    text_of: TextOf = lambda row: row["answer"]
    answer_of: Callable[[str], str | None] = str
    wanted: float = WANTED
