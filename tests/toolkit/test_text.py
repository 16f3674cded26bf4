"""The text solver: a plugin of fewer than 40 lines, and what options make of an alphabet."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import loupette_alnum
from loupette.cli.main import main
from loupette.plugin import OptionValue, Unsolvable
from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.text import read_rules

pytestmark = pytest.mark.usefixtures("forget_modules")

OWN_TYPE = (Path(__file__).parents[2] / "docs" / "example-plugin" / "own_text.py").read_text(
    "utf-8"
)


def test_own_weights_are_a_text_type_in_under_40_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(OWN_TYPE.strip().splitlines()) < 40
    own = Path(loupette_alnum.__file__).parent
    (tmp_path / "own.py").write_text(OWN_TYPE)
    shutil.copy(own / "weights" / "model.tflite", tmp_path)
    shutil.copy(own / "samples" / "sample.png", tmp_path)
    monkeypatch.chdir(tmp_path)
    ask = ["solve", "sample.png", "--type", "60300", "--plugins-dir", ".", "--json"]
    read = CliRunner().invoke(main, ask)
    assert json.loads(read.stdout)["result"] == "r7k4m", read.output
    upper = CliRunner().invoke(main, [*ask, "-o", "case=upper"])
    assert json.loads(upper.stdout)["result"] == "R7K4M"


FOLDED = Alphabet("01ab", fold_case=True)
BOTH = Alphabet("aAbB")
CHINESE = Alphabet("一二三")


@pytest.mark.parametrize(
    ("alphabet", "options", "spelling"),
    [
        (FOLDED, {}, {"0": "0", "1": "1", "a": "a", "b": "b"}),
        (FOLDED, {"charset": "aB1"}, {"1": "1", "a": "a", "b": "B"}),
        (FOLDED, {"case": "upper", "charset": "AB"}, {"a": "A", "b": "B"}),
        (BOTH, {}, {"a": "a", "A": "A", "b": "b", "B": "B"}),
        (BOTH, {"charset": "aB"}, {"a": "a", "B": "B"}),
        (BOTH, {"case": "lower"}, {"a": "a", "A": "a", "b": "b", "B": "b"}),
        (CHINESE, {"charset": "二"}, {"二": "二"}),
    ],
)
def test_symbols_are_written_as_the_options_ask(
    alphabet: Alphabet, options: dict[str, OptionValue], spelling: dict[str, str]
) -> None:
    rules = read_rules(options, alphabet)
    assert rules.spelling == spelling
    assert rules.spell(rules.symbols) == "".join(spelling.values())


def test_options_that_no_text_fits_are_refused() -> None:
    with pytest.raises(Unsolvable, match="fits these options"):
        read_rules({"charset": "xyz"}, CHINESE)
