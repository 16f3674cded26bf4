"""What a recogniser's process answers, with ways of reading that need no model."""

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from reader import answer  # noqa: E402  # a script, not a package
from recognisers import Challenge  # noqa: E402


def request(folder: Path, **changed: object) -> dict[str, Any]:
    (folder / "image.png").write_bytes(b"image")
    (folder / "piece.png").write_bytes(b"piece")
    image = str(folder / "image.png")
    return {"way": "free", "type": 10200, "image": image, "image2": None, "charset": "", **changed}


def test_the_bytes_of_both_files_are_given(tmp_path: Path) -> None:
    given: list[Challenge] = []

    def read(challenge: Challenge) -> str:
        given.append(challenge)
        return "7"

    for image2 in (None, str(tmp_path / "piece.png")):
        said = answer({"free": read}, request(tmp_path, image2=image2))
        assert said["text"] == "7" and said["ms"] >= 0
    assert [(each.image, each.image2) for each in given] == [(b"image", None), (b"image", b"piece")]


def test_a_recogniser_that_raises_has_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(challenge: Challenge) -> str:
        raise ValueError("no contour")

    assert answer({"free": read}, request(tmp_path))["text"] == ""
    assert "image.png: ValueError('no contour')" in capsys.readouterr().err


def test_a_way_that_does_not_exist_is_a_fault_of_the_bench(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        answer({}, request(tmp_path))


def test_without_a_way_the_memory_is_told() -> None:
    assert 1 < answer({}, {})["rss_mib"] < 100_000
