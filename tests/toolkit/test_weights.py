import json

import pytest

from loupette.errors import PluginError
from loupette.toolkit.weights import CARD, add_to_card, read_card, write_card

FACTS = {
    "model_file": "model.tflite",
    "input_shape": [48, 160, 3],
    "symbols": "01ab",
    "fold_case": True,
    "blank": 4,
    "temperature": 1.3,
    "scores": {"mean": 0.5},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"weights")
    write_card(tmp_path, FACTS)
    return tmp_path


def change(folder, **entries):
    facts = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(facts | entries))


def test_a_card_comes_back_as_it_was_written(folder):
    card = read_card(folder)
    assert card.input_shape == (48, 160, 3)
    assert card.symbols == "01ab"
    assert card.temperature == 1.3
    assert card.facts["scores"] == {"mean": 0.5}
    assert card.model_path == folder / "model.tflite"


def test_a_changed_model_file_is_refused(folder):
    (folder / "model.tflite").write_bytes(b"other weights")
    with pytest.raises(PluginError, match="SHA-256"):
        read_card(folder)


def test_a_missing_model_file_is_refused(folder):
    (folder / "model.tflite").unlink()
    with pytest.raises(PluginError, match="missing"):
        read_card(folder)


def test_a_missing_card_is_refused(tmp_path):
    with pytest.raises(PluginError, match="card"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"format": 99}, "format"),
        ({"blank": 2}, "blank"),
        ({"symbols": "0011"}, "blank"),
        ({"input_shape": [48]}, "incomplete"),
        ({"temperature": None}, "incomplete"),
    ],
)
def test_a_damaged_card_is_refused(folder, entries, said):
    change(folder, **entries)
    with pytest.raises(PluginError, match=said):
        read_card(folder)


def test_adding_to_a_card_keeps_the_rest_and_the_hash(folder):
    written = add_to_card(folder, temperature=0.8, calibration={"n": 3})
    card = read_card(folder)
    assert card.facts == written
    assert (card.temperature, card.facts["calibration"]) == (0.8, {"n": 3})
    assert card.facts["scores"] == {"mean": 0.5}
