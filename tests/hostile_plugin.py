"""A plugin whose every text is an attack on the pages that show it, and whose type is broken."""

from decimal import Decimal

import fakes
from loupette.plugin import Option, Solver, SolverSpec, hookimpl

TYPE_ID = 60099
ATTACK = "<b onerror=alert(1)>\"'><b>{{ 7 * 7 }}"


def _load() -> Solver:
    raise RuntimeError("SECRET")


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    return [
        SolverSpec(
            type_id=TYPE_ID,
            name=ATTACK,
            name_en=ATTACK,
            price=Decimal("0.01"),
            load=_load,
            sample=fakes.draw_png,
            sample_answer=ATTACK,
            options=(Option("mode", "choice", ATTACK, ATTACK, default=ATTACK, choices=(ATTACK,)),),
            card=lambda: {
                "sha256": "0" * 64,
                "measured": {
                    "right": 0.5,
                    "interval": [0.4, 0.6],
                    "n": 10,
                    "counted": ATTACK,
                    "counted_zh": ATTACK,
                    "date": "2026-01-02",
                    "command": ATTACK,
                },
            },
        )
    ]
