"""One fault a round on a cluster under load, and then the whole truth: ``make bench-cluster``.

``python -m cluster.rounds --json FILE`` writes what docs/scaling.md quotes.
"""

import argparse
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import fakes
from chaos.arena import Arena
from chaos.clients import Load
from cluster.arena import children, on_ray, run_trial, serve_on, wait_until, workers
from loupette.cluster.trial import Trial

CLIENTS = 8
BEFORE, AFTER = 20, 20
REPLICAS = 2
WHOLE_WITHIN_S = 240.0


@dataclass(frozen=True)
class Row:
    """One round.

    Attributes:
        fault: its name.
        answers_s: from the fault to the first answer to a request that came after it.
        whole_s: until all workers were there again.
        answered, failed: requests meanwhile.
        breaches: of the promises of `Arena.find_breaches`.
    """

    fault: str
    answers_s: float
    whole_s: float
    answered: int
    failed: int
    breaches: list[str]


def kill_worker(arena: Arena, trial: Trial) -> None:
    """One actor's process."""
    os.kill(next(iter(workers(trial))), signal.SIGKILL)


def kill_bridge(arena: Arena, trial: Trial) -> None:
    """What joins the server to the cluster, and all its actors with it."""
    (bridge,) = children(arena.server.process.pid)
    os.kill(bridge, signal.SIGKILL)


def kill_node(arena: Arena, trial: Trial) -> None:
    """The node that is not the head's, for good."""
    os.kill(trial.raylets[-1], signal.SIGKILL)


FAULTS: Mapping[str, Callable[[Arena, Trial], None]] = {
    "worker": kill_worker,
    "bridge": kill_bridge,
    "node": kill_node,  # the last, as it does not come back
}


def play(fault: str, arena: Arena, trial: Trial) -> Row:
    """One round."""
    before = set(workers(trial))
    load = Load(arena.server, arena.key, arena.told, name=fault, clients=CLIENTS)
    with load.run():
        load.wait_for(answers=BEFORE, timeout_s=120)
        answers, failures = load.answers, load.failures
        FAULTS[fault](arena, trial)
        since_s = time.monotonic()
        wait_until(lambda: arena.ask().status == 200, within_s=WHOLE_WITHIN_S)
        answers_s = time.monotonic() - since_s
        wait_until(
            lambda: len(now := set(workers(trial))) == REPLICAS and now != before,
            within_s=WHOLE_WITHIN_S,
        )
        whole_s = time.monotonic() - since_s
        load.wait_for(answers=AFTER, timeout_s=120)
    breaches = arena.find_breaches(within_s=60)
    return Row(
        fault, answers_s, whole_s, load.answers - answers, load.failures - failures, breaches
    )


def open_registry() -> str:
    """The one type that all rounds ask."""
    return on_ray(fakes.ECHO, replicas=REPLICAS)


def main() -> None:
    """Play every fault once, and write down what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        run_trial(folder := Path(name)) as trial,
        serve_on(trial, folder, open_registry(), plugins=("fakes",)) as arena,
    ):
        rows = [play(fault, arena, trial) for fault in FAULTS]
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-cluster",
        "clients": CLIENTS,
        "replicas": REPLICAS,
        "rounds": [asdict(row) for row in rows],
    }
    arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
