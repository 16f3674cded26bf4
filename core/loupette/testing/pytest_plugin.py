"""Fixtures for plugin authors; pytest finds them by the entry point ``pytest11``.

Only pytest is imported at its start: what the fixtures need is imported in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from loupette.plugin import Challenge
    from loupette.testing import Check, Subject

MARKER = "loupette_plugin"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{MARKER}(package): the plugin that the fixture `conformance` checks"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each type of the marked plugin and each check."""
    if "conformance" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        raise pytest.UsageError(
            f'{metafunc.function.__name__} needs @pytest.mark.{MARKER}("the package")'
        )
    from loupette.testing import CHECKS, find_subjects

    cases = [
        pytest.param((subject, check), id=f"{subject.spec.type_id}-{check.name}")
        for subject in find_subjects(*marker.args)
        for check in CHECKS
    ]
    metafunc.parametrize("conformance", cases, indirect=True)


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Runs one check on one type; gives what is not met, with what was expected, or None."""
    from loupette.testing import NotMet

    case: tuple[Subject, Check] = request.param
    subject, check = case

    def run() -> str | None:
        try:
            check.run(subject)
        except NotMet as error:
            return f"{check.promise}\n{error}"
        return None

    return run


@pytest.fixture
def challenge() -> Callable[..., Challenge]:
    """Makes what a solver is handed, from image files: `loupette.testing.make_challenge`."""
    from loupette.testing import make_challenge

    return make_challenge
