"""loupette solve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import fakes

Run = Callable[..., Result]
Json = Callable[..., Any]


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image.png"
    path.write_bytes(fakes.draw_png(33, 11, "black"))
    return str(path)


def test_solve_prints_the_result_alone(loupette: Run, image: str) -> None:
    assert loupette("solve", image, "--type", str(fakes.ECHO)).output == "33x11\n"


def test_solve_as_json_has_confidence_and_detail(as_json: Json, image: str) -> None:
    answer = as_json("solve", image, "--type", str(fakes.ECHO), "--image2", image)
    assert (answer["confidence"], answer["detail"]["image2_width"]) == (0.9, 33)


def test_solve_passes_options_of_the_right_kind(as_json: Json, image: str) -> None:
    options = ("-o", "charset=0123", "-o", "max_length=6", "-o", "case=upper")
    answer = as_json("solve", image, "--type", str(fakes.ECHO), *options)
    assert answer["detail"]["options"] == {"charset": "0123", "max_length": 6, "case": "upper"}


@pytest.mark.parametrize(
    ("type_id", "options", "said"),
    [
        (fakes.REFUSES, (), "no_text: there is nothing to read"),
        (fakes.RAISES, (), "a plugin's own mistake"),
        (fakes.CLOSED, ("-o", "charset=abc"), "does not fit options.charset"),
        (fakes.UNSURE, ("-o", "min_confidence=0.5"), "below the threshold 0.5"),
        (fakes.ECHO, ("-o", "colour=red"), "does not take options.colour"),
        (fakes.ECHO, ("-o", "charset"), "must be NAME=VALUE"),
        (99999, (), "type 99999 is not served here"),
    ],
)
def test_solve_fails_with_the_reason(
    loupette: Run, image: str, type_id: int, options: tuple[str, ...], said: str
) -> None:
    result = loupette("solve", image, "--type", str(type_id), *options)
    assert result.exit_code == 1
    assert said in result.output


def test_solve_of_no_image_says_so(loupette: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    result = loupette("solve", str(tmp_path / "text.png"), "--type", str(fakes.ECHO))
    assert result.exit_code == 1
    assert "not_an_image" in result.output
