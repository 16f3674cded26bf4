"""All delivered types on two nodes under load: every worker works, and then a node goes."""

from collections.abc import Iterator

import pytest

from chaos.arena import Arena
from chaos.clients import Load
from cluster.arena import (
    DELIVERED,
    Running,
    is_answering,
    on_ray,
    sample,
    serve_on,
    wait_until,
    workers,
)
from cluster.rounds import kill_node
from serving import Reply

REPLICAS = 2
WORKERS = REPLICAS * len(DELIVERED)
CLIENTS = 8
ANSWERS = 30
WITHIN_S = 240.0


class Callers(Load):
    """Clients that ask for all delivered types in turn, each time its sample."""

    def __init__(self, arena: Arena, *, name: str, clients: int) -> None:
        super().__init__(arena.server, arena.key, arena.told, name=name, clients=clients)
        self._fields = [
            {"image": sample(arena.server, spec.type_id), "type": spec.type_id}
            for spec in DELIVERED
        ]

    def _post(self, name: str) -> Reply:
        fields = self._fields[int(name.rpartition("-")[2]) % len(self._fields)]
        return self._server.post(fields, self._key, {"Idempotency-Key": name})


@pytest.fixture(scope="module")
def arena(trial: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    registry = "".join(on_ray(spec.type_id, replicas=REPLICAS) for spec in DELIVERED)
    folder = tmp_path_factory.mktemp("removal")
    with serve_on(trial, folder, registry, plugins=()) as running:
        yield running


def test_every_worker_answers_under_load_and_a_nodes_removal_fails_no_request(
    arena: Arena, trial: Running
) -> None:
    wait_until(lambda: len(workers(trial)) == WORKERS, within_s=WITHIN_S)
    everybody, nodes = set(workers(trial)), trial.now.raylets
    assert sorted(workers(trial).values()) == sorted(nodes * len(DELIVERED))
    answered: set[int] = set()

    def have_all_answered() -> bool:
        answered.update(filter(is_answering, everybody))
        return answered == everybody

    load = Callers(arena, name="types", clients=CLIENTS)
    with load.run():
        wait_until(have_all_answered, within_s=WITHIN_S)
        load.wait_for(answers=ANSWERS, timeout_s=WITHIN_S)
        kill_node(arena, trial)
        wait_until(lambda: [*workers(trial).values()] == nodes[:1] * WORKERS, within_s=WITHIN_S)
        load.wait_for(answers=ANSWERS, timeout_s=WITHIN_S)
    assert load.failures == 0
    assert set(arena.told.replies) == {200}
    assert arena.find_breaches(within_s=60) == []
