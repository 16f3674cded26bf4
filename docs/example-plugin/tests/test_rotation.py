from collections.abc import Callable

import pytest
from loupette_rotation.drawing import draw
from loupette_rotation.solver import RotationSolver

from loupette.plugin import Challenge, Unsolvable
from loupette.testing import hostile_images

MakeChallenge = Callable[..., Challenge]


@pytest.mark.loupette_plugin("loupette-rotation")
def test_conformance(conformance: Callable[[], str | None]) -> None:
    assert conformance() is None


def test_angles_are_found_within_three_degrees(challenge: MakeChallenge) -> None:
    """58 of these 60 or more; a released model has a floor like this, too."""
    solver, right = RotationSolver(), 0
    for seed in range(60):
        angle = seed * 67 % 360
        found = int(solver.solve(challenge(draw(angle, seed=seed))).result)
        right += min((found - angle) % 360, (angle - found) % 360) <= 3
    assert right >= 58


def test_answers_are_as_often_right_as_they_are_sure(challenge: MakeChallenge) -> None:
    solver = RotationSolver()
    answers = [solver.solve(challenge(draw(120, seed=seed))) for seed in range(100, 140)]
    right = [abs(int(answer.result) - 120) <= 3 for answer in answers]
    assert sum(answer.confidence for answer in answers) <= sum(right) + 1


@pytest.mark.parametrize(("name", "reason"), [("one pixel", "too_small"), ("noise", "no_disc")])
def test_what_has_no_disc_is_refused(challenge: MakeChallenge, name: str, reason: str) -> None:
    with pytest.raises(Unsolvable) as refusal:
        RotationSolver().solve(challenge(hostile_images()[name]))
    assert refusal.value.reason == reason
