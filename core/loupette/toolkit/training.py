"""Training small CTC models on drawn pictures: model, data, loop, checkpoints.

Needs the ``train`` extra. Keras 3 alone, so that the same code and the same checkpoints serve
TensorFlow (the default) and, with ``KERAS_BACKEND=jax``, a GPU. On a processor one thread, and
bfloat16 where it computes with it. Everything counts in steps, so a stopped run goes on from its
checkpoint as if nothing had happened::

    run = Run(folder=Path("data/runs/alnum"), shards=Path("data/train/alnum/train"),
              held=Path("data/train/alnum/held"), alphabet=ALPHABET, height=48, width=160)
    train(run)
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from loupette.toolkit.ctc import Alphabet, greedy, log_softmax
from loupette.toolkit.metrics import Share
from loupette.toolkit.muon import ConvolutionMuon
from loupette.toolkit.network import WHOLE, build_model, load_weights, open_model, read_ranks
from loupette.toolkit.synth.shards import LONGEST, list_shards, read_labels

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]

Tensor = Any
"""A tensor of whatever backend Keras runs on; they share no type."""


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        folder: checkpoints, log and plan; a run that has a checkpoint here goes on from it.
        shards: folder of training shards; new ones are found while training.
        held: folder of validation shards, of fonts and styles that training never draws.
        alphabet: symbols of the labels.
        height: input height in pixels.
        width: input width in pixels.
        batch: pictures a step.
        seed: initial weights, order and augmentation; a checkpoint brings its own state of them.
    """

    folder: Path
    shards: Path
    held: Path
    alphabet: Alphabet
    height: int
    width: int
    batch: int = 32
    seed: int = 1

    @property
    def checkpoint(self) -> Path:
        """Where the run goes on from."""
        return self.folder / "checkpoint.npz"


@dataclass(frozen=True)
class Plan:
    """What may be changed while a run goes on: ``plan.json`` in its folder, read every 200 steps.

    Attributes:
        steps: when the run ends.
        rate: learning rate after the warm-up.
        warmup: steps of linear rise.
        decay: share of the steps, at the end, over which the rate falls linearly to a hundredth.
        first_save: seconds between checkpoints.
    """

    steps: int = 24_000
    rate: float = 1.2e-3
    warmup: int = 200
    decay: float = 0.3
    first_save: float = 180.0

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / self.warmup)
        left = (self.steps - step) / max(1.0, self.steps * self.decay)
        return self.rate * rise * float(np.clip(left, 0.01, 1.0))


@dataclass
class Place:
    """How far `batches` has come, to go on from there.

    Attributes:
        used: name and modification time of the shards used since all were.
        seed: of the order inside the last of them.
        given: batches taken of it.
    """

    used: list[tuple[str, int]] = field(default_factory=list)
    seed: int = 0
    given: int = 0


def batches(
    folder: Path, size: int, rng: np.random.Generator, *, place: Place | None = None
) -> Iterator[Batch]:
    """Batches without end: shard by shard in random order, shuffled inside.

    Args:
        folder: of the shards; one of fewer pictures than a batch gives some of them twice.
        size: pictures a batch.
        rng: source of the order.
        place: where to begin, kept up to date; by default the beginning.

    Yields:
        uint8 (size, height, width, 3) and int8 (size, LONGEST).
    """
    place = Place() if place is None else place
    path = _find_shard(folder, place)
    while True:
        if path is None:
            path = _open_shard(folder, place, rng)
        images, labels = np.load(path), read_labels(path)
        count = min(len(labels), len(images))
        order = np.random.default_rng(place.seed).permutation(count)
        order = np.resize(order, max(count, size))
        for start in range(place.given * size, len(order) - size + 1, size):
            rows = order[start : start + size]
            place.given += 1
            yield images[rows], labels[rows]
        path = None


def _shards(folder: Path) -> dict[tuple[str, int], Path]:
    """The shards by what `Place` knows them by: a redrawn one has a new time, so counts as new."""
    return {(path.name, path.stat().st_mtime_ns): path for path in list_shards(folder)}


def _find_shard(folder: Path, place: Place) -> Path | None:
    """The shard a place is in; None when there is none, or it was redrawn."""
    return _shards(folder).get(place.used[-1]) if place.used else None


def _open_shard(folder: Path, place: Place, rng: np.random.Generator) -> Path:
    """Move a place to the beginning of a shard that was not used yet."""
    shards = _shards(folder)
    if not shards:
        raise FileNotFoundError(f"no shards in {folder}: draw some with generate.py")
    place.used = [key for key in place.used if key in shards]
    unused = [key for key in shards if key not in place.used]
    if not unused:
        place.used, unused = [], list(shards)
    key = unused[int(rng.integers(len(unused)))]
    place.used.append(key)
    place.seed, place.given = int(rng.integers(2**63)), 0
    return shards[key]


