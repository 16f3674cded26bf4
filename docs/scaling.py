"""What scaling.md takes from the figures of the benches, as far as they have been measured."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from generate import DEATHS, ROOT, table
from performance import read

BENCH = ROOT / "bench"
CAPACITY = BENCH / "capacity.json"
"""Written by ``make bench-capacity JSON=bench/capacity.json``."""
CLUSTER = BENCH / "cluster.json"
"""Written by ``make bench-cluster JSON=bench/cluster.json``."""
FRONTS = BENCH / "fronts.json"
"""Written by ``make bench-fronts JSON=bench/fronts.json``."""
REMOTE = BENCH / "remote.json"
"""Written by ``make bench-remote JSON=bench/remote.json``."""

_PARTS = {
    "front": "front on PostgreSQL: HTTP, key, rate, hold, settling, and decoding the image",
    "solver": "solver of `50200`, image to reply",
    "remote": "what a cluster adds to the solver, sixteen images in a call",
    "database": "all processes of PostgreSQL, for one front",
    "charge": "one database: time a charge, several fronts at once",
}
_FAULTS = {
    "worker": "`kill -9` of a worker on a node",
    "bridge": "`kill -9` of the server's bridge, with which all its workers end",
    "head": "`kill -9` of the head and of its node, with which all nodes and workers end",
    "node": "`kill -9` of a node, for good",
}
_DEATHS = {
    "server killed": "`kill -9` of one of the fronts",
    "PostgreSQL killed": "`kill -9` of PostgreSQL, for both fronts",
}


def costs() -> str:
    """What one request takes of each part."""
    measured = read(CAPACITY)
    full = measured["full_at"]
    rows = []
    for part, said in _PARTS.items():
        us = measured["costs_us"][part]
        limit = full.get({"charge": "writer"}.get(part, part))
        rows.append((said, us, f"{limit:.0f} a second" if limit else ""))
    return table(("part", "µs a request", "one core, or one database, is full at"), rows)


def fronts() -> str:
    """What fronts on one database do."""
    measured = read(FRONTS)
    request = measured["request"]
    rows = [
        (count, row["per_s"], f"{least}–{most}", row["front_us"], row["database_us"])
        for count, row in measured["charges"].items()
        for least, *_, most in [row["rounds_per_s"]]
    ]
    return (
        f"Measured {measured['date']} with `{measured['command']}` on {_cores(measured)}"
        f" ({measured['processor']}), which fronts and PostgreSQL share with whatever else runs;"
        f" {measured['clients_of_each_front']} requests at once at each front, all fronts charge"
        " the same accounts:\n\n"
        + table(
            ("fronts", "charges/s", "in the rounds", "CPU µs of a front", "CPU µs of PostgreSQL"),
            rows,
        )
        + f"\nThat is without HTTP. With it, one front that has {measured['connections']}"
        f" connections takes {request['front_us']} µs a request and PostgreSQL"
        f" {request['database_us']} µs, at {request['per_s']} requests/s: fewer wait for a commit"
        " together, so each has a larger share of it.\n"
    )


def database_cores() -> str:
    """What a full database's processes take of the cores that the plans give it."""
    measured = read(CAPACITY)
    rate = measured["busy"] * measured["full_at"]["writer"]
    cores = rate * measured["costs_us"]["database"] / 1e6
    return (
        f"A database is given {measured['cores_of_database']} cores: at {measured['busy']:.0%} of"
        f" its charges its processes take {cores:.1f} cores for these, and the reads of callers'"
        " logs are not measured.\n"
    )


def plans() -> str:
    """What each rate takes."""
    return table(
        ("requests/s", "cores of fronts", "cores of solvers", "databases", "p50 ms", "p99 ms",
         "¥ a million"),
        (
            (
                plan["rate"],
                plan["fronts"],
                plan["solvers"],
                plan["writers"],
                f"{plan['p50_ms']:.1f}",
                f"{plan['p99_ms']:.1f}",
                f"{plan['yuan_a_million']:.2f}",
            )
            for plan in read(CAPACITY)["plans"]
        ),
    )  # fmt: skip


def remote() -> str:
    """What a call to the cluster costs beside a worker of this machine."""
    measured = read(REMOTE)
    (goal,), us = measured["goals"], measured["us"]
    said = "met" if goal["is_met"] else "not met"
    rows = [
        ("sixteen wait whenever a call goes out", us["local"], us["ray"]),
        ("one at a time", us["local_alone"], us["ray_alone"]),
    ]
    return (
        f"Measured {measured['date']} with `{measured['command']}` on {_cores(measured)}"
        f" ({measured['processor']}), images of {measured['image_bytes']} bytes, a solver that"
        " answers at once; processor time of an image, of all processes that have to do with it, in"
        " µs:\n\n"
        + table(("images", "worker of this machine", "worker of the cluster"), rows)
        + f"\nWith sixteen, the cluster's less this machine's is {goal['median']:.2f} ms"
        f" ({min(goal['numbers']):.2f} to {max(goal['numbers']):.2f} in the rounds); the goal of at"
        f" most {goal['bound']:g} ms is {said}.\n"
    )


def faults() -> str:
    """What the faults of a cluster cost the callers."""
    measured = read(CLUSTER)
    rounds: dict[str, list[Mapping[str, Any]]] = {fault: [] for fault in _FAULTS}
    for row in measured["rounds"]:
        rounds[row["fault"]].append(row)
    when = (
        f"\nMedians of the rounds and, in brackets, the least and the most. Measured"
        f" {measured['date']} with `{measured['command']}` on {_cores(measured)}:"
        f" {measured['clients']} clients without pause, {measured['replicas']} workers on two"
        " nodes.\n"
    )
    columns = ("fault", "rounds", "longest without an answer", "all workers after", "answered",
               "failed", "charges lost, doubled or made for nothing")  # fmt: skip
    return table(columns, (_fault(fault, rows) for fault, rows in rounds.items() if rows)) + when


def _fault(fault: str, rows: Sequence[Mapping[str, Any]]) -> tuple[object, ...]:
    return (
        _FAULTS[fault],
        len(rows),
        _spread(row["silence_s"] for row in rows),
        _spread(row["whole_s"] for row in rows),
        sum(row["answered"] for row in rows),
        sum(row["failed"] for row in rows),
        sum(len(row["breaches"]) for row in rows),
    )


def _spread(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    return f"{statistics.median(found):.1f} s ({found[0]:.1f}–{found[-1]:.1f})"


def _cores(measured: Mapping[str, Any]) -> str:
    return "one core" if measured["cores"] == 1 else f"{measured['cores']} cores"


def deaths() -> str:
    """What the death of a front, or of the database, costs the callers."""
    measured = read(DEATHS)
    columns = ("fault", "rounds", "it answers again after", "at the longest")
    rows = (
        (said, row["rounds"], f"{row['back_s_median']:.1f} s", f"{row['back_s_longest']:.1f} s")
        for fault, said in _DEATHS.items()
        for row in [measured["faults"][fault]]
    )
    failed = sum(count for status, count in measured["replies"].items() if status != "200")
    return table(columns, rows) + (
        f"\nOver all of these rounds: {measured['acknowledged_charges']} answered, {failed} failed,"
        f" {measured['lost_or_doubled']} charges lost, doubled or made for nothing. Measured with"
        f" `{measured['command']}`: {measured['clients']} clients without pause, two fronts with a"
        " worker each.\n"
    )
