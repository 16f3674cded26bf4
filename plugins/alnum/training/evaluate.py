"""Measure the solver on labelled pictures that nobody here drew: one folder a source.

    python plugins/alnum/training/evaluate.py --data DATA/text [--charset] [--write-card]

DATA holds folders with ``labels.csv`` (``file,answer``); sources that have an ``expression`` column
are arithmetic and left out. Nothing measured here is ever trained on. Answers are compared without
case. A refusal counts as wrong.
"""

import argparse
import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from loupette.plugin import Challenge, OptionValue, Unsolvable
from loupette.toolkit.export import add_scores
from loupette.toolkit.images import open_picture
from loupette.toolkit.metrics import Labelled, Share, edit_distance, precision_at, read_labels
from loupette_alnum.solver import WEIGHTS, AlnumSolver


def text_sources(data: Path) -> list[Path]:
    """The folders of plain text."""
    tables = sorted(data.glob("*/labels.csv"))
    return [t.parent for t in tables if "expression" not in t.open().readline()]


def answer(
    solver: AlnumSolver, item: Labelled, options: dict[str, OptionValue]
) -> tuple[str, float]:
    """What the solver says, and how sure it is; empty for a refusal."""
    try:
        given = solver.solve(Challenge(open_picture(item.path), options=options))
    except Unsolvable:
        return "", 0.0
    return given.result.lower(), given.confidence


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--limit", type=int, default=10_000, help="pictures a source at most")
    parser.add_argument("--charset", action="store_true", help="tell the characters of the source")
    parser.add_argument("--write-card", action="store_true", help="add the scores to card.json")
    args = parser.parse_args()
    solver = AlnumSolver(args.weights)
    table = Table("source", "exact", "95 %", "n", "one off")
    shares: dict[str, Share] = {}
    sure: list[float] = []
    correct: list[bool] = []
    for source in text_sources(args.data):
        items = read_labels(source)[: args.limit]
        letters = "".join(sorted({char for item in items for char in item.answer}))
        options: dict[str, OptionValue] = {"charset": letters} if args.charset else {}
        answers = [answer(solver, item, options) for item in items]
        truths = [item.answer.lower() for item in items]
        right = [a == t for (a, _), t in zip(answers, truths, strict=True)]
        near = sum(edit_distance(a, t) == 1 for (a, _), t in zip(answers, truths, strict=True))
        share = shares[source.name] = Share(sum(right), len(right))
        low, high = share.interval
        sure += [confidence for _, confidence in answers]
        correct += right
        row = (f"{share.value:.3f}", f"{low:.2f}-{high:.2f}", str(share.count))
        table.add_row(source.name, *row, f"{near / len(right):.2f}")
    mean = float(np.mean([share.value for share in shares.values()]))
    table.add_row("mean of sources", f"{mean:.3f}", "", str(len(correct)), "")
    console = Console(width=100)
    console.print(table)
    for part in (0.2, 0.3, 0.5):
        console.print(f"surest {part:.0%}: {precision_at(sure, correct, answered=part)}")
    if args.write_card:
        add_scores(args.weights, "scores", _card_scores(shares, mean, charset=args.charset))


def _card_scores(shares: dict[str, Share], mean: float, *, charset: bool) -> dict[str, object]:
    """The table as the card keeps it."""
    return {
        "what": "third-party pictures, never trained on; exact match without case",
        "command": "python plugins/alnum/training/evaluate.py --data DATA/text"
        + (" --charset" if charset else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "mean": round(mean, 4),
        "sources": {
            name: {
                "value": round(share.value, 4),
                "interval": [round(bound, 4) for bound in share.interval],
                "n": share.count,
            }
            for name, share in shares.items()
        },
    }


if __name__ == "__main__":
    main()
