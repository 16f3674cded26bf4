"""Every check of the kit, up to gold."""

from collections.abc import Callable

import pytest


@pytest.mark.loupette_plugin("loupette-arith")
def test_conformance(conformance: Callable[[], str | None]) -> None:
    assert conformance() is None
