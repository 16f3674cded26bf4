"""Loupette plugin: a text type from weights of one's own (type 60300)."""

from decimal import Decimal
from pathlib import Path

from loupette.plugin import TEXT_OPTIONS, Solver, SolverSpec, hookimpl

HERE = Path(__file__).parent


def _load() -> Solver:
    from loupette.toolkit.ctc import Alphabet
    from loupette.toolkit.recognizer import CtcRecognizer
    from loupette.toolkit.text import TextSolver

    alphabet = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz", fold_case=True)
    return TextSolver(CtcRecognizer(HERE / "model.tflite", alphabet))


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """The one type of this file."""
    return [
        SolverSpec(
            type_id=60300,
            name="自有文本",
            name_en="own text",
            price=Decimal("0.0010"),
            load=_load,
            sample=(HERE / "sample.png").read_bytes,
            sample_answer="r7k4m",
            options=TEXT_OPTIONS,
        )
    ]
