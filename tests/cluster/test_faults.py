"""A worker, the bridge and a node killed under load: nobody is told of it, and no money is lost."""

from collections.abc import Iterator

import pytest

from chaos.arena import Arena
from cluster.arena import serve_on
from cluster.rounds import FAULTS, open_registry, play
from loupette.cluster.trial import Trial


@pytest.fixture(scope="module")
def arena(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("faults")
    with serve_on(trial, folder, open_registry(), plugins=("fakes",)) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_under_load_loses_no_charge_and_fails_nobody_who_has_another_worker(
    arena: Arena, trial: Trial, fault: str
) -> None:
    row = play(fault, arena, trial)
    assert row.breaches == []
    # Without its bridge the server has no worker; who waits for one past the deadline is told 429.
    assert row.failed == 0 or fault == "bridge"
    assert set(arena.told.replies) <= {200, 429}
