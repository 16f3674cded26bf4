"""The drawn looks that are the plugin's own; they need the training extra."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("fontTools")


@pytest.fixture(scope="module")
def effects() -> ModuleType:
    path = Path(__file__).parents[1] / "training" / "effects.py"
    spec = importlib.util.spec_from_file_location("arith_effects", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_ripple_moves_pixels_and_keeps_the_size(effects: ModuleType, seed: int) -> None:
    stripes = np.repeat((np.indices((40, 120)).sum(axis=0) % 8 * 32)[..., None], 3, axis=2)
    picture = stripes.astype(np.uint8)
    bent = effects.ripple_finely(picture, np.random.default_rng(seed))
    assert bent.shape == picture.shape and bent.dtype == np.uint8
    assert (bent != picture).any()
    again = effects.ripple_finely(picture, np.random.default_rng(seed))
    assert np.array_equal(bent, again)


def test_trim_keeps_most_of_a_picture(effects: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for height, width in ((20, 60), (60, 160), (150, 400)):
        kept = effects.trim(np.zeros((height, width, 3), np.uint8), rng)
        assert kept.shape[0] >= 0.55 * height
        assert kept.shape[1] >= 0.9 * width
