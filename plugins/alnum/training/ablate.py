"""Compare architectures: each trained from nothing on the same pictures in the same order.

    python plugins/alnum/training/ablate.py draw data/ablation
    python plugins/alnum/training/ablate.py train data/ablation --data DATA/text
    python plugins/alnum/training/ablate.py table data/ablation

``draw`` keeps pictures larger than any model's input, with their aspect, so that each variant gets
its own size of the same pictures. ``train`` goes on where it was stopped, variant by variant, and
``--only NAME`` trains one. Times are CPU times. What the third-party sources say is reported, and
decides nothing.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
from evaluate import text_sources
from generate import draw_picture
from rich.progress import track
from tqdm import tqdm

from loupette.toolkit.export import convert, exact_match
from loupette.toolkit.images import combine_frames, open_picture, stretch
from loupette.toolkit.metrics import read_labels
from loupette.toolkit.network import BLOCKS, HEAD
from loupette.toolkit.synth import Studio
from loupette.toolkit.synth.shards import LONGEST, label_of
from loupette.toolkit.training import (
    Plan,
    Run,
    Trainer,
    augment,
    make_optimizer,
    use_one_thread,
)
from loupette_alnum.model import ALPHABET

Pixels = npt.NDArray[np.uint8]

STORED = (64, 224)
"""Height and width at which pictures are kept."""

LOOKS = 8
"""How often the held-out pictures are read on the way."""


@dataclass(frozen=True)
class Variant:
    """One way to build the model.

    Attributes:
        height: input height.
        width: input width.
        keep_aspect: the picture is scaled by its height alone, and the rest left white.
        optimizer: what it is trained with.
        options: of `build`.
    """

    height: int = 48
    width: int = 160
    keep_aspect: bool = False
    optimizer: Callable[[], keras.optimizers.Optimizer] = make_optimizer
    options: Mapping[str, Any] = field(default_factory=dict)


def make_adamw() -> keras.optimizers.Optimizer:
    """What the models were trained with until 2026-11-28."""
    return keras.optimizers.AdamW(1e-3, weight_decay=1e-4, clipnorm=5.0)


VARIANTS: Mapping[str, Variant] = {
    "as shipped": Variant(),
    "no normalisation before the trunk's ends": Variant(options={"ends": False}),
    "AdamW in place of Muon": Variant(optimizer=make_adamw),
    "batch normalisation in the trunk": Variant(options={"norm": "batch"}),
    "layer normalisation in the trunk": Variant(options={"norm": "layer"}),
    "two thirds of the channels": Variant(options={"share": 2 / 3}),
    "half as many channels again": Variant(options={"share": 1.5}),
    "two bidirectional GRUs for the head": Variant(options={"head": "gru"}),
    "two attention blocks for the head": Variant(options={"head": "attention"}),
    "64 high": Variant(height=64, width=160),
    "64 x 224": Variant(height=64, width=224),
    "grey": Variant(options={"grey": True}),
    "aspect kept, 48 x 226": Variant(height=48, width=226, keep_aspect=True),
}


def build(
    symbols: int,
    height: int,
    width: int,
    *,
    norm: str = "none",
    ends: bool = True,
    share: float = 1.0,
    head: str = "mix",
    grey: bool = False,
) -> keras.Model:
    """The shipped architecture, `loupette.toolkit.network.build_model`, with one thing changed.

    Args:
        symbols: size of the alphabet, without the blank.
        height: input height.
        width: input width.
        norm: ``"none"``, ``"batch"`` or ``"layer"`` after each convolution of the trunk.
        ends: batch normalisation before the trunk's last two convolutions and before the mean's.
        share: of the shipped number of channels.
        head: ``"mix"`` (convolutions along the line), ``"gru"`` or ``"attention"``.
        grey: the model sees the mean of the three channels.
    """
    layers = keras.layers
    wide = int(HEAD * share)

    def conv(
        x: Any,
        filters: int,
        *,
        size: tuple[int, int] = (3, 3),
        padding: str = "same",
        gain: float = 1.0,
        norm: str = norm,
    ) -> Any:
        spread = keras.initializers.VarianceScaling(2.0 * gain**2, "fan_in", "truncated_normal")
        x = layers.Conv2D(filters, size, padding=padding, kernel_initializer=spread)(x)
        if norm == "batch":
            x = layers.BatchNormalization(momentum=0.95)(x)
        elif norm == "layer":
            x = layers.LayerNormalization()(x)
        return layers.ReLU()(x)

    picture = keras.Input((height, width, 3))
    x = layers.Rescaling(-1 / 128, offset=1.0)(picture)
    if grey:
        x = keras.ops.mean(x, axis=-1, keepdims=True)
    c1, c2, c3, c4 = (int(c * share) for c in (24, 48, 96, 128))
    x = layers.MaxPooling2D(2)(conv(x, c1))
    x = layers.MaxPooling2D(2)(conv(conv(x, c2), c2))
    x = layers.MaxPooling2D((2, 1))(conv(conv(x, c3), c3))
    x = conv(x, c4)
    y = layers.BatchNormalization()(x) if ends else x
    x = layers.MaxPooling2D((2, 1))(layers.Add()([x, conv(y, c4, gain=0.05)]))
    x = layers.ZeroPadding2D((0, 1))(x)
    x = layers.BatchNormalization()(x) if ends else x
    x = conv(x, wide, size=(height // 16, 3), padding="valid")
    if head == "mix":
        x = _mix(x, conv, wide, ends=ends)
    x = layers.Reshape((width // 4, wide))(x)
    for _ in range(2 if head == "gru" else 0):
        x = layers.Bidirectional(layers.GRU(wide // 2, return_sequences=True))(x)
    if head == "attention":
        x = _attend(x, wide)
    return keras.Model(picture, layers.Dense(symbols + 1, dtype="float32")(x))


def _mix(x: Any, conv: Callable[..., Any], wide: int, *, ends: bool) -> Any:
    layers = keras.layers
    for number in range(1, BLOCKS + 1):
        y = layers.BatchNormalization()(x)
        x = layers.Add()(
            [x, conv(y, wide, size=(1, 5), norm="none", gain=1.0 if number < 3 else 0.05)]
        )
        if number == BLOCKS // 2:
            mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
            mean = layers.BatchNormalization()(mean) if ends else mean
            x = layers.Add()([x, conv(mean, wide, size=(1, 1), norm="none", gain=0.05)])
    return layers.BatchNormalization()(x)


def _attend(x: Any, wide: int) -> Any:
    layers = keras.layers
    places = keras.ops.arange(x.shape[1])[None]
    x = x + layers.Embedding(x.shape[1], wide)(places)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(4, wide // 4)(y, y)
        y = layers.Dense(2 * wide, activation="relu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(wide)(y)
    return layers.LayerNormalization()(x)


@dataclass(frozen=True)
class Pictures:
    """Pictures as they are kept.

    Attributes:
        images: uint8, (count, 64, 224, 3), squeezed; mapped, not loaded.
        aspects: float32, (count,), width over height before that.
        labels: int8, (count, LONGEST), filled up with -1.
    """

    images: Pixels
    aspects: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]

    def view(self, rows: npt.NDArray[np.intp], variant: Variant) -> Pixels:
        """Some pictures at a variant's size: uint8, (rows, height, width, 3)."""
        views = np.full((len(rows), variant.height, variant.width, 3), 255, np.uint8)
        for view, row in zip(views, rows, strict=True):
            width = variant.width
            if variant.keep_aspect:
                width = int(np.clip(self.aspects[row] * variant.height, 16, width))
            size = (width, variant.height)
            view[:, :width] = cv2.resize(self.images[row], size, interpolation=cv2.INTER_AREA)
        return views


