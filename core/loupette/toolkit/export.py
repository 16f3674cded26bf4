"""From a training checkpoint to a packaged model: LiteRT with int8 weights, checked, with its card.

Needs the ``train`` extra.
"""

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from loupette.plugin import Picture, Pixels, Unsolvable
from loupette.toolkit.calibration import (
    NO_ANSWER,
    describe,
    draw_reliability,
    fit_temperature,
    log_loss,
    reliability,
)
from loupette.toolkit.ctc import Alphabet, LogProbs, greedy
from loupette.toolkit.dormant import mute
from loupette.toolkit.metrics import Share
from loupette.toolkit.network import load_weights, open_model, read_ranks
from loupette.toolkit.recognizer import CtcRecognizer
from loupette.toolkit.subject import Read, Subject
from loupette.toolkit.synth.shards import list_shards, read_labels
from loupette.toolkit.training import Run
from loupette.toolkit.weights import CARD, add_to_card, read_card, write_card

MODEL_FILE = "model.tflite"

MOST_LOST = 0.01
"""Accuracy that int8 weights may cost on the held-out pictures; beyond it float16 is written."""


def export(
    subject: Subject,
    checkpoint: Path,
    folder: Path,
    *,
    held: Path,
    count: int = 4000,
    plot: Path | None = None,
    earlier: Path | None = None,
    share: float = 0.3,
) -> dict[str, Any]:
    """Write ``model.tflite`` and ``card.json``, both only when all is measured.

    Args:
        subject: the plugin.
        checkpoint: from training; its averaged weights are taken.
        folder: the plugin's weights folder.
        held: folder of validation shards: drawn with fonts and styles kept from training.
        count: validation pictures used at most; a threshold found on 1,000 is a matter of luck.
        plot: PNG file for accuracy over confidence.
        earlier: weights from before on the same run, of which a share goes into the model: what
            each forgot of the other's pictures the mean still reads (Izmailov et al., "Averaging
            weights leads to wider optima and better generalization", UAI 2018). Of the same ranks.
        share: 0..1.

    Returns:
        The card's entries.

    Raises:
        ValueError: `earlier` is of a model of other ranks.
    """
    keras.mixed_precision.set_global_policy("float32")
    shape = len(subject.alphabet.symbols), subject.height, subject.width
    model = open_model(checkpoint, *shape)
    if earlier is not None:
        if read_ranks(earlier) != read_ranks(checkpoint):
            raise ValueError(f"{earlier} is of a model of other ranks than {checkpoint}")
        newer = [value.copy() for value in model.get_weights()]
        load_weights(model, earlier)
        pairs = zip(newer, model.get_weights(), strict=True)
        model.set_weights([(1 - share) * new + share * old for new, old in pairs])
    mute(model)
    images, labels = _held(held, count)
    with TemporaryDirectory() as scratch:
        made = Path(scratch)
        card = _facts(model, subject) | {"trained": _trained(checkpoint)}
        if earlier is not None:
            card["trained"]["share_of_earlier"] = share
        exact = _write_checked(model, made, card, images, labels)
        card["held_out"] = {
            "what": "pictures of the project's own generator, in fonts and styles never trained on",
            "exact": _score(exact),
        }
        write_card(made, card)
        card = calibrate(subject, made, held=held, count=count, plot=plot)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MODEL_FILE, CARD):
            shutil.copyfile(made / name, folder / name)
    return card


def calibrate(
    subject: Subject,
    folder: Path,
    *,
    held: Path,
    count: int = 4000,
    plot: Path | None = None,
) -> dict[str, Any]:
    """Make a packaged model's confidences honest, and say in its card how honest they are.

    The temperature is fitted on every other held-out picture. The card's reliability table, curve
    and recommended threshold are of the others.

    Both ask `Subject.reader`, which refuses nothing for being unsure: else the temperature that
    has the solver refuse the most would cost the least. Pictures whose text has no answer are
    left out.

    Args:
        subject: the plugin.
        folder: the model and its card, which is rewritten.
        held: folder of validation shards.
        count: validation pictures used at most; a threshold found on 1,000 is a matter of luck.
        plot: PNG file for accuracy over confidence.

    Returns:
        The card's entries.
    """
    card = read_card(folder)
    alphabet = Alphabet(card.symbols, card.fold_case)
    cases = [
        (_picture(image), truth)
        for image, codes in zip(*_held(held, count), strict=True)
        if (truth := subject.answer_of(alphabet.decode(codes))) is not None
    ]

    def read_at(temperature: float, part: Sequence[_Case]) -> _Outcomes:
        add_to_card(folder, temperature=temperature)
        return _read_all(subject.reader(folder), part)

    temperature = fit_temperature(lambda value: log_loss(*read_at(value, cases[::2])))
    what = "the solver's confidences of held-out pictures that the temperature was not fitted on"
    sure, right = read_at(temperature, cases[1::2])
    if plot:
        draw_reliability(reliability(sure, right), plot)
    described = describe(sure, right, wanted=subject.wanted)
    return add_to_card(folder, calibration={"what": what, **described})


_Case = tuple[Picture, str]
_Outcomes = tuple[list[float], list[bool]]


def _read_all(read: Read, cases: Sequence[_Case]) -> _Outcomes:
    """Confidences, and whether each answer is right."""
    sure, right = [], []
    for picture, truth in cases:
        try:
            answer, confidence = read(picture)
        except Unsolvable:
            answer, confidence = "", NO_ANSWER
        sure.append(confidence)
        right.append(confidence != NO_ANSWER and answer == truth)
    return sure, right


def _held(folder: Path, count: int) -> tuple[Pixels, npt.NDArray[np.int8]]:
    """Validation pictures and their labels, of as many shards as it takes."""
    shards = list_shards(folder)
    images = np.concatenate([np.load(shard, mmap_mode="r")[:count] for shard in shards])
    labels = np.concatenate([read_labels(shard)[:count] for shard in shards])
    return images[:count], labels[:count]


def _picture(rgb: Pixels) -> Picture:
    """As a solver gets it."""
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    return Picture(np.concatenate([rgb, alpha], axis=2)[None], "png")


def _facts(model: keras.Model, subject: Subject) -> dict[str, Any]:
    """What the card says of the model itself."""
    return {
        "type_id": subject.type_id,
        "model_file": MODEL_FILE,
        "input_shape": [subject.height, subject.width, 3],
        "symbols": subject.alphabet.symbols,
        "fold_case": subject.alphabet.fold_case,
        "blank": subject.alphabet.blank,
        "temperature": 1.0,
        "parameters": int(model.count_params()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **subject.facts,
    }


def _trained(checkpoint: Path) -> dict[str, float]:
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


def _score(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "value": round(share.value, 4),
        "interval": [round(low, 4), round(high, 4)],
        "n": share.count,
    }
