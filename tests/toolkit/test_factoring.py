"""A model made cheaper says what the whole one said, as far as its ranks let it."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

import keras

from loupette.toolkit.ctc import Alphabet, log_softmax
from loupette.toolkit.dormant import recycle
from loupette.toolkit.factoring import factor, factor_layers
from loupette.toolkit.network import (
    FACTORED,
    UP,
    WHOLE,
    Ranks,
    build_model,
    load_weights,
    open_model,
    read_ranks,
)
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
FULL = Ranks(conv2b=48, conv3a=96, conv3b=96, conv4a=128, conv4b=128, collapse=192, mix=192)


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


def pictures(run: Run) -> np.ndarray:
    return np.load(run.shards / "images_00000.npy")


def logits(model: keras.Model, run: Run) -> np.ndarray:
    return np.asarray(model(pictures(run).astype(np.float32), training=False))


def make_cheap(whole: keras.Model, ranks: Ranks, run: Run, scratch: Path) -> keras.Model:
    np.savez(scratch / "whole.npz", **{f"model/{v.path}": v.numpy() for v in whole.variables})
    cheap = build_model(*SHAPE, ranks)
    load_weights(cheap, scratch / "whole.npz")
    factor_layers(whole, cheap, pictures(run))
    return cheap


@pytest.mark.slow
def test_at_full_rank_nothing_is_lost(run: Run, tmp_path: Path) -> None:
    keras.config.set_dtype_policy("float32")
    whole = build_model(*SHAPE)
    cheap = make_cheap(whole, FULL, run, tmp_path)
    assert cheap.count_params() > whole.count_params()
    wanted = logits(whole, run)
    assert wanted.std() > 0.1
    np.testing.assert_allclose(logits(cheap, run), wanted, atol=0.01 * wanted.std())


@pytest.mark.slow
def test_what_goes_through_few_channels_of_a_layer_of_few_is_kept(run: Run, tmp_path: Path) -> None:
    keras.config.set_dtype_policy("float32")
    whole, rng = build_model(*SHAPE), np.random.default_rng(2)
    layer = whole.get_layer("conv3b")
    low = rng.normal(size=(9 * 96, 8)) @ rng.normal(size=(8, 96)) / 100
    layer.set_weights([low.reshape(3, 3, 96, 96), rng.normal(size=96) / 10])
    wanted = logits(whole, run)
    close = np.abs(logits(make_cheap(whole, Ranks(conv3b=8), run, tmp_path), run) - wanted)
    far = np.abs(logits(make_cheap(whole, Ranks(conv3b=4), run, tmp_path), run) - wanted)
    assert close.max() < 0.01 * wanted.std()
    assert far.max() > 10 * close.max()


def multiplications(model: keras.Model) -> int:
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(
        math.prod(layer.kernel.shape) * layer.output.shape[1] * layer.output.shape[2]
        for layer in layers
    )


def test_a_factored_model_multiplies_six_tenths_as_often() -> None:
    whole, cheap = (build_model(36, 48, 160, ranks) for ranks in (WHOLE, FACTORED))
    assert multiplications(cheap) / multiplications(whole) == pytest.approx(0.6, abs=0.01)


@pytest.mark.slow
def test_what_cannot_be_factored_is_refused(run: Run, tmp_path: Path) -> None:
    save_weights(Trainer(run), tmp_path / "whole.npz")
    made = factor(tmp_path / "whole.npz", run, tmp_path / "factored.npz")
    with pytest.raises(ValueError, match="factored model"):
        factor(made, run, tmp_path / "again.npz")
    (run.shards / "images_00000.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"generate\.py"):
        factor(tmp_path / "whole.npz", run, tmp_path / "again.npz")
    assert not (tmp_path / "again.npz").exists()


@pytest.mark.slow
def test_a_model_is_built_of_the_ranks_of_its_weights(run: Run, tmp_path: Path) -> None:
    save_weights(Trainer(run), tmp_path / "whole.npz")
    made = factor(tmp_path / "whole.npz", run, tmp_path / "new" / "factored.npz")
    assert read_ranks(tmp_path / "whole.npz") == WHOLE
    assert read_ranks(made) == FACTORED
    model = open_model(made, *SHAPE)
    for name, rank in asdict(FACTORED).items():
        layer = "mix6" if name == "mix" else name
        assert (model.get_layer(layer).filters, model.get_layer(layer).use_bias) == (rank, False)
        assert model.get_layer(layer + UP).kernel.shape[:3] == (1, 1, rank)


def test_only_units_that_are_rectified_can_die(run: Run) -> None:
    trainer = Trainer(run, build=lambda *shape: build_model(*shape, FACTORED))
    first, second = (trainer.model.get_layer(name) for name in ("conv3a", "conv3a" + UP))
    kernel = first.kernel.numpy()
    kernel[..., 0] = 0.0
    first.kernel.assign(kernel)
    values, bias = second.get_weights()
    values[..., 1], bias[1] = 0.0, -1.0
    second.set_weights([values, bias])
    found = recycle(trainer, pictures(run))
    assert found["conv3a" + UP] >= 1
    assert "conv3a" not in found
    # What reads the unit, the first half of the next layer, forgets it.
    assert np.all(trainer.model.get_layer("conv3b").kernel.numpy()[:, :, 1] == 0.0)


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
def test_a_pupil_goes_on_as_cheap_as_it_was(run: Run, tmp_path: Path) -> None:
    save_weights(Trainer(run), tmp_path / "whole.npz")
    made = factor(tmp_path / "whole.npz", run, run.folder / "start.npz")
    for steps in (2, 3):
        run.folder.joinpath("plan.json").write_text(f'{{"steps": {steps}, "warmup": 1}}')
        pupil = train(run, init=made, teacher=tmp_path / "whole.npz")
        assert pupil.model.get_layer("collapse").filters == FACTORED.collapse
    assert pupil.step == 3