def draw(folder: Path, name: str, studio: Studio, count: int) -> None:
    """Draw a set of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(
        folder / f"{name}.images.npy", "w+", np.uint8, (count, *STORED, 3)
    )
    aspects, labels = np.zeros(count, np.float32), np.zeros((count, LONGEST), np.int8)
    for row in track(range(count), name):
        picture, text = draw_picture(studio)
        images[row], aspects[row] = shrink(picture)
        labels[row] = label_of(text, ALPHABET)
    images.flush()
    np.savez(folder / f"{name}.labels.npz", aspects=aspects, labels=labels)


def shrink(picture: Pixels) -> tuple[Pixels, float]:
    """A picture as it is kept, and its aspect."""
    size = STORED[::-1]
    kept = cv2.resize(stretch(picture), size, interpolation=cv2.INTER_AREA)
    return np.asarray(kept, np.uint8), picture.shape[1] / picture.shape[0]


def load(folder: Path, name: str) -> Pictures:
    """Open a set that `draw` wrote."""
    saved = np.load(folder / f"{name}.labels.npz")
    images = np.load(folder / f"{name}.images.npy", mmap_mode="r")
    return Pictures(images, saved["aspects"], saved["labels"])


def load_sources(data: Path) -> Mapping[str, Pictures]:
    """The third-party sources of plain text, animations as one picture."""
    sources = {}
    for source in text_sources(data):
        items = read_labels(source)
        kept = [shrink(combine_frames(open_picture(item.path).rgb_frames)) for item in items]
        labels = np.stack([label_of(item.answer, ALPHABET) for item in items])
        images, aspects = (np.array(part) for part in zip(*kept, strict=True))
        sources[source.name] = Pictures(images, aspects.astype(np.float32), labels)
    return sources


def share_right(trainer: Trainer, pictures: Pictures, variant: Variant, count: int) -> float:
    """Share of the first pictures that the averaged weights read exactly."""
    rows = np.arange(min(count, len(pictures.labels)))
    logits = trainer.read(pictures.view(rows, variant))
    return exact_match(logits, pictures.labels[rows], ALPHABET.blank).value


def batches(
    pictures: Pictures, variant: Variant, size: int, seed: int
) -> Iterator[tuple[Pixels, npt.NDArray[np.int8]]]:
    """Batches without end, the same rows in the same order for every variant."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(pictures.labels))
        for start in range(0, len(order) - size + 1, size):
            rows = np.sort(order[start : start + size])
            yield augment(pictures.view(rows, variant), rng), pictures.labels[rows]


