"""Fixtures: the loaded solver, and the bundled scenes with their true boxes."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from loupette.plugin import Challenge, Picture
from loupette_slider.solver import SliderSolver, load

SCENES = Path(__file__).parent / "scenes"
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LabelledScene:
    image: Picture
    gap: tuple[int, int, int, int]
    piece: Pixels | None
    piece_x: int | None


def decode(raw: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    code = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGBA
    return np.asarray(cv2.cvtColor(image, code), np.uint8)


def picture(rgba: Pixels) -> Picture:
    if rgba.shape[2] == 3:
        rgba = np.dstack([rgba, np.full(rgba.shape[:2], 255, np.uint8)])
    return Picture(np.ascontiguousarray(rgba)[None], "png")


@pytest.fixture(scope="session")
def solver() -> SliderSolver:
    return load()


@pytest.fixture(scope="session")
def scenes() -> list[LabelledScene]:
    with (SCENES / "labels.csv").open(encoding="utf-8") as file:
        return [_read_scene(row) for row in csv.DictReader(file)]


def _read_scene(row: dict[str, str]) -> LabelledScene:
    piece = decode((SCENES / row["piece_file"]).read_bytes()) if row["piece_file"] else None
    return LabelledScene(
        picture(decode((SCENES / row["file"]).read_bytes())),
        (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"])),
        piece,
        int(row["piece_x"]) if row["piece_x"] else None,
    )


@pytest.fixture(scope="session")
def plain_scene(scenes: list[LabelledScene]) -> LabelledScene:
    return next(scene for scene in scenes if scene.piece is not None)


@pytest.fixture
def background(plain_scene: LabelledScene) -> Challenge:
    return Challenge(plain_scene.image)
