"""The command line in process, on a database and a registry of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loupette.cli.main import main


@pytest.fixture
def loupette(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., object]
) -> Callable[..., Result]:
    """Runs one command in an empty folder, with the fakes beside the installed plugins."""
    make_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOUPETTE_PLUGINS", "fakes")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return run


@pytest.fixture
def as_json(loupette: Callable[..., Result]) -> Callable[..., Any]:
    """Runs one command with --json and gives what it printed."""

    def run(*arguments: str) -> Any:
        result = loupette(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
