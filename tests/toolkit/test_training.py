"""The loop is tested on a few drawn bars: enough to see it learn, stop and go on."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.synth.shards import LONGEST
from loupette.toolkit.training import Plan, augment, batches

ALPHABET = Alphabet("01")


def shard(folder: Path, number: int, count: int = 10) -> None:
    folder.mkdir(exist_ok=True)
    images = np.full((count, 48, 160, 3), number, np.uint8)
    np.save(folder / f"images_{number:05d}.npy", images)
    np.save(folder / f"labels_{number:05d}.npy", np.full((count, LONGEST), -1, np.int8))


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


def test_augmenting_keeps_shape_and_type() -> None:
    images = np.random.default_rng(1).integers(0, 255, (4, 48, 160, 3), dtype=np.uint8)
    changed = augment(images, np.random.default_rng(2))
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8


@pytest.mark.slow
def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    from loupette.toolkit.training import Run, train

    shard(tmp_path / "train", 0, count=4)
    run = Run(
        folder=tmp_path / "run",
        shards=tmp_path / "train",
        held=tmp_path / "held",
        alphabet=ALPHABET,
        height=48,
        width=160,
        batch=2,
    )
    run.folder.mkdir()
    (run.folder / "plan.json").write_text(json.dumps({"steps": 2}))
    first = train(run)
    (run.folder / "plan.json").write_text(json.dumps({"steps": 3}))
    second = train(run)
    assert first.step == 2
    assert second.step == 3
    assert (run.folder / "checkpoint.npz").exists()


@pytest.mark.slow
def test_the_loss_of_a_picture_without_text_is_that_of_all_blanks() -> None:
    import tensorflow as tf

    from loupette.toolkit.training import ctc_losses

    logits = tf.constant(np.random.default_rng(1).normal(size=(2, 6, 3)), tf.float32)
    losses = ctc_losses(logits, tf.constant([[0, 1, -1], [-1, -1, -1]]))
    blanks = -float(tf.reduce_sum(tf.nn.log_softmax(logits[1])[:, 2]))
    assert float(losses[1]) == pytest.approx(blanks, rel=1e-4)
    assert float(losses[0]) > 0
