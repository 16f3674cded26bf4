"""What the plugin says of itself, and what using it loads."""

import importlib.metadata
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import loupette_arith
from loupette.plugin import SolverSpec

WEIGHTS = Path(loupette_arith.__file__).parent / "weights"

SOLVE_THE_SAMPLE = """
import io, json, sys
import numpy as np
from PIL import Image
from loupette_arith import loupette_solvers
(spec,) = loupette_solvers()
light = [name for name in ("ai_edge_litert", "PIL.ImageDraw", "cv2") if name in sys.modules]
from loupette.plugin import Challenge, Picture
pixels = np.asarray(Image.open(io.BytesIO(spec.sample())).convert("RGBA"))
answer = spec.load().solve(Challenge(Picture(pixels[None], "png")))
heavy = [name for name in ("tensorflow", "keras", "cv2", "skimage") if name in sys.modules]
print(json.dumps([answer.result, light, heavy]))
"""


@pytest.fixture
def spec() -> SolverSpec:
    (only,) = loupette_arith.loupette_solvers()
    return only


def test_spec_is_the_documented_type(spec: SolverSpec) -> None:
    assert (spec.type_id, spec.name, spec.name_en) == (50100, "计算题", "arithmetic")
    assert spec.price == Decimal("0.0050")
    assert spec.options == ()
    assert spec.second_image == "no"


def test_plugin_is_found_by_its_entry_point() -> None:
    (entry,) = importlib.metadata.entry_points(group="loupette", name="arith")
    assert entry.load() is loupette_arith


def test_sample_is_a_png(spec: SolverSpec) -> None:
    assert spec.sample().startswith(b"\x89PNG\r\n")


def test_fresh_interpreter_solves_the_sample_without_a_training_framework(
    spec: SolverSpec,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SOLVE_THE_SAMPLE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    result, light, heavy = json.loads(done.stdout)
    assert result == spec.sample_answer
    assert light == []
    assert heavy == []


def test_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 3_000_000
