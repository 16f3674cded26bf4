"""Measure the solver on labelled pictures that nobody here drew: one folder a source.

    python plugins/alnum/training/evaluate.py --data DATA/text [--charset] [--write-card]

DATA holds folders with ``labels.csv`` (``file,answer``); sources that have an ``expression`` column
are arithmetic and left out. Nothing measured here is ever trained on. Answers are compared without
case. A refusal counts as wrong. The last columns are what registry.toml's threshold lets through.
"""

import argparse
import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from loupette.plugin import Challenge, OptionValue, Unsolvable
from loupette.toolkit.calibration import (
    NO_ANSWER,
    coverage,
    draw_reliability,
    read_threshold,
    reliability,
)
from loupette.toolkit.images import open_picture
from loupette.toolkit.metrics import Labelled, Share, edit_distance, precision_at, read_labels
from loupette.toolkit.text import TextSolver
from loupette.toolkit.weights import add_to_card
from loupette_alnum.solver import WEIGHTS, load


def text_sources(data: Path) -> list[Path]:
    """The folders of plain text."""
    tables = sorted(data.glob("*/labels.csv"))
    return [t.parent for t in tables if "expression" not in t.open().readline()]


def answer(
    solver: TextSolver, item: Labelled, options: dict[str, OptionValue]
) -> tuple[str, float]:
    """What the solver says, and how sure it is; empty for a refusal."""
    try:
        given = solver.solve(Challenge(open_picture(item.path), options=options))
    except Unsolvable:
        return "", NO_ANSWER
    return given.result.lower(), given.confidence


@dataclass(frozen=True)
class Measured:
    """What became of one source.

    Attributes:
        name: of the source.
        sure: confidences.
        right: whether each answer is.
        near: how many are one edit off.
    """

    name: str
    sure: list[float]
    right: list[bool]
    near: int

    @property
    def share(self) -> Share:
        """Right of all."""
        return Share(sum(self.right), len(self.right))


def measure(solver: TextSolver, source: Path, *, limit: int, charset: bool) -> Measured:
    """Read one source, told its characters or not."""
    items = read_labels(source)[:limit]
    letters = "".join(sorted({char for item in items for char in item.answer}))
    options: dict[str, OptionValue] = {"charset": letters} if charset else {}
    answers = [answer(solver, item, options) for item in items]
    pairs = [(said, item.answer.lower()) for (said, _), item in zip(answers, items, strict=True)]
    near = sum(edit_distance(said, truth) == 1 for said, truth in pairs)
    right = [said == truth for said, truth in pairs]
    return Measured(source.name, [confidence for _, confidence in answers], right, near)


def tabulate(sources: list[Measured], threshold: float) -> Table:
    """A row for each source, and the means over them."""
    table = Table(
        "source", "exact", "95 %", "n", "one off", f"sure ≥ {threshold:g}", "right of those"
    )
    points = [coverage(s.sure, s.right, [threshold])[0] for s in sources]
    for s, point in zip(sources, points, strict=True):
        low, high = s.share.interval
        row = (f"{s.share.value:.3f}", f"{low:.2f}-{high:.2f}", str(s.share.count))
        rest = (f"{point.answered:.3f}", f"{point.share.value:.3f}")
        table.add_row(s.name, *row, f"{s.near / s.share.count:.2f}", *rest)
    table.add_section()
    answered = np.mean([point.answered for point in points])
    precision = np.mean([point.share.value for point in points if point.share.count])
    count = sum(s.share.count for s in sources)
    means = (f"{answered:.3f}", f"{precision:.3f}")
    table.add_row("mean of sources", f"{mean_of(sources):.3f}", "", str(count), "", *means)
    return table


def mean_of(sources: list[Measured]) -> float:
    """Each source counts the same."""
    return float(np.mean([source.share.value for source in sources]))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--registry", type=Path, default=Path("registry.toml"))
    parser.add_argument("--limit", type=int, default=10_000, help="pictures a source at most")
    parser.add_argument("--charset", action="store_true", help="tell the characters of the source")
    parser.add_argument("--write-card", action="store_true", help="add the scores to card.json")
    parser.add_argument("--plot", type=Path, help="draw accuracy over confidence, as PNG")
    args = parser.parse_args()
    solver = load(args.weights)
    sources = [
        measure(solver, source, limit=args.limit, charset=args.charset)
        for source in text_sources(args.data)
    ]
    console = Console(width=110)
    console.print(tabulate(sources, read_threshold(args.registry, 50200)))
    sure = [confidence for source in sources for confidence in source.sure]
    right = [correct for source in sources for correct in source.right]
    for part in (0.2, 0.3, 0.5):
        console.print(f"surest {part:.0%}: {precision_at(sure, right, answered=part)}")
    if args.plot:
        draw_reliability(reliability(sure, right), args.plot)
    if args.write_card:
        add_to_card(args.weights, scores=_card_scores(sources, charset=args.charset))


def _card_scores(sources: list[Measured], *, charset: bool) -> dict[str, object]:
    """The table as the card keeps it."""
    return {
        "what": "third-party pictures, never trained on; exact match without case",
        "command": "python plugins/alnum/training/evaluate.py --data DATA/text"
        + (" --charset" if charset else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "mean": round(mean_of(sources), 4),
        "sources": {
            source.name: {
                "value": round(source.share.value, 4),
                "interval": [round(bound, 4) for bound in source.share.interval],
                "n": source.share.count,
            }
            for source in sources
        },
    }


if __name__ == "__main__":
    main()
