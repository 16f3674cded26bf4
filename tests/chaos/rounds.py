"""Rounds of load with one fault each, and after each the whole truth: ``make chaos``.

The seed decides the order of the faults and all they choose; when a fault meets which request is
the machine's affair.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from chaos.arena import Arena
from chaos.clients import Load, Told
from chaos.faults import FAULTS

CLIENTS = 4
BEFORE, AFTER = 12, 12
"""Answers under load before a fault, and after the service answers again."""
ANSWERS_WITHIN_S = 3.0


@dataclass(frozen=True)
class Row:
    """One round.

    Attributes:
        fault: its name.
        answers_s: from the fault to the first answer after it.
        whole_s: until all workers had answered.
        breaches: of the promises; none where all is well.
    """

    fault: str
    answers_s: float
    whole_s: float
    breaches: Sequence[str]


def play(arena: Arena, count: int, *, seed: int, within_s: float) -> Iterator[Row]:
    """Play rounds; every fault comes once before any comes again."""
    deck: list[str] = []
    seen: set[str] = set()  # what is wrong in the ledger stays; it is one breach of one round
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        if not deck:
            deck = rng.sample(list(FAULTS), len(FAULTS))
        row = _play_one(arena, deck.pop(), rng, name=f"{seed}-{number}", within_s=within_s)
        yield replace(row, breaches=[breach for breach in row.breaches if breach not in seen])
        seen.update(row.breaches)


def _play_one(arena: Arena, fault: str, rng: random.Random, *, name: str, within_s: float) -> Row:
    load = Load(arena.server, arena.key, arena.told, name=name, clients=CLIENTS)
    with load.run():
        load.wait_for(answers=BEFORE)
        since_s = FAULTS[fault](arena, rng, load)
        answers_s = arena.wait_for_answer(since_s)
        load.wait_for(answers=AFTER)
    arena.wait_until_whole()
    whole_s = time.monotonic() - since_s
    breaches = arena.find_breaches(within_s=within_s)
    if answers_s > within_s:
        breaches.append(f"the first answer came after {answers_s:.2f} s")
    return Row(fault, answers_s, whole_s, breaches)


def summarize(rows: Sequence[Row]) -> str:
    """A table in Markdown: rounds, breaches and seconds until the first answer, by fault."""
    lines = [
        "| fault | rounds | breaches | answers again after, median | p99 | max | whole, median |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(fault, [row for row in rows if row.fault == fault]) for fault in FAULTS]
    return "\n".join([*lines, _line("all", rows)])


def _line(name: str, rows: Sequence[Row]) -> str:
    if not rows:
        return f"| {name} | 0 | | | | | |"
    breaches = sum(len(row.breaches) for row in rows)
    times = " | ".join(f"{seconds:.2f} s" for seconds in measure(rows).values())
    return f"| {name} | {len(rows)} | {breaches} | {times} |"


def measure(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds until the first answer, and until all workers had answered."""
    answers = sorted(row.answers_s for row in rows)
    times = {
        "answers_s_median": statistics.median(answers),
        "answers_s_p99": answers[min(len(answers) - 1, int(len(answers) * 0.99))],
        "answers_s_longest": answers[-1],
        "whole_s_median": statistics.median(row.whole_s for row in rows),
    }
    return {name: round(seconds, 2) for name, seconds in times.items()}


def record(rows: Sequence[Row], told: Told, *, command: str, seconds: float) -> dict[str, object]:
    """What is written down of a run."""
    by_fault = {name: [row for row in rows if row.fault == name] for name in FAULTS}
    return {
        "command": command,
        "date": f"{date.today()}",
        "seconds": round(seconds),
        "acknowledged_charges": len(told.charged),
        "failures_told": len(told.failed),
        "repeated_requests": told.repeated,
        "replies": {str(status): count for status, count in sorted(told.replies.items())},
        "breaches": [breach for row in rows for breach in row.breaches],
        "faults": {
            name: {"rounds": len(some), **measure(some)} for name, some in by_fault.items() if some
        },
    }


@contextmanager
def open_arena(folder: Path, *, on_postgres: bool) -> Iterator[Arena]:
    """A server on either database, which ends with the block."""
    if not on_postgres:
        with Arena.open(folder) as arena:
            yield arena
        return
    import pgserver  # here, as it needs psycopg

    with pgserver.running() as postgres, Arena.open(folder, postgres=postgres) as arena:
        yield arena


def main() -> None:
    """Exit with 1 if any promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, not SQLite")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file for what came of it")
    arguments = parser.parse_args()
    began_s = time.monotonic()
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_arena(Path(folder), on_postgres=arguments.postgres) as arena,
    ):
        played = play(arena, arguments.rounds, seed=arguments.seed, within_s=ANSWERS_WITHIN_S)
        for row in played:
            rows.append(row)
            print(f"{len(rows):4} {row.fault}: {row.answers_s:.2f} s", *row.breaches, flush=True)
        told = arena.told
    print(f"\n{summarize(rows)}\n")
    print(
        f"{len(told.charged)} answers acknowledged, {len(told.failed)} failures told with a log ID,"
        f" {told.repeated} requests repeated as their reply was lost;"
        f" replies {dict(sorted(told.replies.items()))}; {time.monotonic() - began_s:.0f} s"
    )
    if arguments.json:
        target = "make chaos-postgres" if arguments.postgres else "make chaos"
        command = f"{target} ROUNDS={arguments.rounds} SEED={arguments.seed}"
        made = record(rows, told, command=command, seconds=time.monotonic() - began_s)
        arguments.json.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(row.breaches for row in rows))


if __name__ == "__main__":
    main()
