"""Measure the installed solver on labelled slider images.

    python plugins/slider/training/evaluate.py DATA

DATA holds one folder for each source, each with a ``labels.csv``:
``file,x,y,w,h[,piece_file][,piece_x][,decoys]``. A row is measured as one image; a row with a piece
file once more with it as the second image. A refusal counts as a miss. Rows with decoys and no
piece given or drawn cannot be decided and are also shown apart.
"""

import argparse
import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from loupette.plugin import Challenge, Picture, Solver, Unsolvable
from loupette.toolkit.metrics import wilson
from loupette_slider.solver import load


@dataclass(frozen=True)
class Outcome:
    """One solved or refused row. `miss` is in pixels, `spent_s` in seconds of CPU time."""

    file: str
    mode: str
    miss: float | None
    confidence: float
    reason: str
    spent_s: float


def read_picture(path: Path) -> Picture:
    """Decode one file to RGBA."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw.ndim == 2:
        rgba = cv2.cvtColor(raw, cv2.COLOR_GRAY2RGBA)
    else:
        rgba = cv2.cvtColor(raw, cv2.COLOR_BGRA2RGBA if raw.shape[2] == 4 else cv2.COLOR_BGR2RGBA)
    return Picture(np.ascontiguousarray(rgba)[None], path.suffix.lstrip(".").replace("jpg", "jpeg"))


def solve_row(solver: Solver, folder: Path, row: dict[str, str], *, with_piece: bool) -> Outcome:
    """Solve one labelled row."""
    image = read_picture(folder / row["file"])
    second = read_picture(folder / row["piece_file"]) if with_piece else None
    mode = "image2" if with_piece else "single"
    if not with_piece and int(row.get("decoys") or 0) and not row.get("piece_x"):
        mode = "single, undecidable"
    miss, confidence, reason = None, 0.0, ""
    started = time.process_time()
    try:
        answer = solver.solve(Challenge(image, second))
        miss, confidence = int(answer.result) - float(row["x"]), answer.confidence
    except Unsolvable as refusal:
        reason = refusal.reason
    return Outcome(row["file"], mode, miss, confidence, reason, time.process_time() - started)


def solve_source(solver: Solver, folder: Path) -> list[Outcome]:
    """Solve every row of one source, with and without its piece file."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    outcomes = [solve_row(solver, folder, row, with_piece=False) for row in rows]
    pieced = [row for row in rows if row.get("piece_file")]
    return outcomes + [solve_row(solver, folder, row, with_piece=True) for row in pieced]


def share(outcomes: list[Outcome], pixels: float) -> str:
    """Say how many lie within so many pixels, with the interval."""
    hits = sum(o.miss is not None and abs(o.miss) <= pixels for o in outcomes)
    low, high = wilson(hits, len(outcomes))
    return f"{hits / len(outcomes):.3f} ({low:.2f}-{high:.2f})"


def print_line(source: str, mode: str, outcomes: list[Outcome]) -> None:
    """Print one line of the table."""
    answered = sum(o.miss is not None for o in outcomes) / len(outcomes)
    median = 1000 * float(np.median([o.spent_s for o in outcomes]))
    cells = [source, mode, str(len(outcomes)), share(outcomes, 3), share(outcomes, 5)]
    print("| " + " | ".join([*cells, f"{answered:.3f}", f"{median:.1f}"]) + " |")


def print_thresholds(outcomes: Iterable[Outcome]) -> None:
    """Print coverage and precision (within 5 px) at several confidence thresholds."""
    rows = list(outcomes)
    print("\n| min_confidence | answered | right of those answered |\n|---|---|---|")
    for threshold in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        kept = [o for o in rows if o.miss is not None and o.confidence >= threshold]
        right = sum(abs(o.miss or 0.0) <= 5 for o in kept)
        print(f"| {threshold} | {len(kept) / len(rows):.3f} | {right / max(len(kept), 1):.3f} |")


def main() -> None:
    """Print the table, and each miss with ``--misses``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--misses", action="store_true", help="list what was missed by over 3 px")
    args = parser.parse_args()
    solver = load()
    print("| source | mode | n | within 3 px | within 5 px | answered | median CPU ms |")
    print("|---|---|---|---|---|---|---|")
    everything = []
    for labels in sorted(args.data.glob("*/labels.csv")):
        outcomes = solve_source(solver, labels.parent)
        for mode in sorted({o.mode for o in outcomes}, reverse=True):
            print_line(labels.parent.name, mode, [o for o in outcomes if o.mode == mode])
        alone = [o for o in outcomes if o.mode != "image2"]
        print_line(labels.parent.name, "every row, single", alone)
        everything += outcomes
    for mode in ("single", "image2"):
        print(f"\n{mode}:", end="")
        print_thresholds(o for o in everything if o.mode == mode)
    for o in everything if args.misses else ():
        if o.miss is None or abs(o.miss) > 3:
            print(o.file, o.mode, o.reason or f"{o.miss:+.0f} px", f"{o.confidence:.2f}")


if __name__ == "__main__":
    main()
