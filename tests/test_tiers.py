"""The record of a package's tiers: what it says, and when it says nothing any more."""

from pathlib import Path

import pytest

from loupette.manager import load_plugins
from loupette.tiers import RECORD, find_folder, read_tiers, write_tiers

pytestmark = pytest.mark.usefixtures("forget_modules")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "loupette_recorded"
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "weights" / "model.onnx").write_bytes(b"weights")
    write_tiers("loupette_recorded", {60600: "silver", 60601: "gold"}, date="2026-01-31")
    return folder


def test_what_was_recorded_is_read(package: Path) -> None:
    assert read_tiers("loupette_recorded") == {60600: "silver", 60601: "gold"}


def test_compiled_files_change_nothing(package: Path) -> None:
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "solver.pyc").write_bytes(b"compiled")
    assert read_tiers("loupette_recorded")


@pytest.mark.parametrize("name", ["__init__.py", "weights/model.onnx", "weights/another.onnx"])
def test_any_changed_or_added_file_makes_it_stale(package: Path, name: str) -> None:
    (package / name).write_bytes(b"other")
    assert read_tiers("loupette_recorded") == {}


def test_renamed_file_makes_it_stale(package: Path) -> None:
    (package / "weights" / "model.onnx").rename(package / "weights" / "renamed.onnx")
    assert read_tiers("loupette_recorded") == {}


@pytest.mark.parametrize("content", ["", "{}", '{"tiers": {"60600": "platinum"}}', "[1]"])
def test_damaged_record_says_nothing(package: Path, content: str) -> None:
    (package / RECORD).write_text(content)
    assert read_tiers("loupette_recorded") == {}


def test_single_file_or_nothing_has_no_record(tmp_path: Path) -> None:
    assert read_tiers("no_such_package") == {}
    assert find_folder(str(tmp_path / "dots.py")) is None
    assert write_tiers("no_such_package", {}, date="2026-01-31") is None


def test_plugins_of_this_repository_are_gold_as_they_are() -> None:
    """After any change of theirs: make conformance."""
    ours = {"loupette-alnum": 50200, "loupette-arith": 50100, "loupette-slider": 10200}
    loaded = {plugin.name: plugin for plugin in load_plugins().loaded}
    for name, type_id in ours.items():
        assert read_tiers(loaded[name].module) == {type_id: "gold"}, name
