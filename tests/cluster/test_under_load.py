"""Workers under load: all of them answer, one is added where challenges wait, all are renewed."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import fakes
from chaos.arena import Arena
from chaos.clients import Load, Told
from cluster.arena import Running, on_ray, serve_on, wait_until, workers
from serving import Reply

PLUGIN = """
import os
import time
from decimal import Decimal

import fakes
from loupette.plugin import Answer, SolverSpec, hookimpl


def solve(challenge):
    time.sleep(0.05)  # longer than all else, so that eight clients let challenges wait
    return Answer("{answer}", 1.0, {{"pid": os.getpid()}})


@hookimpl
def loupette_solvers():
    solver = fakes.Fake(solve)
    return [
        SolverSpec(
            fakes.ECHO, "名", "name", Decimal(0), lambda: solver, fakes.draw_png, "{answer}"
        )
    ]
"""
CLIENTS = 8
WITHIN_S = 240.0


@dataclass
class Heard(Told):
    """What clients were told, and by which process, and what the last answer was."""

    pids: Counter[int] = field(default_factory=Counter)
    last: str = ""

    def note(self, reply: Reply) -> None:
        super().note(reply)
        if reply.status == 200:
            with self._lock:
                self.pids[reply.json["data"]["detail"]["pid"]] += 1
                self.last = reply.json["data"]["result"]


@dataclass
class Stage:
    """A server of one plugin, which can be installed anew."""

    arena: Arena
    plugin: Path
    heard: Heard

    def install(self, answer: str) -> None:
        self.plugin.write_text(PLUGIN.format(answer=answer))

    def load(self) -> Load:
        arena = self.arena
        return Load(arena.server, arena.key, self.heard, name="asked", clients=CLIENTS)

    def find_faults(self, load: Load) -> list[str]:
        """What no caller should have met."""
        refused = [f"{load.failures} failed: {self.heard.replies}"] if load.failures else []
        return [*refused, *self.arena.find_breaches(within_s=60)]


Set = Callable[[str], AbstractContextManager[Stage]]


@pytest.fixture
def set_stage(trial: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Serve the plugin, placed as a registry says."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))

    @contextmanager
    def serve(registry: str) -> Iterator[Stage]:
        plugin = tmp_path / "own_plugin.py"
        plugin.write_text(PLUGIN.format(answer="old"))
        wait_until(lambda: not workers(trial), within_s=60)  # of the test before
        with serve_on(trial, tmp_path, registry, plugins=(plugin.stem,)) as arena:
            heard = arena.told = Heard()
            yield Stage(arena, plugin, heard)

    return serve


def test_both_nodes_answer_under_load(trial: Running, set_stage: Set) -> None:
    with set_stage(on_ray(fakes.ECHO)) as stage:
        wait_until(lambda: len(workers(trial)) == 2, within_s=WITHIN_S)
        load = stage.load()
        with load.run():
            load.wait_for(answers=400, timeout_s=WITHIN_S)
        nodes = workers(trial)
        answered = Counter[int]()
        for pid, count in stage.heard.pids.items():
            answered[nodes[pid]] += count
        assert set(answered) == set(trial.now.raylets)
        assert min(answered.values()) >= 100  # a quarter; what each gets also hangs on its speed
        assert stage.find_faults(load) == []


def test_a_worker_is_added_where_challenges_wait(trial: Running, set_stage: Set) -> None:
    registry = on_ray(fakes.ECHO, replicas=1, more=", max_replicas = 2, batch = 1")
    with set_stage(registry) as stage:
        (first,) = workers(trial)
        load = stage.load()
        with load.run():
            load.wait_for(answers=1, timeout_s=WITHIN_S)
            assert stage.arena.server.metric("loupette_queue_depth") > 0
            wait_until(lambda: len(stage.heard.pids) == 2, within_s=WITHIN_S)
        added = set(workers(trial)) - {first}
        assert set(stage.heard.pids) == {first, *added}
        assert workers(trial)[first] != workers(trial)[added.pop()]  # on the node that had none
        assert stage.find_faults(load) == []


def test_a_plugin_is_renewed_under_load_and_fails_no_request(
    trial: Running, set_stage: Set
) -> None:
    with set_stage(on_ray(fakes.ECHO)) as stage:
        wait_until(lambda: len(workers(trial)) == 2, within_s=WITHIN_S)
        before, server = set(workers(trial)), stage.arena.server
        load = stage.load()
        with load.run():
            load.wait_for(answers=20, timeout_s=WITHIN_S)
            assert stage.heard.last == "old"
            stage.install("renewed")
            server.process.send_signal(signal.SIGHUP)
            recycled = 'loupette_worker_restarts_total{reason="recycled"}'
            wait_until(lambda: server.metric(recycled) >= 2, within_s=WITHIN_S)
            load.wait_for(answers=CLIENTS + 20, timeout_s=WITHIN_S)  # the first ones may be older
        assert stage.heard.last == "renewed"
        wait_until(lambda: len(workers(trial)) == 2, within_s=WITHIN_S)
        assert not before & set(workers(trial))
        assert stage.find_faults(load) == []
