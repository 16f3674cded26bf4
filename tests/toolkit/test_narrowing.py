"""A model cut out of another has the units that matter, and learns from the whole one."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

import keras

from loupette.toolkit.ctc import Alphabet, log_softmax
from loupette.toolkit.narrowing import cut, measure_importance, narrow, streams
from loupette.toolkit.network import NARROW, WIDE, Widths, build_model, open_model, read_widths
from loupette.toolkit.synth.shards import LONGEST
from loupette.toolkit.training import (
    Run,
    TaughtLoss,
    Trainer,
    ctc_losses,
    save_weights,
    train,
    with_lesson,
)

ALPHABET = Alphabet("01")
SHAPE = (len(ALPHABET.symbols), 16, 32)
LESS = Widths(conv1=20, conv2b=40, conv3a=90, conv4=100, head=150)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    rng = np.random.default_rng(5)
    (tmp_path / "train").mkdir()
    np.save(
        tmp_path / "train" / "images_00000.npy",
        rng.integers(0, 256, (24, *SHAPE[1:], 3), dtype=np.uint8),
    )
    labels = np.full((24, LONGEST), -1, np.int8)
    labels[:, 0] = rng.integers(0, 2, 24)
    np.save(tmp_path / "train" / "labels_00000.npy", labels)
    folder = tmp_path / "run"
    return Run(folder, tmp_path / "train", tmp_path / "held", ALPHABET, *SHAPE[1:], batch=4)


def shard(run: Run) -> tuple[np.ndarray, np.ndarray]:
    return np.load(run.shards / "images_00000.npy"), np.load(run.shards / "labels_00000.npy")


def logits(model: keras.Model, run: Run) -> np.ndarray:
    return np.asarray(model(shard(run)[0].astype(np.float32), training=False))


def test_units_that_are_added_are_one_stream() -> None:
    found = streams(build_model(*SHAPE))
    assert found["conv3a"] == "conv3a"
    assert found["conv4b"] == found["conv4a"] == "conv4a"
    assert {found[name] for name in ("mix1", "mix6", "whole", "collapse")} == {"collapse"}
    assert "symbols" not in found


def test_units_that_say_nothing_are_cut_first_and_not_missed(run: Run) -> None:
    keras.config.set_dtype_policy("float32")
    wide, slim = build_model(*SHAPE), build_model(*SHAPE, LESS)
    widths = {"conv1": 20, "conv2b": 40, "conv3a": 90}
    for name in [layer.name for layer in wide.layers if layer.name in streams(wide)]:
        kept = widths.get(name) or (100 if name.startswith("conv4") else 150)
        kernel, bias = wide.get_layer(name).get_weights()
        silent = np.random.default_rng(1).permutation(len(bias))[kept:]
        if name not in ("conv2a", "conv3b"):
            kernel[..., silent], bias[silent] = 0.0, 0.0
            wide.get_layer(name).set_weights([kernel, bias])
    cut(wide, slim, measure_importance(wide, *shard(run)))
    before = logits(wide, run)
    assert np.abs(before).max() > 0.1
    np.testing.assert_allclose(logits(slim, run), before, atol=1e-4)


@pytest.mark.slow
def test_a_model_is_built_as_wide_as_its_weights(run: Run, tmp_path: Path) -> None:
    save_weights(Trainer(run), tmp_path / "wide.npz")
    made = narrow(tmp_path / "wide.npz", run, tmp_path / "new" / "narrow.npz")
    assert read_widths(tmp_path / "wide.npz") == WIDE
    assert read_widths(made) == NARROW
    assert open_model(made, *SHAPE).get_layer("collapse").filters == NARROW.head


def test_a_pupil_loses_by_its_labels_and_by_what_its_teacher_says_else() -> None:
    logits, taught = np.random.default_rng(2).normal(size=(2, 2, 8, 3)).astype(np.float32)
    labels = np.full((2, LONGEST), -1, np.int8)
    labels[:, 0] = 0, 1
    alone = np.asarray(ctc_losses(logits, labels)).mean()
    loss = TaughtLoss()
    same = float(loss(with_lesson(labels, logits), logits))
    assert same == pytest.approx(0.5 * alone, rel=1e-4)
    lesson, said = log_softmax(taught), log_softmax(logits)
    entropy = (np.exp(lesson) * (lesson - said)).sum(axis=(1, 2)).mean()
    other = float(loss(with_lesson(labels, taught), logits))
    assert other == pytest.approx(0.5 * alone + 0.5 * entropy, rel=1e-4)


@pytest.mark.slow
def test_a_pupil_goes_on_as_wide_as_it_was(run: Run, tmp_path: Path) -> None:
    save_weights(Trainer(run), tmp_path / "wide.npz")
    made = narrow(tmp_path / "wide.npz", run, run.folder / "start.npz")
    for steps in (2, 3):
        run.folder.joinpath("plan.json").write_text(f'{{"steps": {steps}, "warmup": 1}}')
        pupil = train(run, init=made, teacher=tmp_path / "wide.npz")
        assert pupil.model.get_layer("collapse").filters == NARROW.head
    assert pupil.step == 3
