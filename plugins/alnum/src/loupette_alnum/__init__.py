"""Loupette plugin: alphanumeric text, type 50200."""

import json
from decimal import Decimal
from importlib import resources

from loupette.plugin import TEXT_OPTIONS, Json, Solver, SolverSpec, hookimpl


def _load() -> Solver:
    # Imported here: listing types must not load an inference library.
    from loupette_alnum.solver import load

    return load()


def _sample() -> bytes:
    return (resources.files(__name__) / "samples" / "sample.png").read_bytes()


def _card() -> dict[str, Json]:
    file = resources.files(__name__) / "weights" / "card.json"
    card: dict[str, Json] = json.loads(file.read_text(encoding="utf-8"))
    return card


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """The one type this plugin reads."""
    return [
        SolverSpec(
            type_id=50200,
            name="通用数英",
            name_en="alphanumeric",
            price=Decimal("0.0010"),
            load=_load,
            sample=_sample,
            sample_answer="r7k4m",
            options=TEXT_OPTIONS,
            card=_card,
        )
    ]
