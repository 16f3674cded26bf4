"""The public plugin API: all that a plugin imports from the engine.

A plugin is a package with an entry point in the group ``loupette`` whose module has the hook::

    from decimal import Decimal
    from loupette.plugin import Answer, Challenge, SolverSpec, hookimpl

    class Solver:
        def solve(self, challenge: Challenge) -> Answer:
            return Answer(result="42", confidence=0.9)

    @hookimpl
    def loupette_solvers():
        return [SolverSpec(type_id=60001, name="示例", name_en="example", price=Decimal("0.0010"),
                           load=Solver, sample=draw_sample, sample_answer="42")]
"""

from loupette.errors import Unsolvable
from loupette.plugin.hookspecs import hookimpl
from loupette.plugin.types import (
    CASE,
    CHARSET,
    MAX_LENGTH,
    MIN_LENGTH,
    TEXT_OPTIONS,
    Answer,
    BatchSolver,
    Challenge,
    Json,
    Option,
    OptionValue,
    Picture,
    Pixels,
    Placement,
    Solver,
    SolverSpec,
)

__all__ = [
    "CASE",
    "CHARSET",
    "MAX_LENGTH",
    "MIN_LENGTH",
    "TEXT_OPTIONS",
    "Answer",
    "BatchSolver",
    "Challenge",
    "Json",
    "Option",
    "OptionValue",
    "Picture",
    "Pixels",
    "Placement",
    "Solver",
    "SolverSpec",
    "Unsolvable",
    "hookimpl",
]
