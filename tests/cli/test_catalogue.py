"""loupette types, loupette plugins."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

import fakes

Run = Callable[..., Result]
Json = Callable[..., Any]


def test_types_lists_what_the_registry_serves_with_prices(as_json: Json) -> None:
    types = as_json("types")
    assert {entry["type"] for entry in types} == set(range(fakes.ECHO, fakes.CLOSED + 1))
    assert {entry["price"] for entry in types} == {0.01}


def test_types_without_a_registry_serves_every_plugin(as_json: Json, tmp_path: Path) -> None:
    (tmp_path / "registry.toml").unlink()
    assert {10200, 50100, 50200} <= {entry["type"] for entry in as_json("types")}


def test_a_mistyped_registry_is_an_error(loupette: Run) -> None:
    result = loupette("--registry", "typo.toml", "types")
    assert result.exit_code == 1
    assert "typo.toml: there is no such file" in result.output


def test_plugins_shows_why_one_failed(loupette: Run, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "broken_plugin.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LOUPETTE_PLUGINS", "fakes,broken_plugin")
    output = loupette("plugins").output
    assert "No module named 'no_such_module'" in output
    assert "fakes" in output


def test_registry_mistake_is_one_line_without_a_traceback(loupette: Run, tmp_path: Path) -> None:
    (tmp_path / "registry.toml").write_text("[types.60001]\nprise = 1\n")
    result = loupette("types")
    assert result.exit_code == 1
    assert "registry.toml: types.60001.prise: unknown key; did you mean 'price'?" in result.output
    assert "Traceback" not in result.output


def test_types_loads_no_runtime() -> None:
    """Every installed plugin is described without TensorFlow, LiteRT, scikit-image or OpenCV."""
    code = (
        "import sys; from loupette.cli.main import main\n"
        "try: main(['types', '--json'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'ai_edge_litert', 'skimage', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"type": 50200' in done.stdout
