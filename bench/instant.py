"""A plugin whose solver returns at once: what is left is the endpoint's own work."""

from decimal import Decimal
from importlib import resources

from loupette.plugin import Answer, Challenge, SolverSpec, hookimpl

TYPE_ID = 60000


class Instant:
    """Looks at nothing."""

    def solve(self, challenge: Challenge) -> Answer:
        """The same answer, always."""
        return Answer("r7k4m", 1.0)


@hookimpl
def loupette_solvers() -> list[SolverSpec]:
    """The one type."""
    sample = resources.files("loupette_alnum") / "samples" / "sample.png"
    return [
        SolverSpec(
            type_id=TYPE_ID,
            name="即答",
            name_en="instant",
            price=Decimal("0.0010"),
            load=Instant,
            sample=sample.read_bytes,
            sample_answer="r7k4m",
        )
    ]
