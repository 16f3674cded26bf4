"""Every command that the documents and the help show is run, or known not to be, and possible."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from documented import ELSEWHERE, NOT_RUN, ROOT, elsewhere, mentioned, of_help, of_pages
from loupette.cli.main import main
from loupette.store.backup import backup
from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogEntry, parse_log_id

LOG_ID = "LOG20241101000001"
PREFIX = "ak_1a2B3c4D"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ALL = [*of_pages(), *of_help()]
RUN = [
    pytest.param(code, id=f"{place}: {code[:40]}")
    for code, place in {one.here: one.place for one in ALL if one.here}.items()
]
ONE_FILE_PLUGIN = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, Unsolvable, hookimpl
import fakes

def solve(challenge):
    if challenge.image.rgb.min() == challenge.image.rgb.max():
        raise Unsolvable("no_dots", "nothing is red")
    return Answer("3", 0.9)

@hookimpl
def loupette_solvers():
    return [SolverSpec(type_id=60801, name="点", name_en="dots", price=Decimal("0.01"),
        load=lambda: fakes.Fake(solve), sample=lambda: fakes.draw_png(colour="red"),
        sample_answer="3")]
"""


Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands name, but for the database."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("bin", "venv/bin", ".venv/bin"):
        script = folder / name / "loupette"
        script.parent.mkdir(parents=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m loupette "$@"\n')
        script.chmod(0o755)
    shutil.copy(ROOT / "registry.toml", folder)
    digits = ROOT / "plugins" / "alnum" / "tests" / "samples" / "13.png"
    (folder / "captchas").mkdir()
    for name in ("captcha.png", "captchas/0.png", "captchas/1.png"):
        shutil.copy(digits, folder / name)
    slider = ROOT / "plugins" / "slider" / "tests" / "scenes"
    shutil.copy(slider / "00.jpg", folder / "background.jpg")
    shutil.copy(slider / "00_piece.png", folder / "piece.png")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "dots.py").write_text(ONE_FILE_PLUGIN)
    for name in ("var/backups", "srv"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def run(scene: Path, tmp_path: Path) -> Run:
    """Runs a script where the account, the key, the log and the backup it names exist."""
    folder = shutil.copytree(scene, tmp_path / "folder")

    def execute(code: str) -> "subprocess.CompletedProcess[str]":
        # A balance is given to an account that is new.
        account = "demo" if "create shop --balance" in code else "shop"
        write_past(folder / "loupette.db", account)
        shutil.copy(folder / "loupette.db", folder / "srv" / "loupette.db")
        if "restore" in code:
            backup(folder / "loupette.db", folder / "var/backups/loupette-2026-11-28.db")
        code = re.sub(r"(?<=\s)/(?=var/backups|srv)", f"{folder}/", code)
        return subprocess.run(
            ["bash", "-ec", code],
            cwd=folder,
            env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return execute


def write_past(path: Path, account: str) -> None:
    """An account with a key of the documented prefix, and a charge under the documented log ID."""
    with Database.open(path) as database:
        key = create_key(database, account, opening_micros=10**6, now_ms=0).record
        database.write(
            lambda connection: connection.execute(
                "UPDATE api_keys SET prefix = ?", (PREFIX,)
            ).close()
        )
        charge(database, key)


def charge(database: Database, key: KeyRecord) -> None:
    log_id = parse_log_id(LOG_ID)
    assert log_id is not None
    entry = LogEntry(
        id=log_id,
        account_id=key.account_id,
        key_id=key.id,
        created_ms=1_730_462_400_000,
        type_id=50200,
        code=200,
        outcome="ok",
        cost_micros=1000,
        answer="r7k4m",
        confidence=0.97,
        response_ms=5,
    )
    ledger = Ledger(database)
    ledger.settle(ledger.hold(key.account_id, 1000), entry).result()


@pytest.mark.slow
@pytest.mark.parametrize("code", RUN)
def test_documented_command_runs_as_it_stands(run: Run, code: str) -> None:
    done = run(code)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_block_is_run_somewhere() -> None:
    """Here, or by a test that exists, or else it says why not; and no such entry is stale."""
    by_test = {test for shown in ALL if (test := elsewhere(shown))}
    assert by_test == {test for _, _, test in ELSEWHERE}
    for test in by_test:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    lines = {line for shown in ALL for line in shown.lines}
    assert NOT_RUN.keys() - lines == set()
    assert len(RUN) > 30


@pytest.mark.parametrize("command", [line for line in NOT_RUN if "loupette " in line])
def test_command_that_is_not_run_could_be(command: str) -> None:
    check_command(shlex.split(command))


@pytest.mark.parametrize(("page", "command"), mentioned())
def test_mentioned_command_exists(page: str, command: str) -> None:
    if command.startswith("make"):
        check_target(command.split())
    else:
        check_command(command.split())


@pytest.mark.parametrize("command", [line for line in NOT_RUN if line.startswith("make ")])
def test_target_that_is_not_run_exists(command: str) -> None:
    check_target(command.split())


@pytest.mark.parametrize("command", [line for line in NOT_RUN if "pip install" in line])
def test_what_is_installed_is_of_this_repository(command: str) -> None:
    wanted = shlex.split(command.partition("pip install ")[2])
    named = {}
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        named[project["name"]] = project
    for package in wanted:
        name, _, extra = package.rstrip("]").partition("[")
        known = name in named or (ROOT / name / "pyproject.toml").is_file()
        assert known and (not extra or extra in named[name]["optional-dependencies"])


def check_command(words: list[str]) -> None:
    """Its sub-commands exist, and have its options."""
    command: click.Command = main
    for number, word in enumerate(words[1:], start=1):
        options = {name for option in command.params for name in option.opts}
        if word.startswith("-") and not re.fullmatch(r"-[0-9.]+", word):
            assert word.partition("=")[0] in {*options, "--help", "--version"}, words
        elif isinstance(command, click.Group) and not words[number - 1].startswith("-"):
            assert word in command.commands, words
            command = command.commands[word]


def check_target(words: list[str]) -> None:
    """It exists, and knows the variables."""
    for word in words[1:]:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            assert f"$({name})" in MAKEFILE, word
        else:
            assert re.search(rf"^(?:[\w-]+ )*{re.escape(name)}(?: [\w-]+)*:", MAKEFILE, re.M), word
