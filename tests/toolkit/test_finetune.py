"""Fine-tuning is tested on bars of two widths: a minute model learns them in a few steps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow", reason="training needs the train extra")

from loupette.plugin import Answer, Challenge, Picture, Unsolvable
from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.finetune import (
    WORSE,
    Own,
    Tuned,
    augment_lightly,
    fine_tune,
    measure,
    mix,
    take_drawn,
    take_labelled,
    write_report,
)
from loupette.toolkit.metrics import Share
from loupette.toolkit.subject import Subject
from loupette.toolkit.synth.shards import LONGEST
from loupette.toolkit.training import Run, Trainer, save_weights

ALPHABET = Alphabet("01")


def bars(folder: Path, count: int, seed: int) -> Path:
    """A shard: a narrow bar reads 0, a broad one 1."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images = np.full((count, 16, 32, 3), 255, np.uint8)
    labels = np.full((count, LONGEST), -1, np.int8)
    for image, label in zip(images, labels, strict=True):
        label[0] = rng.integers(0, 2)
        left = rng.integers(6, 16)
        image[3:13, left : left + (3, 10)[label[0]]] = 0
    np.save(folder / "images_00000.npy", images)
    np.save(folder / "labels_00000.npy", labels)
    return folder


def run_in(folder: Path) -> Run:
    return Run(
        folder / "run", folder / "shards", folder / "none", ALPHABET, height=16, width=32, batch=8
    )


def test_light_augmentation_keeps_shape_and_changes_little() -> None:
    images = np.random.default_rng(1).integers(60, 190, (4, 16, 1, 3), dtype=np.uint8)
    images = np.repeat(images, 32, axis=2)
    changed = augment_lightly(images, np.random.default_rng(2))
    assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
    assert abs(changed.astype(float).mean() - images.mean()) < 40


def test_half_of_a_mixed_batch_is_own(tmp_path: Path) -> None:
    own, run = bars(tmp_path / "own", 9, seed=1), run_in(tmp_path)
    bars(tmp_path / "shards", 9, seed=2)
    np.save(tmp_path / "shards/labels_00000.npy", np.full((9, LONGEST), -1, np.int8))
    images, labels = next(mix(own, run, np.random.default_rng(1)))
    assert len(images) == len(labels) == 8
    assert (labels[:4, 0] >= 0).all()
    assert (labels[4:, 0] < 0).all()


def test_without_drawn_pictures_a_batch_is_own(tmp_path: Path) -> None:
    own = bars(tmp_path / "own", 9, seed=1)
    images, labels = next(mix(own, run_in(tmp_path), np.random.default_rng(1)))
    assert len(images) == 8
    assert (labels[:, 0] >= 0).all()


@pytest.mark.slow
def test_fine_tuning_on_a_handful_lowers_the_loss(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    parts = Own(
        *(bars(tmp_path / name, 16, seed) for seed, name in enumerate(("train", "check", "held")))
    )
    save_weights(Trainer(run), tmp_path / "init.npz")
    tuned = fine_tune(run, parts, init=tmp_path / "init.npz", steps=30, rate=2e-3, every=10)
    before, after = tuned.losses
    assert after < before / 2
    assert tuned.step > 0
    assert tuned.own[1].value > tuned.own[0].value
    assert tuned.drawn[1].count == 0
    assert int(np.load(tuned.checkpoint)["state"][0]) == tuned.step


class Reader:
    """Answers by a picture's first value."""

    def solve(self, challenge: Challenge) -> Answer:
        value = int(challenge.image.rgb[0, 0, 0])
        if value == 9:
            raise Unsolvable("no_text", "nothing to read")
        return Answer(str(value), 1.0)


SUBJECT = Subject(
    name="bars",
    type_id=60001,
    alphabet=ALPHABET,
    height=48,
    width=160,
    load=lambda weights: Reader(),
    reader=lambda weights: pytest.fail("the solver is asked, not the reader"),
    packaged=Path("weights"),
    training=Path("training"),
)


def test_drawn_pictures_are_measured_where_they_have_a_text(tmp_path: Path) -> None:
    held = bars(tmp_path / "own/held/train", 6, seed=1)
    labels = np.load(held / "labels_00000.npy")
    labels[:2] = -1
    np.save(held / "labels_00000.npy", labels)
    own, cases = take_drawn(run_in(tmp_path), SUBJECT, tmp_path / "own")
    assert own.held == held
    assert [answer for _, answer in cases] == [str(code) for code in labels[2:, 0]]


def test_labelled_pictures_are_measured_as_files(tmp_path: Path) -> None:
    folder = tmp_path / "labelled"
    folder.mkdir()
    rows = [f"{number}.png,{number % 2}" for number in range(40)]
    (folder / "labels.csv").write_text("\n".join(["file,answer", *rows]))
    for number in range(40):
        Image.new("RGB", (50, 20), (number, 0, 0)).save(folder / f"{number}.png")
    own, cases = take_labelled(run_in(tmp_path), SUBJECT, folder)
    sizes = [len(np.load(path / "images_00000.npy")) for path in (own.train, own.check, own.held)]
    assert sum(sizes) == 40
    assert len(cases) == sizes[2]
    assert cases[0][0].rgb.shape == (20, 50, 3)


@pytest.mark.parametrize(("right", "worse"), [(1, True), (3, False), (4, False)])
def test_the_report_warns_of_a_worse_model(tmp_path: Path, right: int, worse: bool) -> None:
    own = Own(bars(tmp_path / "train", 5, seed=1), bars(tmp_path / "check", 4, seed=2), tmp_path)
    tuned = Tuned(
        tmp_path, 25, (2.0, 1.0), own=(Share(2, 4), Share(3, 4)), drawn=(Share(0, 0), Share(0, 0))
    )
    shares = {"before": Share(3, 4), "after": Share(right, 4)}
    report = write_report(run_in(tmp_path), own, tuned, **shares)
    assert (WORSE in report) == worse
    assert "Learnt from 5 own pictures, stopped by 4" in report
    assert f"| {Share(3, 4)} | {Share(right, 4)} |" in report


def test_a_refusal_counts_as_wrong() -> None:
    pictures = [Picture(np.full((1, 2, 2, 4), (v, v, v, 255), np.uint8), "png") for v in (1, 2, 9)]
    share = measure(Reader(), zip(pictures, ("1", "3", "9"), strict=True))
    assert (share.right, share.count) == (1, 3)
