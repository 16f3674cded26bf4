"""Loupette plugin: the gap of a slider captcha, type 10200."""

import json
from decimal import Decimal
from importlib import resources

from loupette.plugin import Json, Option, Solver, SolverSpec, hookimpl

WIDTH = Option(
    "width",
    "integer",
    "图片在页面上的显示宽度（像素），结果与 distance 按此换算",
    "the width in pixels at which a page shows the image: result and distance are scaled to it",
    minimum=50,
    maximum=8192,
)


def _load() -> Solver:
    from loupette_slider.solver import load

    return load()


def _sample() -> bytes:
    return resources.files("loupette_slider").joinpath("sample.png").read_bytes()


def _card() -> dict[str, Json]:
    """That of the detector, with the refiner's under ``further``."""
    folder = resources.files("loupette_slider") / "weights"
    detector, refiner = (
        json.loads((each / "card.json").read_text(encoding="utf-8"))
        for each in (folder, folder / "edges")
    )
    card: dict[str, Json] = {**detector, "further": [refiner]}
    return card


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """Offer type 10200."""
    return [
        SolverSpec(
            type_id=10200,
            name="通用滑块",
            name_en="slider gap",
            price=Decimal("0.0100"),
            load=_load,
            sample=_sample,
            sample_answer="270",
            second_image="optional",
            options=(WIDTH,),
            card=_card,
        )
    ]
