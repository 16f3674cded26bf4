"""Training small CTC models on drawn pictures: model, data, loop, checkpoints, export.

Needs the ``train`` extra (TensorFlow). One thread, bfloat16 where the processor has it. Everything
counts in steps, so a stopped run goes on from its checkpoint as if nothing had happened::

    run = Run(folder=Path("data/runs/alnum"), shards=Path("data/train/alnum/train"),
              held=Path("data/train/alnum/held"), alphabet=ALPHABET, height=48, width=160)
    train(run)
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from loupette.toolkit.ctc import Alphabet, greedy
from loupette.toolkit.synth.shards import list_shards, read_labels

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]


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
        seed: initial weights, order and augmentation.
    """

    folder: Path
    shards: Path
    held: Path
    alphabet: Alphabet
    height: int
    width: int
    batch: int = 32
    seed: int = 1


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


def build_model(symbols: int, height: int, width: int) -> keras.Model:
    """The recogniser: plain 3x3 convolutions, then a 1-pixel-high head over 40 time steps.

    No normalisation in the trunk: it more than halves the speed on a CPU and the model trains
    without. Batch normalisation in the head only, where it costs nothing. The head sees 27 steps
    around each, and the mean of all: a letter is often told by its neighbours' case and font.

    Every layer has a name, by which weights are kept: so a model can grow and keep what it knows.

    Args:
        symbols: size of the alphabet, without the blank.
        height: input height, 48.
        width: input width; a quarter of it is the number of time steps.

    Returns:
        A model from float32 (batch, height, width, 3), 0..255, to float32 logits
        (batch, width / 4, symbols + 1), the blank last.
    """
    layers = keras.layers
    picture = keras.Input((height, width, 3), name="picture")
    # Paper is about -1, ink about +1.
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(picture)
    x = _conv(x, 24, "conv1")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _conv(_conv(x, 48, "conv2a"), 48, "conv2b")
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _conv(_conv(x, 96, "conv3a"), 96, "conv3b")
    x = layers.MaxPooling2D((2, 1), name="pool3")(x)
    x = _conv(x, 128, "conv4a")
    x = layers.Add(name="add4")([x, _conv(x, 128, "conv4b", gain=_QUIET)])
    x = layers.MaxPooling2D((2, 1), name="pool4")(x)
    x = layers.ZeroPadding2D((0, 1), name="pad")(x)
    x = _conv(x, HEAD, "collapse", size=(height // 16, 3), padding="valid")
    for number in range(1, BLOCKS + 1):
        y = layers.BatchNormalization(name=f"norm{number}")(x)
        y = _conv(y, HEAD, f"mix{number}", size=(1, 5), gain=1.0 if number < 3 else _QUIET)
        x = layers.Add(name=f"add_mix{number}")([x, y])
        if number == BLOCKS // 2:
            mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
            whole = _conv(mean, HEAD, "whole", size=(1, 1), gain=_QUIET)
            x = layers.Add(name="add_whole")([x, whole])
    x = layers.BatchNormalization(name="norm_out")(x)
    x = layers.Reshape((width // 4, HEAD), name="steps")(x)
    logits = layers.Dense(symbols + 1, dtype="float32", name="symbols")(x)
    return keras.Model(picture, logits)


HEAD = 192
"""Channels of the head."""

BLOCKS = 6
"""Convolutions along the line in the head."""

_QUIET = 0.05
"""Share of the usual spread that side branches begin with: at first they hardly change what the
trunk says, so that branches can be added to a trained model."""


def _conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    *,
    size: tuple[int, int] = (3, 3),
    padding: str = "same",
    gain: float = 1.0,
) -> keras.KerasTensor:
    spread = keras.initializers.VarianceScaling(2.0 * gain**2, "fan_in", "truncated_normal")
    layer = keras.layers.Conv2D(
        filters, size, padding=padding, activation="relu", kernel_initializer=spread, name=name
    )
    return layer(x)


def batches(folder: Path, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Batches without end: shard by shard in random order, shuffled inside.

    Args:
        folder: of the shards.
        size: pictures a batch.
        rng: source of the order.

    Yields:
        uint8 (size, height, width, 3) and int8 (size, LONGEST).
    """
    used: set[tuple[str, int]] = set()
    while True:
        shards = list_shards(folder)
        if not shards:
            raise FileNotFoundError(f"no shards in {folder}: draw some with generate.py")
        # A redrawn shard has a new modification time, hence counts as unused.
        keys = [(path.name, path.stat().st_mtime_ns) for path in shards]
        unused = [i for i, key in enumerate(keys) if key not in used]
        if not unused:
            used.clear()
            continue
        pick = int(rng.choice(unused))
        used.add(keys[pick])
        labels = read_labels(shards[pick])
        images = np.load(shards[pick])
        order = rng.permutation(min(len(labels), len(images)))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            yield images[rows], labels[rows]


def augment(images: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Small changes that make a picture used again a new one.

    Shifts the batch by up to 2 rows and 4 columns, permutes the colours, and turns one batch in
    six to grey.

    Args:
        images: uint8, (batch, height, width, 3).
        rng: source of the changes.
    """
    down, right = int(rng.integers(-2, 3)), int(rng.integers(-4, 5))
    padded = np.pad(images, ((0, 0), (2, 2), (4, 4), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    moved = padded[:, 2 - down : 2 - down + height, 4 - right : 4 - right + width]
    changed: npt.NDArray[np.uint8] = moved[..., rng.permutation(3)]
    if rng.random() < 1 / 6:
        grey = changed.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        changed = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=3)
    return changed


def ctc_losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Negative log-probability of each label.

    Args:
        logits: float32, (batch, steps, symbols + 1), the blank last.
        labels: int32, (batch, longest), filled up with -1; a row of -1 is a picture without text.

    Returns:
        float32, (batch,).
    """
    empty = tf.reduce_all(labels < 0, axis=1)
    # The kernel refuses empty labels: such rows get a stand-in, and their loss directly.
    stand_in = tf.pad(
        tf.zeros_like(labels[:, :1]), ((0, 0), (0, labels.shape[1] - 1)), constant_values=-1
    )
    filled = tf.where(empty[:, None], stand_in, labels)
    where = tf.where(filled >= 0)
    sparse = tf.SparseTensor(where, tf.gather_nd(filled, where), tf.shape(labels, tf.int64))
    steps = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
    # The compiled kernel (sparse labels, blank last) is faster than the dense one.
    losses = tf.nn.ctc_loss(sparse, logits, None, steps, False, blank_index=-1)
    nothing = -tf.reduce_sum(tf.nn.log_softmax(logits)[..., -1], axis=1)
    return tf.where(empty, nothing, losses)


class Trainer:
    """A model with its optimiser, averaged weights and counters.

    Args:
        run: what to train.
    """

    def __init__(self, run: Run) -> None:
        keras.utils.set_random_seed(run.seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        self.run = run
        self.model = build_model(len(run.alphabet.symbols), run.height, run.width)
        self.optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4, clipnorm=5.0)
        self.optimizer.build(self.model.trainable_variables)
        self.average = [tf.Variable(v.value) for v in self.model.trainable_variables]
        self.step = 0
        self.seconds = 0.0
        self._update = tf.function(self._one_step)
        self._predict = tf.function(lambda x: self.model(x, training=False))

    def _one_step(self, images: tf.Tensor, labels: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = self.model(tf.cast(images, tf.float32), training=True)
            loss = tf.reduce_mean(ctc_losses(logits, tf.cast(labels, tf.int32)))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, [v.value for v in variables]), variables, strict=True)
        )
        for average, variable in zip(self.average, variables, strict=True):
            average.assign(decay * average + (1 - decay) * tf.cast(variable.value, tf.float32))
        return loss

    def learn(self, batch: Batch, rate: float) -> float:
        """One step; returns the loss."""
        self.optimizer.learning_rate.assign(rate)
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        loss = self._update(
            tf.constant(batch[0]), tf.constant(batch[1]), tf.constant(decay, tf.float32)
        )
        self.step += 1
        return float(loss)

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Everything a checkpoint holds, by name."""
        named = {f"model/{v.path}": v.numpy() for v in self.model.variables}
        named |= {
            f"average/{v.path}": average.numpy()
            for v, average in zip(self.model.trainable_variables, self.average, strict=True)
        }
        named |= {f"optimizer/{i:03d}": v.numpy() for i, v in enumerate(self.optimizer.variables)}
        return named

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file changes only when the new one is complete."""
        state = np.array([self.step, self.seconds], np.float64)
        scratch = path.with_suffix(".scratch.npz")
        np.savez(scratch, state=state, **self.arrays())  # type: ignore[arg-type]
        os.replace(scratch, path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        saved = np.load(path)
        for variable in self.model.variables:
            variable.assign(saved[f"model/{variable.path}"])
        for variable, average in zip(self.model.trainable_variables, self.average, strict=True):
            average.assign(saved[f"average/{variable.path}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(saved[f"optimizer/{i:03d}"])
        self.step, self.seconds = int(saved["state"][0]), float(saved["state"][1])

    def start_from(self, path: Path) -> None:
        """Take the weights of another model (``.weights.npz`` or a checkpoint) where shapes agree.

        The last layer of another alphabet has another shape, and stays as it was drawn.
        """
        load_weights(self.model, path)
        for average, variable in zip(self.average, self.model.trainable_variables, strict=True):
            average.assign(variable.value)

    def averaged(self) -> keras.Model:
        """A float32 model with the averaged weights."""
        keras.mixed_precision.set_global_policy("float32")
        model = build_model(len(self.run.alphabet.symbols), self.run.height, self.run.width)
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        for mine, theirs in zip(model.variables, self.model.variables, strict=True):
            mine.assign(theirs.value)
        for mine, mean in zip(model.trainable_variables, self.average, strict=True):
            mine.assign(mean)
        return model

    def validate(self, count: int = 512) -> float:
        """Share of held-out pictures that the averaged weights read exactly (case as coded)."""
        shards = list_shards(self.run.held)
        if not shards:
            return float("nan")
        kept = [v.numpy() for v in self.model.trainable_variables]
        for variable, average in zip(self.model.trainable_variables, self.average, strict=True):
            variable.assign(average)
        images, labels = np.load(shards[0], mmap_mode="r")[:count], read_labels(shards[0])[:count]
        right = 0
        for start in range(0, len(images), 64):
            logits = self._predict(tf.constant(images[start : start + 64].astype(np.float32)))
            for row, truth in zip(logits.numpy(), labels[start : start + 64], strict=True):
                right += greedy(row, self.run.alphabet.blank) == [int(c) for c in truth if c >= 0]
        for variable, value in zip(self.model.trainable_variables, kept, strict=True):
            variable.assign(value)
        return right / len(images)


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill a model from a checkpoint, by layer name, where the shapes agree.

    Averaged weights are taken where there are any. Layers that the file does not know stay as they
    were drawn.
    """
    saved = np.load(path)
    for variable in model.variables:
        names = (f"average/{variable.path}", f"model/{variable.path}")
        name = next((name for name in names if name in saved), None)
        if name is not None and saved[name].shape == tuple(variable.shape):
            variable.assign(saved[name])


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


def train(run: Run, *, init: Path | None = None) -> Trainer:
    """Train until the plan's last step; checkpoints as it goes.

    Args:
        run: what and where.
        init: checkpoint of another model to start from, when this run has none yet.

    Returns:
        The trainer as it stands at the end.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    run.folder.mkdir(parents=True, exist_ok=True)
    trainer, checkpoint = Trainer(run), run.folder / "checkpoint.npz"
    if checkpoint.exists():
        trainer.restore(checkpoint)
    elif init is not None:
        trainer.start_from(init)
    rng = np.random.default_rng((run.seed, trainer.step))
    source, plan = batches(run.shards, run.batch, rng), read_plan(run.folder)
    losses: list[float] = []
    saved = begun = time.monotonic()
    while trainer.step < plan.steps:
        images, labels = next(source)
        losses.append(trainer.learn((augment(images, rng), labels), plan.rate_at(trainer.step)))
        if trainer.step % 200 == 0:
            plan = read_plan(run.folder)
            now = time.monotonic()
            speed = len(losses) * run.batch / (now - begun)
            trainer.seconds += now - begun
            _log(run, trainer, f"loss {np.mean(losses):.3f} {speed:.0f} pictures/s")
            losses, begun = [], now
            if now - saved > plan.first_save or trainer.step >= plan.steps:
                _log(run, trainer, f"held out {trainer.validate():.4f}")
                trainer.save(checkpoint)
                saved = begun = time.monotonic()
    trainer.save(checkpoint)
    return trainer


def _log(run: Run, trainer: Trainer, text: str) -> None:
    line = f"{trainer.seconds:.0f} s step {trainer.step} ({trainer.step * run.batch} seen) {text}"
    with (run.folder / "log.txt").open("a") as log:
        log.write(line + "\n")
    print(line, flush=True)
