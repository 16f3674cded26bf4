"""Fine-tuning a packaged model on what its user brings: a labelled folder, or own fonts.

Needs the ``train`` extra.
"""

import datetime
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from loupette.plugin import Challenge, Picture, Solver, Unsolvable
from loupette.toolkit.images import open_picture
from loupette.toolkit.labelled import read_examples, split, write_parts
from loupette.toolkit.metrics import Share
from loupette.toolkit.subject import Subject
from loupette.toolkit.synth.shards import list_shards, read_labels
from loupette.toolkit.training import (
    Batch,
    Plan,
    Run,
    Trainer,
    augment,
    batches,
    builder_of,
    ctc_losses,
    shift,
    use_one_thread,
)
from loupette.toolkit.weights import add_to_card

CALIBRATES = 200
"""Check pictures from which on the confidences are calibrated on them, not on drawn ones."""

WORSE = "**Worse than the plugin as installed: do not put it in its place.**"
"""Ends a report where it is true."""

_WORST = 200.0
"""A loss counts as this at most: one picture that is not read at all should not decide."""

Case = tuple[Picture, str]


Package = Callable[[Subject, Path, Path, Path], None]
"""Writes a weights folder (last) from a checkpoint and the shards to calibrate it on."""


def augment_lightly(
    images: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Small changes that leave a picture of its kind: place, contrast, brightness, grain.

    Args:
        images: uint8, (batch, height, width, 3).
        rng: source of the changes.
    """
    each = (len(images), 1, 1, 1)
    gain, lift = rng.uniform(0.85, 1.1, each), rng.uniform(-15, 15, each)
    grain = rng.normal(0, 4, (*images.shape[:3], 1))
    return np.clip(shift(images, rng) * gain + lift + grain, 0, 255).astype(np.uint8)


def mix(own: Path, run: Run, rng: np.random.Generator) -> Iterator[Batch]:
    """Batches half of own pictures and half of drawn ones, so that the model forgets nothing.

    All are own where the run has no drawn shards.
    """
    if not list_shards(run.shards):
        for images, labels in batches(own, run.batch, rng):
            yield augment_lightly(images, rng), labels
    half = run.batch // 2
    drawn = batches(run.shards, run.batch - half, rng)
    for images, labels in batches(own, half, rng):
        others, texts = next(drawn)
        mixed = np.concatenate([augment_lightly(images, rng), augment(others, rng)])
        yield mixed, np.concatenate([labels, texts])


@dataclass(frozen=True)
class Own:
    """A user's pictures, prepared: folders of shards.

    Attributes:
        train: to learn from.
        check: one shard that says when to stop.
        held: one shard, or more, not looked at while training.
    """

    train: Path
    check: Path
    held: Path


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning came to.

    Attributes:
        checkpoint: of the step that read the check part best.
        step: that step; 0 where nothing became better.
        losses: of the check part, at the beginning and at that step.
        own: held-out own pictures read exactly, by the weights it began with and at that step.
        drawn: the same of held-out drawn pictures; of none where there are none.
    """

    checkpoint: Path
    step: int
    losses: tuple[float, float]
    own: tuple[Share, Share]
    drawn: tuple[Share, Share]


def fine_tune(
    run: Run,
    own: Own,
    *,
    init: Path,
    steps: int = 600,
    rate: float = 1e-3,
    every: int = 25,
    patience: int = 6,
) -> Tuned:
    """Train on own pictures until the check part gets no better.

    Args:
        run: folder, and the drawn shards that are mixed in.
        own: the user's pictures.
        init: weights to start from.
        steps: most steps; the rate falls towards the last one.
        rate: learning rate; of 168 pictures, 125 steps learnt more at 1e-3 than at 3e-4.
        every: steps between two looks at the check part.
        patience: looks without a better loss after which it ends.
    """
    use_one_thread()
    run.folder.mkdir(parents=True, exist_ok=True)
    trainer, checkpoint = Trainer(run, build=builder_of(init)), run.checkpoint
    trainer.start_from(init)
    first = best = _check_loss(trainer, own.check)
    before, kept = [trainer.score(folder) for folder in (own.held, run.held)], 0
    trainer.save(checkpoint)
    plan = Plan(steps=steps, rate=rate, warmup=min(50, steps), decay=0.5)
    source, begun = mix(own.train, run, trainer.rng), time.monotonic()
    with tqdm(total=steps, unit="step", disable=None) as bar:
        while trainer.step < steps and trainer.step - kept < every * patience:
            trainer.learn(next(source), plan.rate_at(trainer.step))
            bar.update()
            if trainer.step % every == 0 or trainer.step == steps:
                loss = _check_loss(trainer, own.check)
                bar.write(f"step {trainer.step}: check loss {loss:.3f}, best so far {best:.3f}")
                if loss < best:
                    best, kept = loss, trainer.step
                    trainer.seconds = time.monotonic() - begun
                    trainer.save(checkpoint)
    trainer.restore(checkpoint)
    after = [trainer.score(folder) for folder in (own.held, run.held)]
    return Tuned(
        checkpoint, kept, (first, best), own=(before[0], after[0]), drawn=(before[1], after[1])
    )


def _check_loss(trainer: Trainer, folder: Path) -> float:
    """Mean loss of the averaged weights on a folder's first shard."""
    path = list_shards(folder)[0]
    losses = ctc_losses(trainer.read(np.load(path)), read_labels(path))
    return float(np.minimum(np.asarray(losses), _WORST).mean())


def measure(solver: Solver, cases: Iterable[Case]) -> Share:
    """Share of the pictures that a solver answers rightly, in any case; a refusal is wrong."""
    right = []
    for picture, truth in cases:
        try:
            right.append(solver.solve(Challenge(picture)).result.lower() == truth.lower())
        except Unsolvable:
            right.append(False)
    return Share(sum(right), len(right))


def take_labelled(run: Run, subject: Subject, folder: Path) -> tuple[Own, list[Case]]:
    """Share a labelled folder out; the cases are its held part, as files."""
    parts = split(read_examples(folder, subject.text_of, run.alphabet), seed=run.seed)
    own = run.folder / "own"
    write_parts(parts, own, run.alphabet, height=run.height, width=run.width)
    cases = [(open_picture(example.path), example.answer) for example in parts["held"]]
    return Own(own / "train", own / "check", own / "held"), cases


def take_drawn(run: Run, subject: Subject, folder: Path) -> tuple[Own, list[Case]]:
    """Take what generate.py wrote into a folder, its ``check`` and its ``held``."""
    own = Own(folder / "train", folder / "check/train", folder / "held/train")
    path = list_shards(own.held)[0]
    texts = [run.alphabet.decode(codes) for codes in read_labels(path)]
    return own, [
        (_picture(image), answer)
        for image, text in zip(np.load(path), texts, strict=True)
        if text and (answer := subject.answer_of(text)) is not None
    ]


def _picture(rgb: npt.NDArray[np.uint8]) -> Picture:
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    return Picture(np.concatenate([rgb, alpha], axis=2)[None], "png")


def adapt(
    run: Run,
    subject: Subject,
    own: Own,
    cases: list[Case],
    *,
    package: Package,
    init: Path,
    out: Path,
    steps: int = 600,
) -> str:
    """Fine-tune, export and report.

    Args:
        run: folder, and the drawn shards that are mixed in.
        subject: the plugin.
        own: the user's pictures.
        cases: those of them that before and after are measured on.
        package: writes the weights folder.
        init: weights to start from.
        out: folder for the model, its card and ``report.md``.
        steps: most steps.

    Returns:
        The report.
    """
    tuned, calibrating = fine_tune(run, own, init=init, steps=steps), _calibrating(run, own)
    package(subject, tuned.checkpoint, calibrating, out)
    before = measure(subject.load(subject.packaged), cases)
    after = measure(subject.load(out), cases)
    scores = {"before": _facts(before), "after": _facts(after)}
    add_to_card(out, data="fine-tuned by its user", command=_command(), own_held_out=scores)
    report = write_report(run, own, tuned, before=before, after=after)
    (out / "report.md").write_text(report, encoding="utf-8")
    return report


def _calibrating(run: Run, own: Own) -> Path:
    """The shards that confidences are calibrated on: own ones where they are enough."""
    enough = len(read_labels(list_shards(own.check)[0])) >= CALIBRATES
    return own.check if enough or not list_shards(run.held) else run.held


def _command() -> str:
    return shlex.join(["python", *sys.argv])


def _facts(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"value": round(share.value, 4), "interval": [round(low, 4), round(high, 4)]} | {
        "n": share.count
    }


def write_report(run: Run, own: Own, tuned: Tuned, *, before: Share, after: Share) -> str:
    """Write what was done and what it did, as Markdown.

    Args:
        run: what was run.
        own: the user's pictures.
        tuned: what came of it.
        before: right answers of the plugin as installed.
        after: right answers of the new one, on the same pictures.
    """
    learnt, checked = (
        sum(len(read_labels(path)) for path in list_shards(folder))
        for folder in (own.train, own.check)
    )
    drawn = "half of each batch" if list_shards(run.shards) else "none: the model may forget others"
    rows = [
        ("answers of the plugin, own held-out pictures", f"{before}", f"{after}"),
        ("readings of the model, own held-out pictures", *map(str, tuned.own)),
        ("loss of the model, own check pictures", *(f"{loss:.3f}" for loss in tuned.losses)),
        ("readings of the model, drawn held-out pictures", *map(str, tuned.drawn)),
    ]
    return "\n".join(
        [
            "# Fine-tuning",
            "",
            f"{datetime.datetime.now(datetime.UTC).date().isoformat()}, `{_command()}`",
            "",
            "| | before | after |",
            "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            "Before: the plugin as installed, and the model that training began with, which may be "
            f"another. Intervals are 95 % (Wilson). Learnt from {learnt} own pictures, stopped by "
            f"{checked}, seed {run.seed}; drawn ones: {drawn}. Best at step {tuned.step} of "
            f"{run.batch} pictures each"
            + ("." if tuned.step else ": nothing became better, the model is as it was."),
            *(["", WORSE] if after.right < before.right else []),
            "",
        ]
    )
