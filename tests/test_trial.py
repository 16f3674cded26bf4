"""What strangers' plugins do in a process of their own is a result, never the end of the caller."""

from collections.abc import Callable
from pathlib import Path

import pytest

import fakes
from loupette.errors import PluginError
from loupette.settings import Settings
from loupette.trial import find_installed, read_sample, try_import

PLUGIN = """
from decimal import Decimal
from pathlib import Path
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

def load():
    {load}

@hookimpl
def loupette_solvers():
    return [SolverSpec(type_id=60100, name="试", name_en="trial", price=Decimal("0.01"),
        load=load, sample=fakes.draw_png, sample_answer="40x20")]
"""


@pytest.fixture
def plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Callable[..., Settings]:
    """Writes a plugin module that child processes find, and a registry; gives the settings."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    def write(source: str, registry: str = "[types.60100]\n") -> Settings:
        (tmp_path / "stranger.py").write_text(source, encoding="utf-8")
        return make_settings(tmp_path, registry, plugins=("stranger",))

    return write


READS = PLUGIN.format(load="return fakes.Fake(lambda asked: Answer('40x20', 0.9))")


def test_types_of_the_registry_are_found_with_their_plugin(
    plugin: Callable[..., Settings],
) -> None:
    found = find_installed(plugin(READS))
    assert (found.types, found.problem) == ({60100: "stranger"}, "")
    assert "stranger" in found.loaded


def test_what_a_plugin_prints_is_no_part_of_the_result(plugin: Callable[..., Settings]) -> None:
    found = find_installed(plugin("print('hello', end='')\n" + READS))
    assert found.types == {60100: "stranger"}


def test_plugin_that_cannot_be_imported_is_a_failure_and_the_registry_says_what_it_lacks(
    plugin: Callable[..., Settings],
) -> None:
    registry = '[types.60100]\npackage = "loupette-nowhere"\n'
    found = find_installed(plugin("import no_such_module\n", registry))
    assert "no_such_module" in found.failures["stranger"]
    assert "pip install loupette-nowhere" in found.problem


def test_misspelt_hook_is_a_failure(plugin: Callable[..., Settings]) -> None:
    found = find_installed(plugin(READS.replace("def loupette_solvers", "def loupette_solver")))
    assert "rename it to 'loupette_solvers'" in found.failures["stranger"]
    assert "loupette-alnum" in found.loaded


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os; os._exit(7)", "ended its process with code 7"),
        ("import os; os._exit(0)", "ended its process with code 0"),
        ("import os; os.kill(os.getpid(), 11)", "ended its process with SIGSEGV"),
    ],
)
def test_plugin_that_ends_its_process_is_an_error(
    plugin: Callable[..., Settings], source: str, said: str
) -> None:
    settings = plugin(source)
    with pytest.raises(PluginError, match=said):
        find_installed(settings)
    assert said in str(try_import("stranger"))


def test_plugin_that_hangs_is_given_up(plugin: Callable[..., Settings]) -> None:
    settings = plugin("import threading; threading.Event().wait()")
    with pytest.raises(PluginError, match=r"did not end within 0\.5 s"):
        find_installed(settings, timeout_s=0.5)


def test_import_error_is_told_with_its_last_line() -> None:
    assert str(try_import("no_such_module")).endswith("No module named 'no_such_module'")
    assert try_import("json") is None


def test_sample_that_is_read_has_no_failure(plugin: Callable[..., Settings]) -> None:
    assert read_sample(60100, plugin(READS).plugins) is None


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("return fakes.Fake(lambda asked: Answer('41x20', 0.9))", "it reads as: 41x20"),
        ("Path('no/weights.tflite').read_bytes()", "FileNotFoundError"),
        ("import os; os.kill(os.getpid(), 4)", "SIGILL"),
    ],
    ids=["wrong", "no weights", "illegal instruction"],
)
def test_sample_that_is_not_read_says_why(
    plugin: Callable[..., Settings], load: str, said: str
) -> None:
    assert said in str(read_sample(60100, plugin(PLUGIN.format(load=load)).plugins))


def test_sample_of_a_type_that_nobody_reads_says_so() -> None:
    assert "no loaded plugin reads type 60999" in str(read_sample(60999, ("fakes",)))
    assert read_sample(fakes.ECHO, ("fakes",)) is None
