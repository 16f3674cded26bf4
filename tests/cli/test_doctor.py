"""loupette doctor."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from loupette.store.database import Database

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
CHECKS = ["python", "cpu", "litert", "files", "plugins", "registry", "sample 60001", "server",
          "database", "disk"]  # fmt: skip


@pytest.fixture
def folder(loupette: Run, tmp_path: Path) -> Path:
    """The command's folder, with a registry that serves one fake type alone."""
    (tmp_path / "registry.toml").write_text("[types.60001]\n")
    return tmp_path


def diagnose(loupette: Run, code: int) -> dict[str, dict[str, Any]]:
    result = loupette("doctor", "--json")
    assert result.exit_code == code, result.output
    told = json.loads(result.stdout)
    assert told["ok"] is (code == 0)
    return {check["check"]: check for check in told["checks"]}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}


def test_fresh_install_is_well_and_nothing_is_made(loupette: Run, folder: Path) -> None:
    before = snapshot(folder)
    result = loupette("doctor")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line[8:21].strip() for line in lines] == CHECKS
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    assert snapshot(folder) == before


def test_served_and_damaged_database_fails_and_is_left_alone(loupette: Run, folder: Path) -> None:
    with Database.open(folder / "loupette.db", exclusive=True) as database:
        tamper = "INSERT INTO accounts(name, balance, created_ms) VALUES ('acme', 5, 0)"
        database.write(lambda connection: connection.execute(tamper).close())
        found = diagnose(loupette, 1)
        database.write(lambda connection: connection.execute("SELECT 1").close())
    assert "is being served" in found["server"]["message"]
    assert (found["database"]["state"], found["disk"]["state"]) == ("failed", "ok")
    assert "loupette restore" in found["database"]["mend"]


def test_broken_plugin_and_unknown_package_are_both_told(
    loupette: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "registry.toml").write_text('[types.60100]\npackage = "loupette-nowhere"\n')
    (folder / "broken.py").write_text("import no_such_module\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    monkeypatch.setenv("LOUPETTE_PLUGINS", "broken")
    found = diagnose(loupette, 1)
    assert "No module named 'no_such_module'" in found["plugins"]["message"]
    assert "pip install loupette-nowhere" in found["registry"]["message"]
    assert "sample 50200" in found  # what is installed is tried, though the server does not start


def test_plugin_that_ends_its_process_is_named(
    loupette: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "deadly.py").write_text("import os; os._exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    monkeypatch.setenv("LOUPETTE_PLUGINS", "fakes,deadly")
    found = diagnose(loupette, 1)
    assert found["plugins"]["state"] == "failed"
    assert found["plugins"]["message"].startswith("deadly cannot be imported")
