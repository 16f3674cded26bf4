"""Loupette plugin: the angle of a turned disc (type 60100)."""

from decimal import Decimal

from loupette.plugin import Solver, SolverSpec, hookimpl


def _load() -> Solver:
    # Imported here: listing types must stay light.
    from loupette_rotation.solver import RotationSolver

    return RotationSolver()


def _sample() -> bytes:
    from loupette_rotation.drawing import draw

    return draw(75, seed=10)


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """The one type of this plugin."""
    return [
        SolverSpec(
            type_id=60100,
            name="旋转角度",
            name_en="rotation angle",
            price=Decimal("0.0020"),
            load=_load,
            sample=_sample,
            sample_answer="75",
        )
    ]
