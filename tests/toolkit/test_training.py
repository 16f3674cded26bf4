"""The loop is tested on a few drawn bars: enough to see it learn, stop and go on."""

import json
import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

from loupette.toolkit.ctc import Alphabet, log_probability, log_softmax
from loupette.toolkit.synth.shards import LONGEST
from loupette.toolkit.training import Place, Plan, Run, Trainer, augment, batches, ctc_losses, train

ALPHABET = Alphabet("01")
STEADY = {"rate": 1e-3, "warmup": 1, "decay": 0.0}
"""A plan by which a step's rate does not depend on when the run ends."""


def shard(folder: Path, number: int, count: int = 10) -> None:
    folder.mkdir(exist_ok=True)
    images = np.full((count, 48, 160, 3), number, np.uint8)
    np.save(folder / f"images_{number:05d}.npy", images)
    np.save(folder / f"labels_{number:05d}.npy", np.full((count, LONGEST), -1, np.int8))


def noise(folder: Path, number: int, count: int = 6) -> None:
    """A shard of small pictures that no two are alike of."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(number)
    images = rng.integers(0, 256, (count, 16, 32, 3), dtype=np.uint8)
    labels = np.full((count, LONGEST), -1, np.int8)
    labels[1:, 0] = rng.integers(0, 2, count - 1)
    np.save(folder / f"images_{number:05d}.npy", images)
    np.save(folder / f"labels_{number:05d}.npy", labels)


def small(folder: Path, shards: Path) -> Run:
    """A run on pictures so small that a step takes milliseconds."""
    return Run(folder, shards, shards.parent / "held", ALPHABET, height=16, width=32, batch=2)


def train_to(run: Run, steps: int) -> Trainer:
    run.folder.mkdir(exist_ok=True)
    (run.folder / "plan.json").write_text(json.dumps({"steps": steps, **STEADY}))
    return train(run)


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Plan(steps=1000, rate=1.0, warmup=100, decay=0.2)
    assert plan.rate_at(49) == pytest.approx(0.5)
    assert plan.rate_at(500) == 1.0
    assert plan.rate_at(900) == pytest.approx(0.5)
    assert plan.rate_at(5000) == pytest.approx(0.01)


def test_all_shards_are_used_before_one_is_used_again(tmp_path: Path) -> None:
    for number in range(4):
        shard(tmp_path, number)
    source = batches(tmp_path, 10, np.random.default_rng(1))
    first = [int(next(source)[0][0, 0, 0, 0]) for _ in range(4)]
    assert sorted(first) == [0, 1, 2, 3]


def test_a_new_shard_is_found_while_training(tmp_path: Path) -> None:
    shard(tmp_path, 0)
    source = batches(tmp_path, 10, np.random.default_rng(1))
    next(source)
    shard(tmp_path, 1)
    assert int(next(source)[0][0, 0, 0, 0]) == 1


def test_no_shards_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"generate\.py"):
        next(batches(tmp_path, 10, np.random.default_rng(1)))


def test_a_shard_smaller_than_a_batch_fills_it(tmp_path: Path) -> None:
    shard(tmp_path, 3, count=4)
    images, labels = next(batches(tmp_path, 10, np.random.default_rng(1)))
    assert len(images) == len(labels) == 10


@pytest.mark.parametrize("taken", [1, 3, 4, 7])
def test_batches_go_on_from_a_place(tmp_path: Path, taken: int) -> None:
    for number in range(3):
        noise(tmp_path, number)
    rng, place = np.random.default_rng(1), Place()
    source = batches(tmp_path, 2, rng, place=place)
    for _ in range(taken):
        next(source)
    later, there = deepcopy(rng), deepcopy(place)
    expected = [next(source)[0] for _ in range(6)]
    again = batches(tmp_path, 2, later, place=there)
    assert np.array_equal([next(again)[0] for _ in range(6)], expected)


def test_a_redrawn_shard_is_begun_anew(tmp_path: Path) -> None:
    shard(tmp_path, 1, count=4)
    place = Place()
    next(batches(tmp_path, 2, np.random.default_rng(1), place=place))
    shard(tmp_path, 1, count=6)
    os.utime(tmp_path / "images_00001.npy", ns=(1, 1))
    source = batches(tmp_path, 2, np.random.default_rng(1), place=place)
    for _ in range(3):
        next(source)
    assert place.given == 3


def test_augmenting_keeps_shape_and_type() -> None:
    images = np.random.default_rng(1).integers(0, 255, (4, 48, 160, 3), dtype=np.uint8)
    changed = augment(images, np.random.default_rng(2))
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    for number in range(2):
        noise(tmp_path / "train", number)
    whole = train_to(small(tmp_path / "whole", tmp_path / "train"), 7)
    train_to(small(tmp_path / "parts", tmp_path / "train"), 4)
    parts = train_to(small(tmp_path / "parts", tmp_path / "train"), 7)
    assert parts.step == whole.step == 7
    assert parts.progress() == whole.progress()
    expected = whole.arrays()
    for name, value in parts.arrays().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.slow
def test_a_checkpoint_without_progress_is_gone_on_from(tmp_path: Path) -> None:
    run = small(tmp_path, tmp_path / "train")
    trainer = Trainer(run)
    np.savez(tmp_path / "old.npz", state=np.array([800, 245.0]), **trainer.arrays())  # type: ignore[arg-type]
    trainer.restore(tmp_path / "old.npz")
    assert (trainer.step, trainer.seconds, trainer.place) == (800, 245.0, Place())


@pytest.mark.slow
def test_reading_uses_the_averaged_weights_and_leaves_the_others(tmp_path: Path) -> None:
    trainer = Trainer(small(tmp_path, tmp_path / "train"))
    before = trainer.arrays()
    trainer.average = [np.zeros_like(value) for value in trainer.average]
    logits = trainer.read(np.zeros((3, 16, 32, 3), np.uint8))
    assert logits.shape == (3, 8, 3)
    assert not logits.any()
    name = "model/symbols/kernel"
    np.testing.assert_array_equal(trainer.arrays()[name], before[name])


@pytest.mark.slow
def test_the_loss_of_a_picture_without_text_is_that_of_all_blanks() -> None:
    logits = np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    losses = ctc_losses(logits, np.array([[0, 1, -1], [-1, -1, -1]]))
    assert float(losses[1]) == pytest.approx(-float(log_softmax(logits[1])[:, 2].sum()), rel=1e-4)
    assert float(losses[0]) == pytest.approx(-log_probability(log_softmax(logits[0]), [0, 1], 2))
