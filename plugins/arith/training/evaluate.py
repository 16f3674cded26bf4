"""Measure the plugin on folders of labelled pictures, by value and without options.

Each folder has ``labels.csv`` with the columns ``file``, ``answer`` and ``expression``; folders
without expressions are passed over::

    python plugins/arith/training/evaluate.py DATA

A refusal counts as wrong. The last columns are what registry.toml's threshold lets through.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loupette.plugin import Answer, Challenge, Unsolvable
from loupette.toolkit.calibration import (
    NO_ANSWER,
    Point,
    coverage,
    draw_reliability,
    read_threshold,
    reliability,
)
from loupette.toolkit.images import open_picture
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

    @property
    def confidence(self) -> float:
        """The answer's."""
        return NO_ANSWER if self.answer is None else self.answer.confidence


def solve_folder(solver: SumSolver, folder: Path) -> Iterator[Outcome]:
    """Solve all pictures of a folder, in the order of its labels."""
    with (folder / "labels.csv").open(encoding="utf-8") as labels:
        for row in csv.DictReader(labels):
            challenge = Challenge(open_picture(folder / row["file"]))
            start = time.perf_counter()
            try:
                answer = solver.solve(challenge)
            except Unsolvable:
                answer = None
            seconds = time.perf_counter() - start
            yield Outcome(row["file"], row["answer"], row["expression"], answer, seconds)


def curve(outcomes: list[Outcome], *thresholds: float) -> list[Point]:
    """How much is answered at some thresholds, and how much of it is right."""
    right = [o.right for o in outcomes]
    return coverage([o.confidence for o in outcomes], right, thresholds)


def report(name: str, outcomes: list[Outcome], threshold: float) -> tuple[float, float, float]:
    """Print one line; returns the shares that are right, answered, and right of the answered."""
    share = Share(sum(o.right for o in outcomes), len(outcomes))
    refused = np.mean([o.answer is None for o in outcomes])
    (point,) = curve(outcomes, threshold)
    said = f"answered {point.answered:.3f}, right of those {point.share.value:.3f}"
    print(f"{name:24} {share}  refused {refused:.3f}  at {threshold:g}: {said}")
    return share.value, point.answered, point.share.value


def report_all(outcomes: list[Outcome]) -> None:
    """Print how often answers at and above some confidences are right, and how fast they came."""
    for point in curve(outcomes, 0.0, 0.5, 0.8, 0.9, 0.95, 0.99):
        said = f"answered {point.answered:.3f}, right of those {point.share.value:.3f}"
        print(f"confidence >= {point.threshold:.2f}: {said}")
    print(f"median {1000 * np.median([o.seconds for o in outcomes]):.1f} ms a picture, decoded")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of folders with labels.csv")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--registry", type=Path, default=Path("registry.toml"))
    parser.add_argument("--plot", type=Path, help="draw accuracy over confidence, as PNG")
    parser.add_argument("--errors", action="store_true", help="list what was read wrong")
    args = parser.parse_args()
    solver, threshold = SumSolver(args.weights), read_threshold(args.registry, 50100)
    shares: list[tuple[float, float, float]] = []
    outcomes: list[Outcome] = []
    for labels in sorted(args.data.glob("*/labels.csv")):
        if "expression" not in labels.open(encoding="utf-8").readline():
            continue
        part = list(solve_folder(solver, labels.parent))
        shares.append(report(labels.parent.name, part, threshold))
        outcomes += part
        for o in (o for o in part if args.errors and not o.right):
            print("  ", o.file, o.expression, "read as", o.answer and o.answer.detail["expression"])
    right, answered, precision = np.nanmean(shares, axis=0)
    said = f"answered {answered:.3f}, right of those {precision:.3f}"
    print(f"mean of {len(shares)} sources {right:.3f}  at {threshold:g}: {said}")
    report_all(outcomes)
    if args.plot:
        bins = reliability([o.confidence for o in outcomes], [o.right for o in outcomes])
        draw_reliability(bins, args.plot)


if __name__ == "__main__":
    main()
