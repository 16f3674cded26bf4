"""Loupette plugin: the gap of a slider captcha, type 10200."""

from decimal import Decimal
from importlib import resources

from loupette.plugin import Solver, SolverSpec, hookimpl


def _load() -> Solver:
    from loupette_slider.solver import load

    return load()


def _sample() -> bytes:
    return resources.files("loupette_slider").joinpath("sample.png").read_bytes()


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
        )
    ]
