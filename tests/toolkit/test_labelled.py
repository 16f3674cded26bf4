"""A user's labelled folder: what is taken, what is refused, and that its parts never mix."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="training needs the train extra")

from loupette.toolkit.ctc import Alphabet
from loupette.toolkit.labelled import Example, read_examples, split, write_parts
from loupette.toolkit.synth.shards import list_shards, read_labels

ALPHABET = Alphabet("01abx", fold_case=True)


def folder(path: Path, rows: list[tuple[str, str]], *, same: bool = False) -> Path:
    """A labelled folder of small grey pictures."""
    path.mkdir(exist_ok=True)
    for number, (name, _) in enumerate(rows):
        Image.new("L", (20, 10), 0 if same else number).save(path / name)
    with (path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "answer"), *rows])
    return path


def examples(count: int) -> list[Example]:
    return [Example(Path(f"{number}.png"), "a", "a") for number in range(count)]


def test_the_rows_of_a_folder_are_its_examples(tmp_path: Path) -> None:
    folder(tmp_path, [("1.png", "A0"), ("2.png", "b")])
    first, second = read_examples(tmp_path, lambda row: row["answer"], ALPHABET)
    assert (first.path, first.text, first.answer) == (tmp_path / "1.png", "A0", "A0")
    assert second.text == "b"


def test_a_text_may_differ_from_the_answer(tmp_path: Path) -> None:
    folder(tmp_path, [("1.png", "10")])
    (example,) = read_examples(tmp_path, lambda row: "1x10", ALPHABET)
    assert (example.text, example.answer) == ("1x10", "10")


def test_files_that_are_alike_are_taken_once(tmp_path: Path) -> None:
    folder(tmp_path, [("1.png", "a"), ("2.png", "a")], same=True)
    assert len(read_examples(tmp_path, lambda row: row["answer"], ALPHABET)) == 1


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder(tmp_path, [("1.png", "a")])
    with pytest.raises(ValueError, match="'expression'"):
        read_examples(tmp_path, lambda row: row["expression"], ALPHABET)


@pytest.mark.parametrize(("text", "why"), [("a?b", r"\['\?'\]"), ("a" * 17, "over 16")])
def test_a_text_the_model_cannot_put_out_is_refused(tmp_path: Path, text: str, why: str) -> None:
    folder(tmp_path, [("1.png", text)])
    with pytest.raises(ValueError, match=rf"1\.png.*{why}.*leave the row out"):
        read_examples(tmp_path, lambda row: row["answer"], ALPHABET)


def test_parts_are_disjoint_and_leave_nothing_out() -> None:
    parts = split(examples(200), seed=1)
    names = [example.path.name for part in parts.values() for example in part]
    assert len(names) == len(set(names)) == 200
    assert 20 < len(parts["held"]) < 60
    assert 15 < len(parts["check"]) < 50


def test_parts_follow_from_seed_and_names() -> None:
    assert split(examples(100), seed=1) == split(examples(100), seed=1)
    assert split(examples(100), seed=1) != split(examples(100), seed=2)


def test_a_picture_stays_in_its_part_when_others_come() -> None:
    few, many = split(examples(100), seed=1), split(examples(300), seed=1)
    for name, part in few.items():
        assert set(part) <= set(many[name])


def test_too_few_pictures_say_so() -> None:
    with pytest.raises(ValueError, match="too few"):
        split(examples(2), seed=1)


def test_parts_are_written_as_shards(tmp_path: Path) -> None:
    folder(tmp_path / "in", [("1.png", "A0"), ("2.png", "b")])
    taken = read_examples(tmp_path / "in", lambda row: row["answer"], ALPHABET)
    write_parts({"train": taken}, tmp_path / "out", ALPHABET, height=16, width=32)
    (path,) = list_shards(tmp_path / "out/train")
    assert np.load(path).shape == (2, 16, 32, 3)
    assert read_labels(path)[:, :3].tolist() == [[2, 0, -1], [3, -1, -1]]
