"""Units that say nothing get new work, and what the model says of pictures hardly changes."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.dormant import mute, recycle
from loupette.toolkit.training import Run, Trainer


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    run = Run(tmp_path, tmp_path, tmp_path, Alphabet("01"), height=16, width=32)
    return Trainer(run)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (12, 16, 32, 3), dtype=np.uint8)


def silence(trainer: Trainer, name: str, units: int) -> None:
    """Let the first units of a layer say nothing whatever they see."""
    kernel, bias = trainer.model.get_layer(name).get_weights()
    kernel[..., :units], bias[:units] = 0.0, -1.0
    trainer.model.get_layer(name).set_weights([kernel, bias])
    trainer.average = [v.numpy().copy() for v in trainer.model.trainable_variables]


def awake(trainer: Trainer, pictures: np.ndarray) -> None:
    """Wake what newly drawn weights leave dormant by chance."""
    recycle(trainer, pictures)


def test_dormant_units_speak_again_and_nothing_is_lost(
    trainer: Trainer, pictures: np.ndarray
) -> None:
    awake(trainer, pictures)
    silence(trainer, "conv3a", 7)
    before = trainer.read(pictures)
    assert recycle(trainer, pictures)["conv3a"] == 7
    assert "conv3a" not in recycle(trainer, pictures)
    # What reads them has forgotten them, so the model says what it said.
    assert np.abs(trainer.read(pictures) - before).max() < 0.02 * np.abs(before).max()


def test_units_in_a_stream_begin_quietly(trainer: Trainer, pictures: np.ndarray) -> None:
    awake(trainer, pictures)
    silence(trainer, "mix4", 40)
    before = trainer.read(pictures)
    assert recycle(trainer, pictures)["mix4"] == 40
    assert np.abs(trainer.read(pictures) - before).max() < 0.2 * np.abs(before).max()


def test_the_optimiser_forgets_the_units_only(trainer: Trainer, pictures: np.ndarray) -> None:
    awake(trainer, pictures)
    silence(trainer, "conv2b", 3)
    (momentum,) = (
        v for v in trainer.optimizer.variables if v.path.endswith("conv2b_kernel_momentum")
    )
    momentum.assign(np.ones(momentum.shape, np.float32))
    recycle(trainer, pictures)
    kept = np.asarray(momentum)
    assert (kept[..., :3] == 0).all()
    assert (kept[..., 3:] == 1).all()


def test_a_channel_that_was_dormant_in_training_does_not_drown_the_others(
    trainer: Trainer, pictures: np.ndarray
) -> None:
    layer = trainer.model.get_layer("norm1")
    mean, variance = np.zeros(192, np.float32), np.ones(192, np.float32)
    variance[5] = 0.0
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    # A picture on which the channel speaks after all.
    kernel, bias = trainer.model.get_layer("collapse").get_weights()
    bias[5] = 50.0
    trainer.model.get_layer("collapse").set_weights([kernel, bias])
    trainer.average = [v.numpy().copy() for v in trainer.model.trainable_variables]
    loud = np.abs(trainer.read(pictures)).max()
    assert mute(trainer.model) == 1
    trainer.average = [v.numpy().copy() for v in trainer.model.trainable_variables]
    assert np.abs(trainer.read(pictures)).max() < 0.2 * loud
