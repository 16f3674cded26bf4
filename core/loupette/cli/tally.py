"""What came of many files, in a few lines."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import click

from loupette.cli.sheet import Row
from loupette.errors import LoupetteError, Unsolvable, by_reason
from loupette.money import format_yuan, to_micros
from loupette.toolkit.metrics import Share
from loupette.wording import counted

_OK = "ok"
_FAILURES = by_reason(LoupetteError).keys() - by_reason(Unsolvable).keys()
"""Reasons that are no refusal by a solver, which has words of its own."""


@dataclass(frozen=True)
class Tally:
    """The sums over all rows of a sheet.

    Attributes:
        files: how many there are.
        answered: how many have an answer.
        refused: how many the solver could not tell, by reason.
        failed: how many could not be asked about, by reason.
        cost: in yuan.
        median_ms: None where nothing was read.
        right: of all labelled files, with those without an answer; None without labels.
        right_of_answered: of those labelled that have an answer.
    """

    files: int
    answered: int
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    cost: Decimal
    median_ms: float | None
    right: Share | None
    right_of_answered: Share | None


def tally(rows: Iterable[Row]) -> Tally:
    """Add up."""
    rows = list(rows)
    outcomes = Counter(row.outcome for row in rows)
    times = [row.ms for row in rows if row.ms is not None]
    labelled = [row for row in rows if row.right is not None]
    answered = [row for row in labelled if row.outcome == _OK]
    return Tally(
        files=len(rows),
        answered=outcomes.pop(_OK, 0),
        refused={reason: n for reason, n in outcomes.most_common() if reason not in _FAILURES},
        failed={reason: n for reason, n in outcomes.most_common() if reason in _FAILURES},
        cost=sum((row.cost for row in rows if row.cost is not None), Decimal(0)),
        median_ms=statistics.median(times) if times else None,
        right=_share(labelled) if labelled else None,
        right_of_answered=_share(answered) if labelled else None,
    )


def _share(rows: list[Row]) -> Share:
    return Share(sum(row.right or 0 for row in rows), len(rows))


def show(found: Tally) -> None:
    """Print it for people."""
    click.echo(f"{counted(found.files, 'file')}, {found.answered} answered")
    for word, reasons in (("refused", found.refused), ("failed", found.failed)):
        if reasons:
            listed = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
            click.echo(f"{sum(reasons.values())} {word}: {listed}")
    if found.median_ms is not None:
        click.echo(f"median {found.median_ms:.1f} ms, cost {format_yuan(to_micros(found.cost))}")
    if found.right and found.right_of_answered:
        click.echo(f"right {found.right}; of those answered {found.right_of_answered}")


def describe(found: Tally) -> dict[str, object]:
    """The same for programs."""
    return {
        "files": found.files,
        "answered": found.answered,
        "refused": found.refused,
        "failed": found.failed,
        "cost": found.cost,
        "median_ms": found.median_ms,
        "right": _describe_share(found.right),
        "right_of_answered": _describe_share(found.right_of_answered),
    }


def _describe_share(share: Share | None) -> dict[str, object] | None:
    if share is None:
        return None
    value = share.value if share.count else None
    return {"value": value, "n": share.count, "interval": share.interval}
