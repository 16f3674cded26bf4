"""From a training checkpoint to a packaged model: LiteRT with int8 weights, checked, with its card.

Needs the ``train`` extra.
"""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from loupette.toolkit.ctc import (
    Alphabet,
    CtcRecognizer,
    LogProbs,
    greedy,
    log_probability,
    log_softmax,
)
from loupette.toolkit.metrics import Share, calibration_error
from loupette.toolkit.synth.shards import list_shards, read_labels
from loupette.toolkit.training import Run, build_model, load_weights
from loupette.toolkit.weights import CARD, write_card

MODEL_FILE = "model.tflite"

MOST_LOST = 0.01
"""Accuracy that int8 weights may cost on the held-out pictures; beyond it float16 is written."""


def export(
    checkpoint: Path,
    folder: Path,
    *,
    alphabet: Alphabet,
    height: int,
    width: int,
    held: Path,
    facts: Mapping[str, Any],
    count: int = 2000,
) -> dict[str, Any]:
    """Write ``model.tflite`` and ``card.json``.

    Args:
        checkpoint: from training; its averaged weights are taken.
        folder: the plugin's weights folder.
        alphabet: of the model.
        height: input height.
        width: input width.
        held: folder of validation shards: drawn with fonts and styles kept from training.
        facts: more entries for the card: generator, command, scores elsewhere.
        count: validation pictures used.

    Returns:
        The card's entries.
    """
    keras.mixed_precision.set_global_policy("float32")
    model = build_model(len(alphabet.symbols), height, width)
    load_weights(model, checkpoint)
    shard = list_shards(held)[0]
    images, labels = np.load(shard, mmap_mode="r")[:count], read_labels(shard)[:count]
    folder.mkdir(parents=True, exist_ok=True)
    card = _facts(model, alphabet, (height, width), facts) | {"trained": _trained(checkpoint)}
    exact = _write_checked(model, folder, card, images, labels)
    logits = _read(folder, images)
    card["temperature"] = fit_temperature(logits, labels, alphabet)
    card["held_out"] = {
        "what": "pictures of the project's own generator, in fonts and styles never trained on",
        "exact": _score(exact),
        "calibration_error": calibration_of(logits, labels, alphabet, card["temperature"]),
    }
    write_card(folder, card)
    return card


def _facts(
    model: keras.Model, alphabet: Alphabet, size: tuple[int, int], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What the card says of the model itself."""
    return {
        "model_file": MODEL_FILE,
        "input_shape": [*size, 3],
        "symbols": alphabet.symbols,
        "fold_case": alphabet.fold_case,
        "blank": alphabet.blank,
        "temperature": 1.0,
        "parameters": int(model.count_params()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **facts,
    }


def _trained(checkpoint: Path) -> dict[str, int]:
    """Steps and pictures a checkpoint has seen."""
    state = np.load(checkpoint)["state"]
    steps = int(state[0])
    return {"steps": steps, "pictures_seen": steps * Run.batch, "seconds": int(state[1])}


def _write_checked(
    model: keras.Model,
    folder: Path,
    card: dict[str, Any],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int8],
) -> Share:
    """Write int8 weights; float16 ones instead if they read clearly worse than float32."""
    blank = int(card["blank"])
    full = exact_match(_predict(model, images), labels, blank)
    for precision in ("int8", "float16"):
        (folder / MODEL_FILE).write_bytes(convert(model, precision))
        write_card(folder, card)
        exact = exact_match(_read(folder, images), labels, blank)
        card["weights"] = precision
        card["float32_exact"] = round(full.value, 4)
        if exact.value >= full.value - MOST_LOST:
            break
    return exact


def convert(model: keras.Model, precision: str) -> bytes:
    """A LiteRT model: ``"int8"`` (weights only, dynamic range) or ``"float16"``."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def _predict(model: keras.Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits of the unconverted model."""
    parts = [
        np.asarray(model(images[i : i + 64].astype(np.float32), training=False))
        for i in range(0, len(images), 64)
    ]
    return np.concatenate(parts)


def _read(folder: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Log-probabilities of the packaged model, at the card's temperature."""
    recognizer = CtcRecognizer(folder)
    return np.concatenate([recognizer.run(image[None]) for image in images])


def exact_match(log_probs: LogProbs, labels: npt.NDArray[np.int8], blank: int) -> Share:
    """Share of pictures whose greedy reading is exactly the label."""
    right = sum(
        greedy(row, blank) == [int(code) for code in truth if code >= 0]
        for row, truth in zip(log_probs, labels, strict=True)
    )
    return Share(right, len(labels))


def _confidences(
    log_probs: LogProbs, labels: npt.NDArray[np.int8], alphabet: Alphabet, temperature: float
) -> tuple[list[float], list[bool]]:
    """Confidence of each greedy reading, and whether it is right."""
    sure, right = [], []
    for row, truth in zip(log_softmax(log_probs, temperature=temperature), labels, strict=True):
        codes = greedy(row, alphabet.blank)
        sure.append(float(np.exp(min(0.0, log_probability(row, codes, alphabet.blank)))))
        right.append(codes == [int(code) for code in truth if code >= 0])
    return sure, right


def fit_temperature(log_probs: LogProbs, labels: npt.NDArray[np.int8], alphabet: Alphabet) -> float:
    """The temperature at which confidences fit best (C. Guo et al., 2017, arXiv:1706.04599).

    Args:
        log_probs: float32, (pictures, steps, symbols + 1), at temperature 1.
        labels: int8, (pictures, LONGEST).
        alphabet: of the model.

    Returns:
        The one of a grid from 0.6 to 2.5 with the least binary cross-entropy.
    """

    def cost(temperature: float) -> float:
        sure, right = _confidences(log_probs[:1000], labels[:1000], alphabet, temperature)
        chance = np.clip(sure, 1e-4, 1 - 1e-4)
        return float(-np.where(right, np.log(chance), np.log(1 - chance)).mean())

    return float(min(np.round(np.arange(0.6, 2.51, 0.1), 2), key=cost))


def calibration_of(
    log_probs: LogProbs, labels: npt.NDArray[np.int8], alphabet: Alphabet, temperature: float
) -> float:
    """Expected calibration error at a temperature."""
    return round(calibration_error(*_confidences(log_probs, labels, alphabet, temperature)), 4)


def _score(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "value": round(share.value, 4),
        "interval": [round(low, 4), round(high, 4)],
        "n": share.count,
    }


def add_scores(folder: Path, name: str, scores: Mapping[str, Any]) -> None:
    """Add measured scores to a card that exists; the model stays as it is."""
    facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
    write_card(folder, {**facts, name: scores})
