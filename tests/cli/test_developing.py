"""--plugins-dir: one-file plugins while they are written; LOUPETTE_TRACE_PLUGINS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import fakes

pytestmark = pytest.mark.usefixtures("forget_modules")

Run = Callable[..., Result]
Json = Callable[..., Any]

PLUGIN = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

@hookimpl
def loupette_solvers():
    return [SolverSpec(type_id={type_id}, name="试", name_en="trial", price=Decimal("0.02"),
        load=lambda: fakes.Fake(lambda asked: Answer("{answer}", 0.9)), sample=fakes.draw_png,
        sample_answer="{answer}")]
"""
FIRST = PLUGIN.format(type_id=60200, answer="first")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "trial.py").write_text(FIRST)
    return tmp_path / "mine"


def test_types_of_the_folder_are_served_at_their_own_price(as_json: Json, folder: Path) -> None:
    (entry,) = [row for row in as_json("types", "--plugins-dir", "mine") if row["type"] == 60200]
    assert (entry["price"], entry["plugin"]) == (0.02, "trial.py")


def test_registry_has_the_word_on_a_type_of_the_folder(
    as_json: Json, folder: Path, tmp_path: Path
) -> None:
    with (tmp_path / "registry.toml").open("a") as registry:
        registry.write("[types.60200]\nprice = 0.07\n")
    (entry,) = [row for row in as_json("types", "--plugins-dir", "mine") if row["type"] == 60200]
    assert entry["price"] == 0.07


def test_solve_reads_with_a_plugin_of_the_folder(
    loupette: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "image.png").write_bytes(fakes.draw_png())
    result = loupette("solve", "image.png", "--type", "60200", "--plugins-dir", "mine")
    assert (result.exit_code, result.output) == (0, "first\n")


def test_setting_names_the_folder_as_well(
    as_json: Json, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPETTE_PLUGINS_DIR", str(folder))
    assert ["trial.py", [60200], "loaded"] in [
        [row["plugin"], row["types"], row["state"]] for row in as_json("plugins")
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        (PLUGIN.format(type_id=fakes.ECHO, answer="x"), "type 60001 is offered by fakes and by"),
    ],
    ids=["import", "an ID that is taken"],
)
def test_file_that_is_broken_is_told_and_the_others_go_on(
    as_json: Json, folder: Path, source: str, reason: str
) -> None:
    (folder / "broken.py").write_text(source)
    states = {row["plugin"]: row["state"] for row in as_json("plugins", "--plugins-dir", "mine")}
    assert reason in states["broken.py"]
    assert states["trial.py"] == states["fakes"] == "loaded"


def test_no_folder_is_a_mistake_of_the_command_line(loupette: Run) -> None:
    result = loupette("types", "--plugins-dir", "none")
    assert result.exit_code == 2
    assert "does not exist" in result.output


def test_trace_tells_each_import_and_each_hook_call_with_its_time(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loupette", "plugins", "--json", "--plugins-dir", "mine"],
        cwd=folder.parent,
        env={**os.environ, "LOUPETTE_TRACE_PLUGINS": "1", "LOUPETTE_PLUGINS": "fakes,absent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line.rpartition(" in ")[0] for line in done.stderr.splitlines()]
    told = "DEBUG: loupette.manager: "
    assert f"{told}fakes is imported from fakes: done" in lines
    assert f"{told}trial.py is asked for loupette_solvers(): done" in lines
    assert f"{told}absent is imported from absent: failed" in lines
    assert json.loads(done.stdout)
