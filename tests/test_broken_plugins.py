"""Plugins broken in five ways beside a good one, over a real server: each says why, once."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from serving import Server, serve

pytestmark = pytest.mark.slow

SOURCE = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes, threading
{first}

def solve(challenge):
    if challenge.image.rgb[0, 0, 0] != 255:
        {body}
    return {answer}

@hookimpl
def {hook}():
    return [SolverSpec(type_id={type_id}, name="试", name_en="trial", price=Decimal("0.01"),
        load=lambda: fakes.Fake(solve), sample=fakes.draw_png, sample_answer="fine")]
"""
GOOD = {
    "first": "",
    "body": "pass",
    "answer": 'Answer("fine", 0.9)',
    "hook": "loupette_solvers",
}
BROKEN: dict[str, dict[str, object]] = {
    "imports_badly": {"type_id": 60701, "first": "import no_such_module"},
    "numbered_badly": {"type_id": "'60702'"},
    "misspells_the_hook": {"type_id": 60703, "hook": "loupette_solver"},
    "hangs": {"type_id": 60704, "body": "threading.Event().wait()"},
    "answers_badly": {"type_id": 60705, "answer": '{"result": "fine"}'},
}
"""Those of the first three do not load, so their types are not served; the others are asked."""
HANGS, ANSWERS_BADLY, GOOD_TYPE = 60704, 60705, 60700
HANGS_FOR_S = 5
NOT_LOADED = {
    "imports_badly": "ModuleNotFoundError: No module named 'no_such_module'",
    "numbered_badly": "type_id must be a positive integer, not '60702'",
    "misspells_the_hook": "rename it to 'loupette_solvers'",
}
SAID = {name: (f"plugin {name} did not load", reason) for name, reason in NOT_LOADED.items()} | {
    "hangs": (f"type {HANGS} gave no answer", f"within {HANGS_FOR_S} s"),
    "answers_badly": (f"type {ANSWERS_BADLY} is out of order", "solve gave dict, not Answer"),
}
"""The one message that each gives: what is broken, and why."""


@pytest.fixture
def settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Settings:
    """Of a server with all six, and a worker for the others while one hangs."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    written = {"good": {"type_id": GOOD_TYPE}} | BROKEN
    for name, changes in written.items():
        (tmp_path / f"{name}.py").write_text(SOURCE.format(**(GOOD | changes)))
    registry = "".join(
        f"[types.{type_id}]\ndeadline_s = {HANGS_FOR_S if type_id == HANGS else 30}\n"
        for type_id in (GOOD_TYPE, HANGS, ANSWERS_BADLY)
    )
    return make_settings(tmp_path, registry, workers=2, plugins=tuple(written))


def ask(server: Server, key: str, type_id: int) -> tuple[int, Any]:
    image = base64.b64encode(fakes.draw_png(colour="black")).decode()
    reply = server.post({"image": image, "type": type_id}, key)
    return reply.status, reply.json


def readiness(server: Server) -> Any:
    """What /readyz says of each type, once the worker is up."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz") as reply:
                told = json.load(reply)
        except urllib.error.HTTPError as error:
            told = json.load(error)
        if "starting" not in json.dumps(told):
            return told
        time.sleep(0.05)  # a poll; the deadline decides
    raise AssertionError("the worker did not start")


def is_good(server: Server, key: str) -> bool:
    status, reply = ask(server, key, GOOD_TYPE)
    return status == 200 and reply["data"]["result"] == "fine"


def test_each_says_why_once_and_the_other_types_go_on(settings: Settings, tmp_path: Path) -> None:
    key = issue_key(settings.database)
    with (
        (tmp_path / "messages").open("wb") as messages,
        serve(settings, messages=messages) as server,
        ThreadPoolExecutor(1) as thread,
    ):
        assert "solve gave dict, not Answer" in json.dumps(readiness(server))
        hanging = thread.submit(ask, server, key, HANGS)
        assert is_good(server, key) and not hanging.done()
        for type_id in (60701, 60702, 60703):
            assert ask(server, key, type_id)[1]["error"]["reason"] == "unknown_type"
        assert ask(server, key, ANSWERS_BADLY)[1]["error"]["reason"] == "solver_crashed"
        assert is_good(server, key)
        assert hanging.result(timeout=60)[1]["error"]["reason"] == "solver_timeout"
        assert is_good(server, key)
    said = (tmp_path / "messages").read_text(encoding="utf-8")
    for name, (what, why) in SAID.items():
        about = [line for line in said.splitlines() if why in line]
        assert len(about) == 1 and what in about[0], name
    assert "Traceback" not in said


@pytest.mark.parametrize("name", NOT_LOADED)
def test_command_lists_the_reason_in_one_row(settings: Settings, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loupette", "--registry", str(settings.registry), "plugins"],
        env={**os.environ, "LOUPETTE_PLUGINS": ",".join(settings.plugins)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (row,) = [line for line in done.stdout.splitlines() if line.startswith(name)]
    assert NOT_LOADED[name] in row
    assert done.stdout.count("failed: ") == 3
