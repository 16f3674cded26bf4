"""What goes to other machines: the engine and one plugin, and nothing else of this one."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import loupette_alnum
from loupette.cluster.package import find_version, stage

READ = """
import sys; sys.path.insert(0, '.')
import loupette, loupette_alnum
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.solving import Solvers
(plugin,) = [one for one in load_plugins().loaded if one.name == 'loupette-alnum']
(spec,) = plugin.specs
reply = Solvers([plugin]).answer(Task(spec.type_id, spec.sample()))
print(loupette.__file__, loupette_alnum.__file__, plugin.version, reply.result)
"""


def test_the_engine_and_a_plugin_with_its_weights_work_from_the_folder(tmp_path: Path) -> None:
    stage(tmp_path, name="loupette-alnum", module="loupette_alnum")
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    engine, plugin, version, result = done.stdout.split()
    assert Path(engine).is_relative_to(tmp_path)
    assert Path(plugin).is_relative_to(tmp_path)
    assert (version, result) == (distribution("loupette-alnum").version, "r7k4m")


def test_only_these_are_sent(tmp_path: Path) -> None:
    stage(tmp_path, name="loupette-alnum", module="loupette_alnum")
    version = distribution("loupette-alnum").version
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"loupette", "loupette_alnum", f"loupette_alnum-{version}.dist-info"}
    assert [*tmp_path.rglob("__pycache__")] == []


def test_a_module_named_by_hand_is_sent_alone(tmp_path: Path) -> None:
    stage(tmp_path, name="fakes", module="fakes")
    assert {path.name for path in tmp_path.iterdir()} == {"loupette", "fakes.py"}


def test_what_is_no_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere_at_all cannot be sent to the cluster"):
        stage(tmp_path, name="nowhere", module="nowhere_at_all")


def test_the_version_changes_with_any_file_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_modules: None
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "once_installed.py"
    file.write_text("ANSWER = 1")
    before = find_version("once_installed")
    assert find_version("once_installed") == before
    file.write_text("ANSWER = 20")
    assert find_version("once_installed") != before


def test_bytecode_is_no_new_version() -> None:
    before = find_version("loupette_alnum")
    subprocess.run(
        [sys.executable, "-m", "compileall", "-qf", *loupette_alnum.__path__], check=True
    )
    assert find_version("loupette_alnum") == before
