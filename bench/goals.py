"""What figures should be, and whether they are: shared by ``load.py`` and ``logs.py``."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.table import Table

Round = TypeVar("Round")


@dataclass(frozen=True)
class Goal(Generic[Round]):
    """What one number, made of the figures of one round, should be."""

    text: str
    number: Callable[[Round], float]
    bound: float
    at_most: bool

    def is_met(self, number: float) -> bool:
        """Whether it is on the right side."""
        return number <= self.bound if self.at_most else number >= self.bound


def judge(goal: Goal[Round], rounds: Sequence[Round]) -> dict[str, Any]:
    """The number of each round, and whether their median is on the right side."""
    numbers = [goal.number(figures) for figures in rounds]
    median = statistics.median(numbers)
    return {
        "text": goal.text,
        "bound": goal.bound,
        "at_most": goal.at_most,
        "numbers": numbers,
        "median": median,
        "is_met": goal.is_met(median),
    }


def print_goals(judged: Iterable[dict[str, Any]], *, must_be_met: bool = False) -> None:
    """A verdict for each; ends with 1 where one that must be met is not."""
    judged = tuple(judged)
    table = Table("goal", "bound", "median", "spread", "", title="over the rounds")
    for goal in judged:
        bound = f"{'≤' if goal['at_most'] else '≥'} {goal['bound']:g}"
        spread = f"{min(goal['numbers']):.2f}-{max(goal['numbers']):.2f}"
        met = "met" if goal["is_met"] else "NOT MET"
        table.add_row(goal["text"], bound, f"{goal['median']:.2f}", spread, met)
    Console(width=110).print(table)
    if must_be_met and not all(goal["is_met"] for goal in judged):
        raise SystemExit(1)
