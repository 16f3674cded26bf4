"""loupette plugin check: what it tells of good and of broken plugins, and what it records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from loupette import tiers
from loupette.testing import report as report_module

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forget_modules")]

Run = Callable[..., Result]

SOURCE = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, Unsolvable, hookimpl
import fakes, time

def solve(challenge):
    if challenge.image.rgb[0, 0].tolist() != [255, 0, 0]:
        {refusal}
    return Answer("ab", 0.9)

@hookimpl
def loupette_solvers():
    return [SolverSpec(type_id=60500, name="试", name_en="trial", price=Decimal("0.02"),
        load=lambda: fakes.Fake(solve), sample=lambda: fakes.draw_png(30, 20, "red"),
        sample_answer="ab")]
"""
GOOD = SOURCE.format(refusal='raise Unsolvable("no_text", "nothing to read")')
HOLDS = GOOD.replace("load=lambda:", "load=lambda held=[b'x' * 300_000_000]:")
SLEEPS = GOOD.replace('return Answer("ab", 0.9)', 'time.sleep(1.5); return Answer("ab", 0.9)')
HANGS = SOURCE.format(refusal="import os; os.kill(os.getpid(), 11)")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes an importable package; gives its folder."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    def write(source: str) -> Path:
        folder = tmp_path / "loupette_trial"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(source)
        return folder

    return write


def report(result: Result) -> dict[str, Any]:
    (one,) = json.loads(result.stdout)["types"]
    return dict(one)


def test_good_package_is_gold_and_its_record_goes_stale_with_a_change(
    loupette: Run, package: Callable[[str], Path]
) -> None:
    folder = package(GOOD)
    result = loupette("plugin", "check", "loupette_trial", "--tier", "gold", "--write", "--json")
    assert result.exit_code == 0, result.output
    assert (report(result)["tier"], report(result)["missing"]) == ("gold", [])
    assert tiers.read_tiers("loupette_trial") == {60500: "gold"}
    (folder / "__init__.py").write_text(GOOD + "# changed\n")
    assert tiers.read_tiers("loupette_trial") == {}


def test_solver_that_ends_its_process_is_bronze_and_the_other_checks_go_on(
    loupette: Run, package: Callable[[str], Path]
) -> None:
    package(HANGS)
    result = loupette("plugin", "check", "loupette_trial", "--tier", "silver")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert any(line.startswith("unmet silver  hostile") and "SIGSEGV" in line for line in lines)
    assert any(line.startswith("met   gold    time") for line in lines)
    assert lines[-1].startswith("60500 试: bronze; for the next: determinism, blank, hostile")


@pytest.mark.parametrize(
    ("source", "check", "said"),
    [(SLEEPS, "time", "1 s are allowed"), (HOLDS, "loaded", "MiB, 256 are allowed")],
)
def test_solver_that_sleeps_or_holds_much_memory_is_not_gold(
    loupette: Run,
    package: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    check: str,
    said: str,
) -> None:
    only = [known for known in report_module.CHECKS if known.name == check]
    monkeypatch.setattr(report_module, "CHECKS", only)  # the others take a sleeper a minute
    package(source)
    result = loupette("plugin", "check", "loupette_trial", "--tier", "gold", "--json")
    assert result.exit_code == 1
    assert report(result)["missing"] == [check]
    assert said in report(result)["checks"][0]["message"]


def test_one_file_may_be_checked_but_holds_no_record(loupette: Run, tmp_path: Path) -> None:
    (tmp_path / "trial.py").write_text(GOOD)
    result = loupette("plugin", "check", "trial.py", "--json", "--tier", "silver")
    assert result.exit_code == 0, result.output
    assert report(result)["missing"] == ["card"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "does not load: ModuleNotFoundError"),
        ("raise SystemExit(3)", "does not load: SystemExit: 3"),
        ("", "offers no type; is loupette_solvers marked"),
        (GOOD.replace("def loupette_solvers", "def loupette_solver"), "rename it to"),
        (GOOD.replace("type_id=60500", "type_id='60500'"), "must be a positive integer"),
        ("import os; os._exit(3)", "ended its process with code 3"),
    ],
)
def test_plugin_that_does_not_load_is_one_line(
    loupette: Run, package: Callable[[str], Path], source: str, said: str
) -> None:
    package(source)
    result = loupette("plugin", "check", "loupette_trial")
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.splitlines()) == 1