def augment(images: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Small changes that make a picture used again a new one.

    Shifts the batch, permutes the colours, and turns one batch in six to grey.

    Args:
        images: uint8, (batch, height, width, 3).
        rng: source of the changes.
    """
    changed: npt.NDArray[np.uint8] = shift(images, rng)[..., rng.permutation(3)]
    if rng.random() < 1 / 6:
        grey = changed.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        changed = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=3)
    return changed


def shift(images: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Move a batch by up to 2 rows and 4 columns; its border is repeated.

    Args:
        images: uint8, (batch, height, width, 3).
        rng: source of the distance.
    """
    down, right = int(rng.integers(-2, 3)), int(rng.integers(-4, 5))
    padded = np.pad(images, ((0, 0), (2, 2), (4, 4), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    return padded[:, 2 - down : 2 - down + height, 4 - right : 4 - right + width]


def ctc_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Negative log-probability of each label.

    Args:
        logits: float32, (batch, steps, symbols + 1), the blank last.
        labels: (batch, longest), filled up with -1; a row of -1 is a picture without text.

    Returns:
        float32, (batch,).
    """
    ops = keras.ops
    labels = ops.cast(labels, "int32")
    lengths = ops.sum(ops.cast(labels >= 0, "int32"), axis=1)
    # Not every kernel takes empty labels: such rows get a stand-in, and their loss directly.
    losses = _text_losses(logits, ops.maximum(labels, 0), ops.maximum(lengths, 1))
    nothing = -ops.sum(ops.log_softmax(logits)[..., -1], axis=1)
    return ops.where(lengths == 0, nothing, losses)


def _text_losses(logits: Tensor, codes: Tensor, lengths: Tensor) -> Tensor:
    """The losses of labels of at least one symbol; the only code that asks for the backend's own.

    Keras gives TensorFlow dense labels, for which it has no compiled kernel on a processor: 18 ms
    for a batch of 32 where sparse labels take 3 (2026-11-28), and a step takes 290.
    """
    ops = keras.ops
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        where = tf.where(tf.sequence_mask(lengths, tf.shape(codes)[1]))
        shape = tf.shape(codes, tf.int64)
        sparse = tf.SparseTensor(where, tf.gather_nd(codes, where), shape)
        steps = tf.fill(tf.shape(lengths), tf.shape(logits)[1])
        return tf.nn.ctc_loss(sparse, logits, None, steps, logits_time_major=False, blank_index=-1)
    steps = ops.full_like(lengths, logits.shape[1])
    return ops.ctc_loss(codes, logits, lengths, steps, mask_index=logits.shape[2] - 1)


class _CtcLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """Mean of `ctc_losses`, as Keras compiles it."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ctc_losses(y_pred, y_true)


class TaughtLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """Half `ctc_losses`, half how far a model's steps are from its teacher's (relative entropy).

    Only where both models tell a letter at the same step, as one cut out of the other does: two
    that were trained apart do not.

    Sources: G. Hinton et al., "Distilling the knowledge in a neural network" (2015); H. Sak et al.,
    "Acoustic modelling with CD-CTC-SMBR LSTM RNNs" (2015), for steps of CTC.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Losses of `with_lesson`'s rows."""
        ops = keras.ops
        labels, lesson = y_true[:, :LONGEST], y_true[:, LONGEST:]
        taught = ops.reshape(lesson, ops.shape(y_pred))
        entropy = ops.sum(ops.exp(taught) * (taught - ops.log_softmax(y_pred)), axis=(1, 2))
        return 0.5 * ctc_losses(y_pred, labels) + 0.5 * entropy


def with_lesson(
    labels: npt.NDArray[np.int8], logits: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Labels and a teacher's log-probabilities in one row for each picture, as Keras wants it."""
    lesson = log_softmax(logits).reshape(len(logits), -1)
    return np.concatenate([labels.astype(np.float32), lesson], axis=1)


def make_optimizer() -> keras.optimizers.Optimizer:
    """What the models are trained with; ``ablate.py`` of alnum compares it with AdamW."""
    return ConvolutionMuon(1e-3, weight_decay=0.02)


_AVERAGE_EVERY = 4
"""Steps between two updates of the averaged weights, which cost 2 % of a step each."""


class Trainer:
    """A model with its optimiser, averaged weights, random source and counters.

    Args:
        run: what to train.
        build: makes the model from the number of symbols, height and width.
        optimizer: of the model; the rate of each step is set before it.
        teacher: weights of a model to learn from as well, of which the trained one is a part.
    """

    def __init__(
        self,
        run: Run,
        *,
        build: Callable[[int, int, int], keras.Model] = build_model,
        optimizer: Callable[[], keras.optimizers.Optimizer] = make_optimizer,
        teacher: Path | None = None,
    ):
        keras.utils.set_random_seed(run.seed)
        keras.config.set_dtype_policy(_fast_policy())
        self.run = run
        shape = len(run.alphabet.symbols), run.height, run.width
        self.model = build(*shape)
        self.teacher = open_model(teacher, *shape) if teacher else None
        self.optimizer = optimizer()
        self.optimizer.build(self.model.trainable_variables)
        # XLA has no kernel for TensorFlow's CTC loss.
        compiled = keras.config.backend() != "tensorflow"
        loss = TaughtLoss() if teacher else _CtcLoss()
        self.model.compile(self.optimizer, loss, jit_compile=compiled)
        self.average = [v.numpy().copy() for v in self.model.trainable_variables]
        self.rng = np.random.default_rng(run.seed)
        self.place = Place()
        self.step = 0
        self.seconds = 0.0

    def learn(self, batch: Batch, rate: float) -> float:
        """One step; returns the loss."""
        self.optimizer.learning_rate = rate
        images, labels = batch
        wanted: npt.NDArray[Any] = labels
        if self.teacher is not None:
            wanted = with_lesson(labels, self.teacher.predict_on_batch(images))
        loss = self.model.train_on_batch(images, wanted)
        if self.step % _AVERAGE_EVERY == 0:
            # Not Keras' own, which has no warm-up: it hangs on the first weights for long.
            share = 1 - min(0.999, (1 + self.step) / (10 + self.step)) ** _AVERAGE_EVERY
            for average, variable in zip(self.average, self.model.trainable_variables, strict=True):
                average += share * (variable.numpy() - average)
        self.step += 1
        return float(loss)

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Weights, averaged weights and the optimiser's state, by name."""
        named = {f"model/{v.path}": v.numpy() for v in self.model.variables}
        named |= {
            f"average/{v.path}": average
            for v, average in zip(self.model.trainable_variables, self.average, strict=True)
        }
        named |= {f"optimizer/{v.path}": v.numpy() for v in self.optimizer.variables}
        return named

    def progress(self) -> dict[str, Any]:
        """What follows from the seed and the steps so far: JSON."""
        state = self.rng.bit_generator.state
        return {"seed": self.run.seed, "random": state, "place": asdict(self.place)}

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file changes only when the new one is complete."""
        state = np.array([self.step, self.seconds], np.float64)
        scratch = path.with_suffix(".scratch.npz")
        progress = np.array(json.dumps(self.progress()))
        np.savez(scratch, state=state, progress=progress, **self.arrays())  # type: ignore[arg-type]
        os.replace(scratch, path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        saved = np.load(path)
        for variable in self.model.variables:
            variable.assign(saved[f"model/{variable.path}"])
        self.average = [saved[f"average/{v.path}"] for v in self.model.trainable_variables]
        for variable in self.optimizer.variables:
            if (name := f"optimizer/{variable.path}") in saved:  # else of another optimiser
                variable.assign(saved[name])
        self.step, self.seconds = int(saved["state"][0]), float(saved["state"][1])
        if "progress" in saved:
            progress = json.loads(str(saved["progress"]))
            self.rng.bit_generator.state = progress["random"]
            place = progress["place"]
            self.place = Place(**{**place, "used": [(n, t) for n, t in place["used"]]})
        else:  # written by a version that counted steps only
            self.rng = np.random.default_rng((self.run.seed, self.step))

    def start_from(self, path: Path) -> None:
        """Take the weights of another model (``.weights.npz`` or a checkpoint) where shapes agree.

        The last layer of another alphabet has another shape, and stays as it was drawn.
        """
        load_weights(self.model, path)
        self.average = [v.numpy().copy() for v in self.model.trainable_variables]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model has its averaged weights inside this block, and its own again after it."""
        variables = self.model.trainable_variables
        kept = [v.numpy().copy() for v in variables]
        for variable, average in zip(variables, self.average, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)

    def read(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits of the averaged weights.

        Args:
            images: uint8, (count, height, width, 3).

        Returns:
            float32, (count, steps, symbols + 1).
        """
        with self.averaged():
            parts = range(0, len(images), 64)
            return np.concatenate([self.model.predict_on_batch(images[i : i + 64]) for i in parts])

    def score(self, folder: Path, *, count: int = 512) -> Share:
        """Pictures that the averaged weights read exactly (case as coded).

        Args:
            folder: of shards, of which the first is read.
            count: most pictures.

        Returns:
            The share; of none where there are no shards.
        """
        shards = list_shards(folder)
        if not shards:
            return Share(0, 0)
        images, labels = np.load(shards[0], mmap_mode="r")[:count], read_labels(shards[0])[:count]
        blank = self.run.alphabet.blank
        right = sum(
            greedy(row, blank) == [int(code) for code in truth if code >= 0]
            for row, truth in zip(self.read(images), labels, strict=True)
        )
        return Share(right, len(images))


def _fast_policy() -> str:
    """bfloat16 on a GPU, and with TensorFlow on a processor that multiplies it; else float32."""
    if not all(device.startswith("cpu") for device in keras.distribution.list_devices()):
        return "mixed_bfloat16"
    processor = Path("/proc/cpuinfo")
    flags = processor.read_text() if processor.exists() else ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    return "mixed_bfloat16" if native and keras.config.backend() == "tensorflow" else "float32"


def save_weights(trainer: Trainer, path: Path) -> None:
    """Write what `load_weights` reads, as float16: small enough to keep and to start from."""
    arrays = trainer.arrays()
    kept = {
        name: value.astype(np.float16)
        for name, value in arrays.items()
        if name.startswith("average/")
        or (name.startswith("model/") and name.replace("model/", "average/") not in arrays)
    }
    np.savez_compressed(path, **kept)  # type: ignore[arg-type]


def read_plan(folder: Path) -> Plan:
    """The plan in a run's folder; written there with its defaults when absent."""
    path = folder / "plan.json"
    if not path.exists():
        path.write_text(json.dumps(asdict(Plan()), indent=1))
    return Plan(**json.loads(path.read_text()))


def train(
    run: Run,
    *,
    init: Path | None = None,
    first: Callable[[Trainer], None] | None = None,
    teacher: Path | None = None,
) -> Trainer:
    """Train until the plan's last step; checkpoints as it goes.

    Args:
        run: what and where.
        init: weights to start from, when this run has no checkpoint yet; the model gets their
            widths.
        first: what to do to the trainer before its first step.
        teacher: as `Trainer` takes it.

    Returns:
        The trainer as it stands at the end.
    """
    use_one_thread()
    run.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = run.checkpoint
    trainer = Trainer(run, build=builder_of(checkpoint, init), teacher=teacher)
    if checkpoint.exists():
        trainer.restore(checkpoint)
    elif init is not None:
        trainer.start_from(init)
    if first is not None:
        first(trainer)
    source = batches(run.shards, run.batch, trainer.rng, place=trainer.place)
    plan, bar = read_plan(run.folder), tqdm(initial=trainer.step, unit="step", disable=None)
    losses: list[float] = []
    saved = begun = time.monotonic()
    while trainer.step < plan.steps:
        images, labels = next(source)
        batch = augment(images, trainer.rng), labels
        losses.append(trainer.learn(batch, plan.rate_at(trainer.step)))
        bar.total = plan.steps
        bar.update()
        if trainer.step % 200 == 0:
            plan = read_plan(run.folder)
            now = time.monotonic()
            speed = len(losses) * run.batch / (now - begun)
            trainer.seconds += now - begun
            _log(trainer, bar, f"loss {np.mean(losses):.3f} {speed:.0f} pictures/s")
            losses, begun = [], now
            if now - saved > plan.first_save or trainer.step >= plan.steps:
                _log(trainer, bar, f"held out {trainer.score(run.held).value:.4f}")
                trainer.save(checkpoint)
                saved = begun = time.monotonic()
    bar.close()
    trainer.save(checkpoint)
    return trainer


def builder_of(*weights: Path | None) -> Callable[[int, int, int], keras.Model]:
    """Builds the model that the first of these files that exists is of; `WHOLE` where none does."""
    found = next((path for path in weights if path is not None and path.exists()), None)
    return partial(build_model, ranks=read_ranks(found) if found else WHOLE)


def use_one_thread() -> None:
    """Let TensorFlow compute on one thread, unless the environment says else.

    To be called before anything is computed. One thread of a small model does more for each core
    than several, and leaves the others to whatever draws the pictures.
    """
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")


def _log(trainer: Trainer, bar: tqdm, text: str) -> None:
    run, step = trainer.run, trainer.step
    line = f"{trainer.seconds:.0f} s step {step} ({step * run.batch} seen) {text}"
    with (run.folder / "log.txt").open("a") as log:
        log.write(line + "\n")
    with bar.external_write_mode():
        print(line, flush=True)
