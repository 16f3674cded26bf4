"""Every command that the documents and the help show is run, or known not to be, and possible."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

import possible
from documented import (
    ELSEWHERE,
    NOT_RUN,
    PAGES,
    ROOT,
    elsewhere,
    exception_of,
    hidden,
    mentioned,
    of_help,
    of_pages,
    read,
)
from loupette.store.backup import backup
from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogEntry, parse_log_id

LOG_ID = "LOG20241101000001"
PREFIX = "ak_1a2B3c4D"
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
    let_off = {exception_of(line) for shown in ALL for line in shown.not_run}
    assert let_off == NOT_RUN.keys()
    assert len(RUN) > 30


@pytest.mark.parametrize("line", sorted({line for shown in ALL for line in shown.not_run}))
def test_command_that_is_not_run_could_be(line: str) -> None:
    possible.check(line)


@pytest.mark.parametrize(("page", "command"), mentioned())
def test_mentioned_command_could_be_run(page: str, command: str) -> None:
    possible.check(command)


@pytest.mark.parametrize(
    "wrong",
    [
        "make nothing-of-this-name",
        "make run PROT=9000",
        "loupette key list",
        "loupette serve --prot 9000",
        "LOUPETTE_WORKER=1 loupette serve",
        "pip install 'loupette[everything]'",
        "pip install loupette-nothing",
        "python plugins/alnum/training/nothing.py",
        "python -m nothing_of_this_name",
        "sh plugins/slider/training/nothing.sh",
        "docker compose -f deploy/nothing.yaml up",
        "kill -UHP PID",
        "uvicorn server:application",
        "nobody-knows-this --at all",
    ],
)
def test_command_that_is_spelt_wrong_could_not_be_run(wrong: str) -> None:
    with pytest.raises((AssertionError, KeyError, subprocess.CalledProcessError)):
        possible.check(wrong)


def arguments_of_scripts() -> list[list[str]]:
    """Each call of a script of the plugins: script and words, as `arguments.find_fault` takes them.

    A page that names a script of its own folder within a line shows some of its options only.
    """
    lines = {line for shown in ALL for line in shown.not_run} | {told for _, told in mentioned()}
    whole = [shlex.split(line) for line in lines if "python plugins/" in line]
    found = [[word for word in words if word != "&"] for words in whole]
    calls = [words[words.index("python") + 1 :] for words in found]
    for page in PAGES:
        folder = Path(page).parent
        for told in re.findall(r"`(\w+\.py [^`]+)`", read(page)):
            script, *words = told.split()
            if (ROOT / folder / script).is_file():
                commands = list(takewhile(lambda word: word[0] not in "-.", words))
                options = [word for word in words if word.startswith("-")]
                calls.append([str(folder / script), *commands, "--help", *options])
    return sorted(calls)


@pytest.mark.slow
def test_scripts_take_their_documented_arguments() -> None:
    pytest.importorskip("tensorflow", reason="training needs the train extra")
    calls = arguments_of_scripts()
    assert len(calls) > 30
    wrong = [
        ["plugins/slider/training/evaluate.py", "DATA", "--nothing"],
        ["plugins/slider/training/refine.py", "train", "--help", "--nothing"],
        ["plugins/alnum/training/samples.py", "DATA"],
    ]
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "arguments.py"],
        cwd=ROOT,
        input=json.dumps(calls + wrong),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    faults = json.loads(done.stdout.splitlines()[-1])
    assert faults.keys() == {" ".join(words) for words in wrong}, faults


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_a_block_that_is_not_run(page: str) -> None:
    assert hidden(read(page)) == []


@pytest.mark.parametrize(
    "text",
    [
        "```text\nloupette keys list\n```\n",
        "```\n$ make run\n```\n",
        "1. so:\n\n   ```text\n   LOUPETTE_WORKERS=1 .venv/bin/loupette serve\n   ```\n",
        "Type:\n\n    python -m pytest\n\nand see.\n",
        "```text\nUsage: me\n```\n\n```text\nray start --head\n```\n",
    ],
)
def test_a_hidden_command_is_found(text: str) -> None:
    assert len(hidden(text)) == 1


def test_what_is_no_command_is_let_be() -> None:
    assert hidden("```text\nX-API-Key: your_api_key_here\n```\n") == []
    assert hidden("```text\n server ── make\n```\n\n- make\n\n  more of it\n") == []
    assert hidden("```bash\nloupette keys list\n```\n") == []
