"""Loading plugins: strangers' code, one by one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fakes
from loupette.errors import PluginError
from loupette.manager import Plugins, load_plugins

Write = Callable[[str, str], str]

HEAD = """
from decimal import Decimal
from loupette.plugin import Option, SolverSpec, hookimpl

def spec(type_id=61001, **changes):
    values = dict(type_id=type_id, name="n", name_en="n", price=Decimal("0.01"), load=object,
                  sample=bytes, sample_answer="a")
    return SolverSpec(**(values | changes))
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes an importable module; its name is its own in every test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def module(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(HEAD + source, encoding="utf-8")
        return name

    yield module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def of(plugins: Plugins, name: str) -> list[int]:
    return [
        spec.type_id for plugin in plugins.loaded if plugin.name == name for spec in plugin.specs
    ]


def test_a_named_module_is_loaded_with_all_its_types() -> None:
    plugins = load_plugins(["fakes"])
    assert of(plugins, "fakes") == list(range(fakes.ECHO, fakes.CLOSED + 1))


def test_a_plugin_may_give_its_specs_from_a_generator(write: Write) -> None:
    name = write("generous", "@hookimpl\ndef loupette_solvers():\n    yield spec(61002)\n")
    assert of(load_plugins([name]), name) == [61002]


def test_a_module_without_the_hook_offers_nothing(write: Write) -> None:
    name = write("silent", "")
    plugins = load_plugins([name])
    assert of(plugins, name) == []
    assert name in [plugin.name for plugin in plugins.loaded]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def (", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("@hookimpl\ndef loupette_solvers():\n    return 1 / 0", "ZeroDivisionError"),
        ("@hookimpl\ndef loupette_solvers():\n    return None", "TypeError"),
        ("@hookimpl\ndef loupette_solvers():\n    return [{}]", "must give SolverSpec, not dict"),
        ("@hookimpl\ndef loupette_solvers(what):\n    return []", "PluginValidationError"),
    ],
)
def test_a_broken_plugin_is_kept_with_its_reason(write: Write, source: str, reason: str) -> None:
    name = write("broken", source)
    (failure,) = load_plugins([name]).failures
    assert (failure.name, failure.module) == (name, name)
    assert reason in failure.reason
    assert "Traceback" in failure.trace


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("type_id=0", "positive integer"),
        ("type_id=-5", "positive integer"),
        ("type_id=True", "positive integer"),
        ("type_id='61001'", "positive integer"),
        ("type_id=61001.0", "positive integer"),
        ("price=Decimal('-0.01')", "negative"),
        ("price=Decimal('0.0000001')", "more than six decimals"),
        ("price=Decimal('NaN')", "no amount"),
        ("price=0.01", "the price of type 61001 must be a Decimal, not float"),
        ("type_id=10**9 + 1", "positive integer up to 1000000000"),
        ("name=''", "name of type 61001 must be a text"),
        ("name_en=None", "name_en of type 61001 must be a text"),
        ("sample_answer=42", "sample_answer of type 61001 must be a text"),
        ("second_image=True", "second_image of type 61001 must be 'no' or 'optional'"),
        ("options=(Option('min_confidence', 'number', '', ''),)", "'min_confidence' of type 61001"),
        ("options=(Option('charset', 'choice', '', ''),)", "must be of kind 'text'"),
        ("options=(Option('case', 'choice', '', '', choices=('title',)),)", "no other choices"),
        ("options=(Option('size', 'boolean', '', ''),)", "'size' of type 61001 must be of a kind"),
        ("options=(Option('size', 'integer', '', ''),) * 2", "'size' of type 61001 is there twice"),
        ("options=('charset',)", "loupette.plugin.Option"),
        ("load=None", "callable"),
        ("sample=b'png'", "callable"),
    ],
)
def test_a_spec_that_cannot_be_right_breaks_its_plugin(
    write: Write, changes: str, reason: str
) -> None:
    name = write(
        "wrong", f"@hookimpl\ndef loupette_solvers():\n    return [spec(**dict({changes}))]"
    )
    (failure,) = load_plugins([name]).failures
    assert reason in failure.reason


def test_a_plugin_may_narrow_a_text_option(write: Write) -> None:
    narrow = "options=(Option('charset', 'text', '', '', maximum=10),)"
    name = write("narrow", f"@hookimpl\ndef loupette_solvers():\n    return [spec({narrow})]")
    assert of(load_plugins([name]), name) == [61001]


def test_a_broken_plugin_does_not_touch_the_others(write: Write) -> None:
    broken = write("broken_one", "raise RuntimeError('me only')")
    good = write("good_one", "@hookimpl\ndef loupette_solvers():\n    return [spec(61003)]")
    plugins = load_plugins([broken, good])
    assert of(plugins, good) == [61003]
    assert [failure.name for failure in plugins.failures] == [broken]


def test_a_missing_module_is_a_failure_not_an_end() -> None:
    (failure,) = load_plugins(["no_such_plugin_module"]).failures
    assert failure.name == "no_such_plugin_module"


def test_a_misspelt_hook_is_a_failure_with_its_right_name_and_the_next_plugin_loads(
    write: Write,
) -> None:
    name = write("misspelt", "@hookimpl\ndef loupette_solver():\n    return []")
    good = write("good", "@hookimpl\ndef loupette_solvers():\n    return [spec(61004)]")
    plugins = load_plugins([name, good])
    (failure,) = plugins.failures
    assert failure.name == name
    assert "'loupette_solver', which does not exist" in failure.reason
    assert "rename it to 'loupette_solvers'" in failure.reason
    assert of(plugins, good) == [61004]


def test_two_plugins_with_one_type_id_are_an_error_naming_both(write: Write) -> None:
    source = "@hookimpl\ndef loupette_solvers():\n    return [spec(61009)]"
    with pytest.raises(PluginError, match=r"type 61009 is offered by first and by second"):
        load_plugins([write("first", source), write("second", source)])


def test_one_plugin_offering_a_type_twice_is_an_error(write: Write) -> None:
    name = write("twice", "@hookimpl\ndef loupette_solvers():\n    return [spec(), spec()]")
    with pytest.raises(PluginError, match="61001"):
        load_plugins([name])


def test_a_module_named_twice_is_a_failure_not_a_clash() -> None:
    plugins = load_plugins(["fakes", "fakes"])
    assert len(of(plugins, "fakes")) == 8
    assert [failure.name for failure in plugins.failures] == ["fakes"]


def test_installed_plugins_come_with_distribution_and_version() -> None:
    installed = {plugin.name: plugin for plugin in load_plugins().loaded}
    broken = {failure.name for failure in load_plugins().failures}
    assert {"loupette-slider", "loupette-arith", "loupette-alnum"} <= installed.keys() | broken
    assert all(plugin.version for plugin in installed.values())
