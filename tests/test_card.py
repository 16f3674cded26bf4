"""Cards: what the catalogue may show of them."""

from dataclasses import replace
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import fakes
from loupette.card import Card, read_card
from loupette.manager import load_plugins
from loupette.plugin import SolverSpec
from loupette.toolkit.weights import hash_file

SPEC = SolverSpec(
    type_id=60001,
    name="回声",
    name_en="echo",
    price=Decimal("0.01"),
    load=lambda: fakes.Fake(lambda _: None),
    sample=fakes.draw_png,
    sample_answer="x",
)


def read(card: Any) -> Card | None:  # Any: a stranger's
    return read_card(replace(SPEC, card=card))


def test_a_card_is_read_and_what_else_it_says_is_left() -> None:
    card = read(lambda: {**fakes.CARD, "symbols": "abc", "trained": {"steps": 1}})
    assert card is not None and card.measured is not None
    assert (card.measured.right, card.measured.counted, card.measured.sources) == (0.9, "exact", 1)


def test_a_card_without_measurement_is_one() -> None:
    assert read(lambda: {"sha256": "0" * 64}) == Card(sha256="0" * 64)


def test_a_plugin_may_have_none() -> None:
    assert read(None) is None


def fail() -> dict[str, object]:
    raise OSError("no such file")


@pytest.mark.parametrize(
    "card",
    [
        fail,
        lambda: None,
        lambda: [],
        lambda: {"sha256": "short"},
        lambda: {"sha256": "0" * 64, "date": "yesterday"},
        lambda: {"sha256": "0" * 64, "measured": {"right": 2}},
        lambda: {"sha256": "0" * 64, "further": [{"sha256": "short"}]},
        lambda: {"sha256": "0" * 64, "further": [{"sha256": "0" * 64}] * 17},
        lambda: {**fakes.CARD, "measured": {**measured(), "n": 0}},
        lambda: {**fakes.CARD, "measured": {**measured(), "command": "x" * 301}},
        lambda: {**fakes.CARD, "measured": {**measured(), "right": float("nan")}},
    ],
)
def test_a_card_that_cannot_be_shown_is_logged_and_none(
    card: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(card) is None
    assert "the card of type 60001 cannot be shown" in caplog.text


def measured() -> dict[str, Any]:
    found: Any = fakes.CARD["measured"]
    return dict(found)


def test_the_plugins_of_this_repository_name_every_model_they_have() -> None:
    for plugin in load_plugins().loaded:
        for spec in plugin.specs:
            folder = Path(str(resources.files(spec.load.__module__)))
            models = {path.name: hash_file(path) for path in folder.rglob("*.tflite")}
            card = read_card(spec)
            assert card is not None
            assert {one.model_file: one.sha256 for one in (card, *card.further)} == models


def test_the_plugins_of_this_repository_say_how_right_they_are() -> None:
    ours = {10200, 50100, 50200}
    specs = {spec.type_id: spec for plugin in load_plugins().loaded for spec in plugin.specs}
    cards = {type_id: read_card(specs[type_id]) for type_id in ours}
    for card in cards.values():
        assert card is not None and card.measured is not None
        low, high = card.measured.interval
        assert 0.5 < low < card.measured.right < high
