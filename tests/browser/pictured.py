"""A plugin whose answers have everything that the console draws, and a script besides."""

from decimal import Decimal

from fakes import Fake, draw_png
from loupette.plugin import Answer, Challenge, SolverSpec, hookimpl

PICTURED, SCRIPT = 60101, 60102
HACK = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
BOX = [20, 10, 40, 30]


def _pictured(challenge: Challenge) -> Answer:
    """Reads "ab", with a box round all of it and how sure each character is."""
    characters = [
        {"text": "a", "confidence": 0.99, "box": [20, 10, 20, 30]},
        {"text": "b", "confidence": 0.5, "box": [40, 10, 20, 30]},
    ]
    return Answer("ab", 0.75, {"box": BOX, "characters": characters})


def _script(challenge: Challenge) -> Answer:
    return Answer(HACK, 0.9, {"note": HACK, "characters": [{"text": HACK, "confidence": 1.0}]})


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    return [
        SolverSpec(
            type_id=type_id,
            name=name,
            name_en=name_en,
            price=Decimal("0.01"),
            load=lambda solve=solve: Fake(solve),  # type: ignore[misc]  # mypy wants its type
            sample=lambda: draw_png(200, 80, "lightblue"),
            sample_answer=answer,
        )
        for type_id, name, name_en, solve, answer in (
            (PICTURED, "带框", "with boxes", _pictured, "ab"),
            (SCRIPT, "脚本", "script", _script, HACK),
        )
    ]
