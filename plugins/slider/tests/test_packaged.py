"""The packaged network: small, and refused when it is not what its card says."""

import shutil
from pathlib import Path

import pytest

from loupette.errors import PluginError
from loupette_slider.packaged import FOLDER, load_weights


def test_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) <= 4_000_000


def test_weights_load_with_both_calibrations() -> None:
    weights = load_weights()
    assert len(weights.single.weights) == 4
    assert len(weights.matched.weights) == 5


@pytest.mark.parametrize("name", ["gap.tflite", "edges/edges.tflite"])
def test_damaged_weights_are_refused(tmp_path: Path, name: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "weights")
    with (tmp_path / "weights" / name).open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    with pytest.raises(PluginError, match="SHA-256"):
        load_weights(tmp_path / "weights")
