"""Calibration is tested with a solver that needs no model; one slow test packages a real one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="exporting needs the train extra")

from loupette.plugin import Picture, Unsolvable
from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.export import calibrate, export
from loupette.toolkit.recognizer import CtcRecognizer
from loupette.toolkit.subject import Read, Subject
from loupette.toolkit.synth.shards import LONGEST
from loupette.toolkit.weights import CARD, read_card, write_card

ALPHABET = Alphabet("01")
FACTS = {
    "model_file": "model.tflite",
    "input_shape": [48, 160, 3],
    "symbols": ALPHABET.symbols,
    "fold_case": False,
    "blank": ALPHABET.blank,
    "temperature": 1.0,
}


def load_overconfident(folder: Path) -> Read:
    """A solver that reads "1", twice as sure (in log odds) as it should be at temperature 1."""
    temperature = read_card(folder).temperature

    def read(picture: Picture) -> tuple[str, float]:
        brightness = int(picture.rgb[0, 0, 0])
        if brightness == 0:
            raise Unsolvable("dark", "it is too dark")
        return "1", float(1 / (1 + np.exp(-brightness / 64 / temperature)))

    return read


SUBJECT = Subject(
    name="ones",
    type_id=60001,
    alphabet=ALPHABET,
    height=48,
    width=160,
    load=lambda weights: pytest.fail("the reader is asked, not the solver"),
    reader=load_overconfident,
    packaged=Path("weights"),
    training=Path("training"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.tflite").write_bytes(b"weights")
    write_card(tmp_path / "weights", FACTS)
    return tmp_path / "weights"


def draw_held(folder: Path, count: int) -> Path:
    """Pictures that show "1" as often as a temperature of 2 makes that solver say."""
    rng = np.random.default_rng(1)
    images = np.zeros((count, 48, 160, 3), np.uint8)
    images[:] = rng.integers(1, 256, (count, 1, 1, 1))
    chance = 1 / (1 + np.exp(-images[:, 0, 0, 0].astype(float) / 64 / 2))
    labels = np.full((count, LONGEST), -1, np.int8)
    labels[:, 0] = rng.uniform(0, 1, count) < chance
    folder.mkdir()
    np.save(folder / "images_00000.npy", images)
    np.save(folder / "labels_00000.npy", labels)
    return folder


def test_calibrating_finds_the_temperature_that_makes_a_solver_honest(
    folder: Path, tmp_path: Path
) -> None:
    held = draw_held(tmp_path / "held", 1200)
    card = calibrate(SUBJECT, folder, held=held)
    assert card["temperature"] == pytest.approx(2.0, abs=0.4)
    assert card["calibration"]["error"] < 0.06
    assert read_card(folder).facts == card


def test_what_is_reported_was_not_fitted_on(folder: Path, tmp_path: Path) -> None:
    held = draw_held(tmp_path / "held", 40)
    labels = np.load(held / "labels_00000.npy")
    labels[::2, 0], labels[1::2, 0] = 1, 0
    np.save(held / "labels_00000.npy", labels)
    card = calibrate(SUBJECT, folder, held=held)
    assert card["calibration"]["n"] == 20
    assert all(row["accuracy"] == 0 for row in card["calibration"]["reliability"])


def test_pictures_without_an_answer_are_left_out(folder: Path, tmp_path: Path) -> None:
    held = draw_held(tmp_path / "held", 60)
    ones = int((np.load(held / "labels_00000.npy")[:, 0] == 1).sum())
    subject = replace(SUBJECT, answer_of=lambda text: "1" if text == "1" else None)
    card = calibrate(subject, folder, held=held)
    assert card["calibration"]["n"] == ones // 2


def test_pictures_are_taken_from_all_shards_up_to_the_count(folder: Path, tmp_path: Path) -> None:
    held = draw_held(tmp_path / "held", 30)
    for kind in ("images", "labels"):
        (held / f"{kind}_00001.npy").write_bytes((held / f"{kind}_00000.npy").read_bytes())
    cards = [calibrate(SUBJECT, folder, held=held, count=c) for c in (50, 100)]
    assert [card["calibration"]["n"] for card in cards] == [25, 30]


def test_a_refusal_is_not_an_answer(folder: Path, tmp_path: Path) -> None:
    held = draw_held(tmp_path / "held", 40)
    images = np.load(held / "images_00000.npy")
    images[:20] = 0
    np.save(held / "images_00000.npy", images)
    curve = calibrate(SUBJECT, folder, held=held)["calibration"]["curve"]
    assert (curve[0]["threshold"], curve[0]["answered"], curve[0]["n"]) == (0, 0.5, 10)


def test_calibrating_draws_the_curve(folder: Path, tmp_path: Path) -> None:
    held = draw_held(tmp_path / "held", 20)
    calibrate(SUBJECT, folder, held=held, plot=tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_earlier_weights_of_other_ranks_are_not_mixed_in(tmp_path: Path) -> None:
    from loupette.toolkit.network import FACTORED, WHOLE, build_model

    for name, ranks in (("whole", WHOLE), ("factored", FACTORED)):
        model = build_model(len(ALPHABET.symbols), 48, 160, ranks)
        np.savez(
            tmp_path / f"{name}.npz", **{f"model/{v.path}": v.numpy() for v in model.variables}
        )
    with pytest.raises(ValueError, match="other ranks"):
        export(
            SUBJECT,
            tmp_path / "whole.npz",
            tmp_path / "out",
            held=tmp_path,
            earlier=tmp_path / "factored.npz",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_exported_model_is_one_that_the_recogniser_loads(tmp_path: Path) -> None:
    from loupette.toolkit.network import build_model

    checkpoint = tmp_path / "checkpoint.npz"
    model = build_model(len(ALPHABET.symbols), 48, 160)
    arrays = {f"model/{variable.path}": variable.numpy() for variable in model.variables}
    np.savez(checkpoint, state=np.array([7.0, 60.0]), **arrays)
    held = draw_held(tmp_path / "held", 8)
    card = export(SUBJECT, checkpoint, tmp_path / "out", held=held)
    assert json.loads((tmp_path / "out" / CARD).read_text()) == card
    assert (card["type_id"], card["trained"]["steps"], card["held_out"]["exact"]["n"]) == (
        60001,
        7,
        8,
    )
    blank = np.zeros((1, 48, 160, 3), np.uint8)
    assert CtcRecognizer(tmp_path / "out").run(blank).shape == (1, 40, 3)
