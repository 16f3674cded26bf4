"""Whether reading in batches gains: CPU time per picture of the model of 50200, one thread.

``python bench/batches.py``. The server makes a batch of whatever waits, so what counts is the line
where sizes change from one to the next. The model is a part of an answer, which is shown too.
"""

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import loupette_alnum
from loupette.frames import Task
from loupette.manager import Plugin
from loupette.plugin import Pixels
from loupette.solving import Solvers
from loupette.toolkit.recognizer import CtcRecognizer
from loupette_alnum.solver import WEIGHTS

SAMPLES = Path(__file__).parents[1] / "plugins" / "alnum" / "tests" / "samples"
SIZES = (1, 2, 4, 8, 16)
PICTURES = 64
ROUNDS = 9
PLUGIN = Plugin("alnum", "", "loupette_alnum", tuple(loupette_alnum.loupette_solvers()))
SOLVERS = Solvers([PLUGIN])


def main() -> None:
    """Print the median of the rounds, in which all take turns, so that none has its own weather."""
    paths = sorted(SAMPLES.glob("*.png"))
    loaded = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    pictures = [loaded[number % len(loaded)] for number in range(PICTURES)]
    ways = {f"batches of {size}": [size] * (PICTURES // size) for size in SIZES}
    ways["batches of 1 to 16"] = changing_sizes()
    readers = {name: CtcRecognizer(WEIGHTS) for name in ways}
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, sizes in ways.items():
            times_ms[name].append(measure_ms(readers[name], pictures, sizes))
    alone = statistics.median(times_ms["batches of 1"])
    for name, times in times_ms.items():
        median = statistics.median(times)
        print(f"{name:18}: {median:.2f} ms of CPU a picture, {alone / median:.2f} x as fast")
    whole = statistics.median(measure_whole_ms(paths) for _ in range(ROUNDS))
    print(f"the whole answer  : {whole:.2f} ms of CPU a picture, alone, from bytes to reply")


def changing_sizes() -> list[int]:
    """Sizes in no order that add up to all pictures."""
    draw = random.Random(5)  # noqa: S311  # no secret
    sizes: list[int] = []
    while (left := PICTURES - sum(sizes)) > 0:
        sizes.append(min(left, draw.randint(1, max(SIZES))))
    return sizes


def measure_whole_ms(paths: Sequence[Path]) -> float:
    """CPU time per picture for all that a worker does."""
    tasks = [Task(spec.type_id, path.read_bytes()) for spec in PLUGIN.specs for path in paths]
    SOLVERS.answer(tasks[0])  # loads
    started_s = time.thread_time()
    for task in tasks:
        SOLVERS.answer(task)
    return (time.thread_time() - started_s) / len(tasks) * 1000


def measure_ms(reader: CtcRecognizer, pictures: Sequence[Pixels], sizes: Sequence[int]) -> float:
    """CPU time per picture, read in batches of these sizes."""
    reader.read(pictures[: sizes[0]])  # the first of its size takes longer
    started_s, first = time.thread_time(), 0
    for size in sizes:
        reader.read(pictures[first : first + size])
        first += size
    return (time.thread_time() - started_s) / first * 1000


if __name__ == "__main__":
    main()
