"""A packaged model and its card: what it is, what it learned from, that it is the right file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupette.errors import PluginError

FORMAT = 1
"""Version of the card's layout; a card of another version is refused."""

CARD = "card.json"

MODELS = (".h5", ".keras", ".npz", ".onnx", ".pt", ".pth", ".safetensors", ".tflite")
"""How the names of model files end."""


@dataclass(frozen=True)
class Card:
    """What ``card.json`` says.

    Attributes:
        folder: where the card and the model lie.
        model_file: name of the model file beside the card.
        sha256: hash of the model file, in hex.
        input_shape: (height, width, channels).
        symbols: the alphabet, in the order of the outputs; the blank follows it.
        fold_case: letters are read in lower case whatever their case is.
        temperature: divisor of the logits that makes confidences honest.
        facts: the whole card: training, scores, parameters, date.
    """

    folder: Path
    model_file: str
    sha256: str
    input_shape: tuple[int, int, int]
    symbols: str
    fold_case: bool
    temperature: float
    facts: Mapping[str, Any]  # scores and training facts, free in form

    @property
    def model_path(self) -> Path:
        """The model file."""
        return self.folder / self.model_file


def read_card(folder: Path) -> Card:
    """Read a model's card and check the model file against it.

    Args:
        folder: holds ``card.json`` and the model file it names.

    Returns:
        The card; its model file exists and has the hash the card states.

    Raises:
        PluginError: a file is missing, the card is damaged, or the hash is another.
    """
    card = _parse(folder)
    try:
        actual = hash_file(card.model_path)
    except OSError as error:
        raise PluginError(f"model file missing: {card.model_path}; reinstall the plugin") from error
    if actual != card.sha256:
        raise PluginError(
            f"{card.model_path} has SHA-256 {actual[:12]}..., its card says {card.sha256[:12]}...; "
            "the file is damaged or from another version: reinstall the plugin"
        )
    return card


def _parse(folder: Path) -> Card:
    """The card as written, without a look at the model."""
    try:
        facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(f"no readable {CARD} in {folder}: {error}") from error
    try:
        if facts["format"] != FORMAT:
            raise PluginError(f"{folder / CARD} has format {facts['format']}, expected {FORMAT}")
        height, width, channels = facts["input_shape"]
        card = Card(
            folder=folder,
            model_file=str(facts["model_file"]),
            sha256=str(facts["sha256"]),
            input_shape=(int(height), int(width), int(channels)),
            symbols=str(facts["symbols"]),
            fold_case=bool(facts["fold_case"]),
            temperature=float(facts["temperature"]),
            facts=facts,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PluginError(f"{folder / CARD} is incomplete: {error!r}") from error
    if facts["blank"] != len(card.symbols) or len(set(card.symbols)) != len(card.symbols):
        raise PluginError(f"{folder / CARD}: the blank must follow the {len(card.symbols)} symbols")
    return card


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``card.json``, with the format and the hash of the model file filled in.

    Args:
        folder: holds the model file that ``facts["model_file"]`` names.
        facts: all other entries; must hold what `Card` needs.
    """
    full = {"format": FORMAT, **facts, "sha256": hash_file(folder / str(facts["model_file"]))}
    text = json.dumps(full, ensure_ascii=False, indent=2)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def add_to_card(folder: Path, **facts: Any) -> dict[str, Any]:
    """Add or replace entries of a card that exists; the model stays as it is.

    Args:
        folder: of the card and its model.
        facts: the entries.

    Returns:
        All entries as written.
    """
    full = {**json.loads((folder / CARD).read_text(encoding="utf-8")), **facts}
    write_card(folder, full)
    return full


def find_wrong_cards(folder: Path) -> Iterator[str]:
    """What is wrong with each card below a folder, where it is no card of the model it names."""
    for path in sorted(folder.rglob(CARD)):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            actual = hash_file(path.parent / str(facts["model_file"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield f"{path.relative_to(folder)} names no model that is there: {error!r}"
            continue
        if actual != facts.get("sha256"):
            yield f"{path.relative_to(folder)} has the hash of another model file"


def find_bare_models(folder: Path) -> Iterator[str]:
    """Each model file below a folder that no card beside it names."""
    for path in sorted(folder.rglob("*")):
        card = path.parent / CARD
        if path.suffix in MODELS and not (
            card.is_file() and f'"{path.name}"' in card.read_text(encoding="utf-8")
        ):
            yield f"{path.relative_to(folder)} has no {CARD} beside it (toolkit.weights.write_card)"


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