def train_variant(name: str, folder: Path, data: Path | None, *, steps: int) -> dict[str, Any]:
    """Train one variant from nothing; returns what the table shows of it."""
    variant = VARIANTS[name]
    run = Run(folder, folder, folder, ALPHABET, variant.height, variant.width)

    def make(symbols: int, height: int, width: int) -> keras.Model:
        return build(symbols, height, width, **variant.options)

    trainer = Trainer(run, build=make, optimizer=variant.optimizer)
    plan = Plan(steps=steps, decay=0.4)
    held, curve, seconds = load(folder, "held"), [], 0.0
    source = batches(load(folder, "train"), variant, run.batch, run.seed)
    for step in tqdm(range(1, steps + 1), desc=name, disable=None):
        batch = next(source)
        begun = time.process_time()
        trainer.learn(batch, plan.rate_at(trainer.step))
        seconds += time.process_time() - begun
        if step % (steps // LOOKS) == 0:
            curve.append((round(seconds, 1), share_right(trainer, held, variant, 1000)))
    sources = load_sources(data) if data else {}
    scores = {key: share_right(trainer, value, variant, 10_000) for key, value in sources.items()}
    return {
        "name": name,
        "pictures": steps * run.batch,
        "parameters": int(trainer.model.count_params()),
        "curve": curve,
        "held": share_right(trainer, held, variant, 10_000),
        "sources": float(np.mean(list(scores.values()))) if scores else None,
        "milliseconds": time_model(variant),
    }


def time_model(variant: Variant) -> float | None:
    """Median milliseconds of a picture on LiteRT, int8 weights, one thread; None if it cannot."""
    from ai_edge_litert.interpreter import Interpreter

    keras.config.set_dtype_policy("float32")  # training computes in bfloat16, which LiteRT cannot
    model = build(ALPHABET.blank, variant.height, variant.width, **variant.options)
    try:
        content = convert(model, "int8")
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except Exception as error:  # the converter fails in many ways; that is a result too
        print(f"no LiteRT form: {str(error)[:200]}")
        return None
    place = interpreter.get_input_details()[0]["index"]
    picture = np.full((1, variant.height, variant.width, 3), 200, np.float32)
    times = []
    for _ in range(200):
        begun = time.process_time()
        interpreter.set_tensor(place, picture)
        interpreter.invoke()
        times.append(time.process_time() - begun)
    return 1000 * float(np.median(times))


def tabulate(folder: Path) -> str:
    """The table of the README, in Markdown."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    found.sort(key=lambda one: list(VARIANTS).index(one["name"]))
    if not found:
        return "nothing is trained yet"
    limit = min(one["curve"][-1][0] for one in found)
    lines = [
        f"| variant | parameters | ms a picture | pictures/s | held out, {found[0]['pictures']:,} "
        f"pictures | held out, {limit / 60:.0f} minutes | sources |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        seconds, shares = zip(*one["curve"], strict=True)
        timely = np.interp(limit, (0.0, *seconds), (0.0, *shares))
        cells = [
            one["name"],
            f"{one['parameters'] / 1e6:.2f} M",
            "-" if one["milliseconds"] is None else f"{one['milliseconds']:.2f}",
            f"{one['pictures'] / seconds[-1]:.0f}",
            f"{one['held']:.3f}",
            f"{timely:.3f}",
            "-" if one["sources"] is None else f"{one['sources']:.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Draw, train or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["draw", "train", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--assets", type=Path, default=Path("data/assets"))
    parser.add_argument("--count", type=int, default=30_000, help="pictures to train on")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--data", type=Path, help="third-party sources to report as well")
    parser.add_argument("--only", choices=list(VARIANTS))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.what == "draw":
        draw(args.folder, "held", Studio(args.assets, 771, held=True, working=300), 2000)
        draw(args.folder, "train", Studio(args.assets, 772, working=500), args.count)
        return
    use_one_thread()
    names = [args.only] if args.only else list(VARIANTS)
    for name in names if args.what == "train" else []:
        path = args.folder / (re.sub(r"[^\w]+", "-", name) + ".json")
        if not path.exists():
            path.write_text(
                json.dumps(train_variant(name, args.folder, args.data, steps=args.steps))
            )
    print(tabulate(args.folder))


if __name__ == "__main__":
    main()
