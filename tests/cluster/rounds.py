"""One fault a round on a cluster under load, and then the whole truth: ``make bench-cluster``.

``python -m cluster.rounds --json FILE [--rounds N]`` writes what docs/scaling.md quotes.
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
from cluster.arena import Running, children, on_ray, run_trial, serve_on, wait_until, workers

CLIENTS = 8
BEFORE, AFTER = 20, 20
REPLICAS = 2
WHOLE_WITHIN_S = 240.0


@dataclass(frozen=True)
class Row:
    """One round.

    Attributes:
        fault: its name.
        silence_s: the longest time without an answer to anybody.
        whole_s: until all workers were there again.
        answered, failed: requests meanwhile.
        breaches: of the promises of `Arena.find_breaches`.
    """

    fault: str
    silence_s: float
    whole_s: float
    answered: int
    failed: int
    breaches: list[str]


def kill_worker(arena: Arena, trial: Running) -> None:
    """One actor's process."""
    os.kill(next(iter(workers(trial))), signal.SIGKILL)


def kill_bridge(arena: Arena, trial: Running) -> None:
    """What joins the server to the cluster, and all its actors with it."""
    (bridge,) = children(arena.server.process.pid)
    os.kill(bridge, signal.SIGKILL)


def kill_node(arena: Arena, trial: Running) -> None:
    """The node that is not the head's; it comes back with the next head only."""
    os.kill(trial.now.raylets[-1], signal.SIGKILL)


def kill_head(arena: Arena, trial: Running) -> None:
    """The process that knows all nodes and workers; what supervises it starts all of them again."""
    now = trial.now
    os.kill(now.head, signal.SIGKILL)
    os.kill(now.raylets[0], signal.SIGKILL)


FAULTS: Mapping[str, Callable[[Arena, Running], None]] = {
    "worker": kill_worker,
    "bridge": kill_bridge,
    "node": kill_node,
    "head": kill_head,  # after the node, which comes back with it
}


class Silence:
    """How long nobody was answered, as far as it was looked."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._answers = load.answers
        self._since_s = time.monotonic()
        self.longest_s = 0.0

    def look(self) -> bool:
        """Look once; true, so that conditions can begin with it."""
        now_s = time.monotonic()
        self.longest_s = max(self.longest_s, now_s - self._since_s)
        if self._load.answers != self._answers:
            self._answers, self._since_s = self._load.answers, now_s
        return True


def play(fault: str, arena: Arena, trial: Running) -> Row:
    """One round."""
    before = set(workers(trial))
    # Named for what was told before, too: a fault that comes again is asked with new names.
    name = f"{fault}-{len(arena.told.charged)}"
    load = Load(arena.server, arena.key, arena.told, name=name, clients=CLIENTS)
    with load.run():
        load.wait_for(answers=BEFORE, timeout_s=120)
        answers, failures = load.answers, load.failures
        FAULTS[fault](arena, trial)
        since_s = time.monotonic()
        silence = Silence(load)
        wait_until(
            lambda: (
                silence.look() and len(now := set(workers(trial))) == REPLICAS and now != before
            ),
            within_s=WHOLE_WITHIN_S,
        )
        whole_s = time.monotonic() - since_s
        enough = load.answers + AFTER
        wait_until(lambda: silence.look() and load.answers >= enough, within_s=WHOLE_WITHIN_S)
    breaches = arena.find_breaches(within_s=60)
    return Row(
        fault,
        silence.longest_s,
        whole_s,
        load.answers - answers,
        load.failures - failures,
        breaches,
    )


def open_registry() -> str:
    """The one type that all rounds ask."""
    return on_ray(fakes.ECHO, replicas=REPLICAS)


def main() -> None:
    """Play every fault in turn, again and again, and write down what each time cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3, help="of each fault")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        run_trial(folder := Path(name)) as trial,
        serve_on(trial, folder, open_registry(), plugins=("fakes",)) as arena,
    ):
        rows = []
        for fault in list(FAULTS) * arguments.rounds:
            rows.append(play(fault, arena, trial))
            print(rows[-1], flush=True)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-cluster",
        "cores": len(os.sched_getaffinity(0)),
        "clients": CLIENTS,
        "replicas": REPLICAS,
        "rounds": [asdict(row) for row in rows],
    }
    arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
