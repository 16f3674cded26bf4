"""What the accuracy bench counts; the server it posts to is tested elsewhere."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import accuracy  # noqa: E402  # a script, not a package
from accuracy import ALNUM, ARITH, REFUSED, Reply, characters, find_sources, summarise  # noqa: E402

BOTH, LENIENT, NEITHER = (True, True), (False, True), (False, False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, labels in {
        "plain": "file,answer\n0.png,Ab1\n1.png,b22\n",
        "sums": "file,answer,expression\n0.png,7,3+4=?\n",
    }.items():
        folder = tmp_path / "text" / name
        folder.mkdir(parents=True)
        (folder / "labels.csv").write_text(labels)
    return tmp_path


def score(*replies: Reply, threshold: float = 0.0) -> accuracy.Score:
    return summarise("source", ALNUM, list(replies), threshold)


def test_a_source_with_expressions_is_arithmetic(data: Path) -> None:
    kinds = {name: cases[0].type_id for name, cases in find_sources(data)}
    assert kinds == {"plain": ALNUM, "sums": ARITH}


def test_texts_are_compared_with_and_without_case(data: Path) -> None:
    (_, (first, _)), _ = find_sources(data)
    assert first.judge("Ab1") == BOTH
    assert first.judge("ab1") == LENIENT
    assert first.judge("ab2") == NEITHER


def test_sums_are_compared_by_value(data: Path) -> None:
    _, (_, (case,)) = find_sources(data)
    assert case.judge("7.0") == LENIENT
    assert case.judge("seven") == NEITHER


def test_the_characters_of_a_source_are_those_of_all_its_answers(data: Path) -> None:
    (_, cases), _ = find_sources(data)
    assert characters(cases) == "12Ab"


def test_a_slider_with_decoys_is_decidable_only_with_its_piece(tmp_path: Path) -> None:
    folder = tmp_path / "slider" / "gaps"
    folder.mkdir(parents=True)
    rows = ("0.png,9,,,0", "1.png,9,,,", "2.png,9,,5,1", "3.png,9,3_piece.png,,1")
    (folder / "labels.csv").write_text("\n".join(("file,x,piece_file,piece_x,decoys", *rows)))
    found = {name: [case.decidable for case in cases] for name, cases in find_sources(tmp_path)}
    assert found == {"gaps": [True, True, True, False], "gaps + image2": [True]}


def test_right_counts_every_reading_and_precision_those_that_are_sure_enough() -> None:
    measured = score(
        Reply(0.99, BOTH, 1), Reply(0.95, NEITHER, 2), Reply(0.4, LENIENT, 3), threshold=0.9
    )
    assert (measured.strict, measured.lenient) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert (measured.answered, measured.precision) == (pytest.approx(2 / 3), 0.5)
    assert measured.median_ms == 2


def test_a_refusal_is_not_answered_whatever_the_threshold() -> None:
    measured = score(Reply(REFUSED, NEITHER, 1), Reply(0.0, BOTH, 1))
    assert (measured.lenient, measured.answered, measured.precision) == (0.5, 0.5, 1.0)


def test_a_source_that_is_never_answered_has_no_precision() -> None:
    assert score(Reply(REFUSED, NEITHER, 1)).precision is None


def test_what_is_written_holds_the_thresholds_and_the_command(tmp_path: Path) -> None:
    one = score(Reply(1.0, BOTH, 1.23456))
    arguments = argparse.Namespace(charset=True, json=tmp_path / "accuracy.json")
    accuracy.write_scores([replace(one, charset=one)], {ALNUM: 0.87}, arguments)
    written = json.loads(arguments.json.read_text())
    assert written["thresholds"] == {"50200": 0.87}
    assert written["command"].endswith("CHARSET=1")
    assert written["scores"][0]["charset"]["median_ms"] == 1.2346


def test_a_mean_leaves_out_what_is_not_known() -> None:
    assert accuracy._mean([0.5, None, 1.0]) == "0.750"
    assert accuracy._mean([None]) == "-"
