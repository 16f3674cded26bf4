"""All delivered types on a cluster of two nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.arena import Arena
from cluster.arena import DELIVERED, Running, on_ray, sample, serve_on, status
from loupette.plugin import SolverSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("types")


@pytest.fixture(scope="module")
def arena(trial: Running, folder: Path) -> Iterator[Arena]:
    registry = "".join(on_ray(spec.type_id) for spec in DELIVERED)
    with serve_on(trial, folder, registry, plugins=()) as running:
        yield running


def test_all_delivered_types_are_there() -> None:
    assert {spec.type_id for spec in DELIVERED} == {10200, 50100, 50200}


@pytest.mark.parametrize("spec", DELIVERED, ids=lambda spec: str(spec.type_id))
def test_a_type_is_read_on_the_cluster(arena: Arena, spec: SolverSpec) -> None:
    reply = arena.ask(spec.type_id, sample(arena.server, spec.type_id))
    assert reply.status == 200, reply.json
    assert reply.json["data"]["result"] == spec.sample_answer


def test_each_type_has_a_worker_on_each_node(arena: Arena, trial: Running) -> None:
    nodes = status(trial)
    assert [node["workers"] for node in nodes] == [
        {str(spec.type_id): 1 for spec in DELIVERED} for _ in trial.now.raylets
    ]


def test_the_server_itself_has_nothing_of_ray(arena: Arena) -> None:
    maps = Path(f"/proc/{arena.server.process.pid}/maps").read_text()
    assert "loupette" in Path(f"/proc/{arena.server.process.pid}/cmdline").read_text()
    assert "_raylet" not in maps
