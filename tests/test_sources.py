"""Where plugins are found; single files are imported as they are now, under a name of their own."""

import json
import os
import sys
from pathlib import Path

import pytest

import fakes
from loupette.manager import load_plugins
from loupette.sources import find_sources, import_plugin, list_files, module_of

pytestmark = pytest.mark.usefixtures("forget_modules")


def test_installed_plugins_come_first_then_what_is_named(tmp_path: Path) -> None:
    sources = find_sources(["named", str(tmp_path / "dots.py")])
    assert [source.name for source in sources[-2:]] == ["named", "dots.py"]
    assert "loupette-alnum" in [source.name for source in sources[:-2]]


def test_a_file_takes_no_other_modules_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("VALUE = 1\n")
    assert import_plugin(str(tmp_path / "json.py")).VALUE == 1
    assert sys.modules["json"] is json


def test_a_file_is_read_anew_though_its_time_and_size_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "dots.py"
    for value in (1, 2):
        file.write_text(f"VALUE = {value}\n")
        os.utime(file, (0, 0))
        module = import_plugin(str(file))
        assert value == module.VALUE
        del sys.modules[module.__name__]
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_failed_is_not_taken_for_imported(tmp_path: Path) -> None:
    file = tmp_path / "dots.py"
    file.write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(RuntimeError):
        import_plugin(str(file))
    file.write_text("VALUE = 1\n")
    assert import_plugin(str(file)).VALUE == 1


def test_a_folder_that_is_gone_has_no_files(tmp_path: Path) -> None:
    assert list_files(tmp_path / "none") == ()


@pytest.mark.parametrize("named", ["hooks", "hooks:offer", "hooks : offer.or_", "hooks:offer [x]"])
def test_whatever_an_entry_point_may_name_is_a_plugin(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hooks.py").write_text(
        "from loupette.plugin import hookimpl\n"
        "import fakes\n"
        "class Offer:\n"
        "    @hookimpl\n"
        "    def loupette_solvers(self):\n"
        "        return fakes.loupette_solvers()\n"
        "offer = Offer()\n"
        "offer.or_ = offer\n"
        "loupette_solvers = fakes.loupette_solvers\n"
    )
    found = load_plugins([named])
    assert found.failures == ()
    assert len(found.loaded[-1].specs) == len(fakes.loupette_solvers())
    assert module_of(named) == "hooks"


def test_what_no_entry_point_may_name_says_so() -> None:
    with pytest.raises(ImportError, match="'dots!' names no module"):
        import_plugin("dots!")
