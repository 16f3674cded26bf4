"""Loupette plugin: pictures of sums, answered with their value (type 50100)."""

import json
from decimal import Decimal
from importlib.resources import files

from loupette.plugin import Json, Solver, SolverSpec, hookimpl


def _load() -> Solver:
    # Imported here, so that listing types loads no inference library.
    from loupette_arith.solver import SumSolver

    return SumSolver()


def _sample() -> bytes:
    return (files(__name__) / "samples" / "sample.png").read_bytes()


def _card() -> dict[str, Json]:
    file = files(__name__) / "weights" / "card.json"
    card: dict[str, Json] = json.loads(file.read_text(encoding="utf-8"))
    return card


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """The one type of this plugin."""
    return [
        SolverSpec(
            type_id=50100,
            name="计算题",
            name_en="arithmetic",
            price=Decimal("0.0050"),
            load=_load,
            sample=_sample,
            sample_answer="19",
            card=_card,
        )
    ]
