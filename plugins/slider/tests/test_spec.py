"""What the plugin offers."""

from decimal import Decimal

import loupette_slider
from loupette.plugin import Challenge
from loupette_slider.solver import SliderSolver

from .conftest import decode, picture


def test_spec_offers_type_10200() -> None:
    (spec,) = loupette_slider.loupette_solvers()
    assert (spec.type_id, spec.name, spec.name_en) == (10200, "通用滑块", "slider gap")
    assert spec.price == Decimal("0.0100")
    assert spec.second_image == "optional"
    assert [option.name for option in spec.options] == ["width"]


def test_sample_is_solved_right(solver: SliderSolver) -> None:
    (spec,) = loupette_slider.loupette_solvers()
    answer = solver.solve(Challenge(picture(decode(spec.sample()))))
    assert answer.result == spec.sample_answer
    assert answer.confidence > 0.5


def test_load_gives_a_solver_on_one_thread() -> None:
    import cv2

    (spec,) = loupette_slider.loupette_solvers()
    spec.load()
    assert cv2.getNumThreads() == 1
