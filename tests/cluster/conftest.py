"""A cluster of two nodes on loopback for each file of this folder, as they kill its nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.arena import Running, run_trial


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_trial(tmp_path_factory.mktemp("cluster")) as running:
        yield running
