"""A model file with its alphabet, or a folder with its card: read, or refused and why."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import loupette_alnum
from loupette.errors import PluginError
from loupette.toolkit.ctc import Alphabet, greedy
from loupette.toolkit.recognizer import CtcRecognizer

FOLDER = Path(loupette_alnum.__file__).parent / "weights"
MODEL = FOLDER / "model.tflite"
SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyz"


def noise(height: int = 40, width: int = 120) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_model_file_reads_as_its_folder_does() -> None:
    alone, carded = CtcRecognizer(MODEL, SYMBOLS), CtcRecognizer(FOLDER)
    # The card's temperature makes them more or less sure of it, no more.
    assert np.array_equal(
        alone.read([noise()]).argmax(axis=2), carded.read([noise()]).argmax(axis=2)
    )
    assert alone.alphabet == Alphabet(SYMBOLS)
    assert carded.alphabet == Alphabet(SYMBOLS, fold_case=True)


def test_log_probabilities_are_float32_of_each_picture_step_and_symbol() -> None:
    read = CtcRecognizer(MODEL, SYMBOLS).read([noise(), noise(20, 60)])
    assert (read.dtype, read.shape) == (np.float32, (2, 40, 37))
    assert np.exp(read).sum(axis=2) == pytest.approx(1, abs=1e-4)


def test_a_temperature_above_one_makes_it_less_sure_of_the_same_text() -> None:
    cold = CtcRecognizer(MODEL, SYMBOLS).read([noise()])[0]
    warm = CtcRecognizer(MODEL, SYMBOLS, temperature=3.0).read([noise()])[0]
    assert greedy(warm, 36) == greedy(cold, 36)
    assert warm.max(axis=1).mean() < cold.max(axis=1).mean()


@pytest.mark.parametrize(
    ("weights", "alphabet", "said"),
    [
        (MODEL, None, "needs its alphabet"),
        (MODEL, "abc", "gives 37 values a step; 3 symbols and the blank are 4"),
        (MODEL, SYMBOLS[:-1] + "0", "is there twice"),
        (FOLDER, SYMBOLS, "is not the card's"),
        (FOLDER / "none.tflite", SYMBOLS, "there is no model file"),
    ],
)
def test_what_does_not_fit_is_refused(weights: Path, alphabet: str | None, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        CtcRecognizer(weights, alphabet)


def test_a_model_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "weights")
    card = tmp_path / "weights" / "card.json"
    card.write_text(card.read_text().replace("160,", "161,"))
    with pytest.raises(PluginError, match=r"takes \(48, 160, 3\); its card says"):
        CtcRecognizer(tmp_path / "weights")
