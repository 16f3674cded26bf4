"""The cards show what the bench measured."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import cards  # a script beside the others, not a package

MEASURED = json.loads(cards.MEASURED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("type_id", cards.WEIGHTS)
def test_the_card_has_the_newest_measurement(type_id: int) -> None:
    card = json.loads((cards.WEIGHTS[type_id] / "card.json").read_text(encoding="utf-8"))
    assert card["measured"] == cards.summarise(MEASURED, type_id), "run `python bench/cards.py`"


def score(source: str, lenient: float, low: float, high: float, n: int) -> dict[str, object]:
    return {
        "type_id": 50200, "source": source, "n": n, "lenient": lenient, "low": low, "high": high,
        "answered": 0.5, "median_ms": 10.0 + n,
    }  # fmt: skip


def test_every_source_counts_the_same_and_the_piece_is_another_question() -> None:
    scores = [
        score("many", 0.8, 0.77, 0.84, 1000),
        score("few", 0.6, 0.56, 0.63, 10),
        score("few + image2", 0.0, 0.0, 0.1, 10),
    ]
    found = cards.summarise({"date": "d", "command": "c", "scores": scores}, 50200)
    assert (found["right"], found["n"], found["sources"]) == (0.7, 1010, 2)
    assert found["interval"] == [0.675, 0.725]  # arms of 3 and 4 hundredths are one of 5, halved
    assert (found["refused"], found["median_ms"]) == (0.5, 515.0)
