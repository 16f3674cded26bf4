"""What counts as right, and how kindly the words of another recogniser are taken."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import accuracy  # noqa: E402  # scripts, not a package
from accuracy import Case  # noqa: E402
from verdict import is_right, work_out, work_out_left  # noqa: E402


def text_case(truth: str, **row: str) -> Case:
    return accuracy._text_case(Path(), {"file": "0.png", "answer": truth, **row})


def sum_case(truth: str) -> Case:
    return text_case(truth, expression="")


def slider_case(left_px: int, piece: Path | None = None) -> Case:
    labels = {"file": "0.png", "x": str(left_px), "piece_file": str(piece)}
    return accuracy._slider_case(Path(), labels, piece=piece is not None)


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    """A file 21 px wide: from column 4 on a faint shadow, from column 7 on the piece."""
    pixels = np.zeros((8, 21, 4), np.uint8)
    pixels[:, 4:, 3] = 40
    pixels[2:6, 7:15, 3] = 255
    path = tmp_path / "piece.png"
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3+4=?", "7"),
        ("3t4", "7"),
        ("83十45", "128"),
        ("2-o=", "2"),
        ("1*7三", "7"),
        ("6+7x6", "48"),
        ("8÷2=9", "4"),
        ("31-l9", "12"),
        ("3119", "3119"),
        ("4/0", ""),
        ("子-子", ""),
        ("", ""),
    ],
)
def test_a_text_is_worked_out_kindly(text: str, value: str) -> None:
    assert work_out(text) == value


def test_only_the_peers_text_is_worked_out() -> None:
    assert is_right(sum_case("7"), "3+4=?", of_peer=True)
    assert not is_right(sum_case("7"), "3+4=?", of_peer=False)
    assert is_right(text_case("ab1"), "AB1", of_peer=True)


@pytest.mark.parametrize(("said", "right"), [("103", True), ("97.4", True), ("104", False)])
def test_a_slider_is_right_within_3_px(said: str, right: bool) -> None:
    assert is_right(slider_case(100), said, of_peer=False) == right
    assert is_right(slider_case(100), said, of_peer=True) == right


def test_no_answer_is_a_wrong_one(piece: Path) -> None:
    for case in (text_case("a"), sum_case("7"), slider_case(100), slider_case(100, piece)):
        assert not is_right(case, "", of_peer=True)
        assert not is_right(case, "", of_peer=False)


def test_the_left_edge_is_that_of_the_opaque_part_in_the_pieces_file(piece: Path) -> None:
    # The file lies from 50 on: its centre, as a whole number, is at 60, and the piece begins at 57.
    assert float(work_out_left("60", piece)) == 57


def test_only_the_peers_place_of_a_piece_is_worked_out(piece: Path) -> None:
    assert is_right(slider_case(54, piece), "60", of_peer=True)
    assert not is_right(slider_case(54, piece), "60", of_peer=False)
