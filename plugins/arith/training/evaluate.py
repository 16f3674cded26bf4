"""Measure the plugin on folders of labelled pictures, by value and without options.

Each folder has ``labels.csv`` with the columns ``file``, ``answer`` and ``expression``; folders
without expressions are passed over::

    python plugins/arith/training/evaluate.py DATA
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from loupette.plugin import Answer, Challenge, Picture, Unsolvable
from loupette.toolkit.metrics import Share
from loupette_arith.solver import WEIGHTS, SumSolver


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Attributes:
        file: its name.
        truth: the answer in the labels.
        expression: the expression in the labels.
        answer: the solver's; None where it refused.
        seconds: wall time of the call.
    """

    file: str
    truth: str
    expression: str
    answer: Answer | None
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the value is the labelled one."""
        return self.answer is not None and self.answer.result == self.truth


def load_picture(path: Path) -> Picture:
    """Decode an image file, all its frames."""
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
        return Picture(np.stack(frames), (image.format or "").lower())


def solve_folder(solver: SumSolver, folder: Path) -> Iterator[Outcome]:
    """Solve all pictures of a folder, in the order of its labels."""
    with (folder / "labels.csv").open(encoding="utf-8") as labels:
        for row in csv.DictReader(labels):
            challenge = Challenge(load_picture(folder / row["file"]))
            start = time.perf_counter()
            try:
                answer = solver.solve(challenge)
            except Unsolvable:
                answer = None
            seconds = time.perf_counter() - start
            yield Outcome(row["file"], row["answer"], row["expression"], answer, seconds)


def report(name: str, outcomes: list[Outcome]) -> float:
    """Print one line; returns the share that is right."""
    share = Share(sum(o.right for o in outcomes), len(outcomes))
    refused = np.mean([o.answer is None for o in outcomes])
    print(f"{name:24} {share}  refused {refused:.3f}")
    return share.value


def report_confidence(outcomes: list[Outcome]) -> None:
    """Print how often answers at and above some confidences are right."""
    for limit in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99):
        kept = [o for o in outcomes if o.answer is not None and o.answer.confidence >= limit]
        share = np.mean([o.right for o in kept]) if kept else float("nan")
        covered = len(kept) / len(outcomes)
        print(f"confidence >= {limit:.2f}: answered {covered:.3f}, right of those {share:.3f}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of folders with labels.csv")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--errors", action="store_true", help="list what was read wrong")
    args = parser.parse_args()
    solver = SumSolver(args.weights)
    shares, outcomes = [], []
    for labels in sorted(args.data.glob("*/labels.csv")):
        if "expression" not in labels.open(encoding="utf-8").readline():
            continue
        part = list(solve_folder(solver, labels.parent))
        shares.append(report(labels.parent.name, part))
        outcomes += part
        for o in (o for o in part if args.errors and not o.right):
            print("  ", o.file, o.expression, "read as", o.answer and o.answer.detail["expression"])
    print(f"mean of {len(shares)} sources {np.mean(shares):.3f}")
    report_confidence(outcomes)
    print(f"median {1000 * np.median([o.seconds for o in outcomes]):.1f} ms a picture, decoded")


if __name__ == "__main__":
    main()
