"""A worker, the bridge, the head and a node killed under load: no money lost, hardly a word."""

from collections.abc import Iterator

import pytest

from chaos.arena import Arena
from cluster.arena import Running, serve_on
from cluster.rounds import FAULTS, open_registry, play


@pytest.fixture(scope="module")
def arena(trial: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("faults")
    with serve_on(trial, folder, open_registry(), plugins=("fakes",)) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_under_load_loses_no_charge_and_fails_nobody_who_has_another_worker(
    arena: Arena, trial: Running, fault: str
) -> None:
    row = play(fault, arena, trial)
    assert row.breaches == []
    # Without its bridge or the head the server has no worker; who waits too long is told 429.
    assert row.failed == 0 or fault in ("bridge", "head")
    assert set(arena.told.replies) <= {200, 429}
