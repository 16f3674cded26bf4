"""Put what ``bench/accuracy.py`` measured into the plugins' cards, which the catalogue shows.

``python bench/cards.py`` reads bench/accuracy.json and writes ``measured`` into the card beside
each plugin's weights. Every source counts the same, however many pictures it has; those that post
the piece as a second image answer another question and are left out. The interval of the mean comes
from those of the sources (G. Y. Zou and A. Donner, 2008: the squares of their arms add up).
"""

import json
from math import hypot
from pathlib import Path
from statistics import fmean, median
from typing import Any

from loupette.toolkit.weights import add_to_card

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "bench" / "accuracy.json"
WEIGHTS = {
    10200: ROOT / "plugins/slider/src/loupette_slider/weights",
    50100: ROOT / "plugins/arith/src/loupette_arith/weights",
    50200: ROOT / "plugins/alnum/src/loupette_alnum/weights",
}
COUNTED = {
    10200: ("within 5 px", "误差不超过 5 像素"),
    50100: ("by value", "结果数值正确"),
    50200: ("in any case", "不分大小写"),
}


def summarise(measured: dict[str, Any], type_id: int) -> dict[str, Any]:
    """The ``measured`` of one type's card."""
    scores = [
        score
        for score in measured["scores"]
        if score["type_id"] == type_id and "image2" not in score["source"]
    ]
    right = fmean(score["lenient"] for score in scores)
    below = hypot(*(score["lenient"] - score["low"] for score in scores)) / len(scores)
    above = hypot(*(score["high"] - score["lenient"] for score in scores)) / len(scores)
    counted, counted_zh = COUNTED[type_id]
    return {
        "right": round(right, 4),
        "interval": [round(right - below, 4), round(right + above, 4)],
        "n": sum(score["n"] for score in scores),
        "sources": len(scores),
        "counted": counted,
        "counted_zh": counted_zh,
        "refused": round(1 - fmean(score["answered"] for score in scores), 4),
        "median_ms": round(median(score["median_ms"] for score in scores), 1),
        "date": measured["date"],
        "command": measured["command"],
    }


def main() -> None:
    """Write all cards."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    for type_id, folder in WEIGHTS.items():
        add_to_card(folder, measured=summarise(measured, type_id))


if __name__ == "__main__":
    main()
