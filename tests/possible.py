"""Whether a command that no test runs could be run: its parts are there and are spelt right."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from documented import ROOT
from loupette.cli.main import main
from loupette.settings import Settings, variable_of

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_COMPOSE = ROOT / "deploy" / "compose.yaml"
_VARIABLES = {variable_of(field.name) for field in fields(Settings)} | {
    "KERAS_BACKEND",
    "LOUPETTE_KEY",
    "LOUPETTE_URL",
}
_OF_OTHERS = {"jax"}
"""Distributions that documents name beside this repository's own."""


def check(line: str) -> None:
    """Fail unless it could be run from the repository's root, or where it says."""
    words = [word for word in shlex.split(line) if word != "&"]
    while re.match(r"[A-Z_]+=", words[0]):
        check_variable(words.pop(0).partition("=")[0])
    _CHECKS[Path(words[0]).name](words)


def check_variable(name: str) -> None:
    """Somebody reads it."""
    assert name in _VARIABLES or f"${{{name}" in _COMPOSE.read_text(encoding="utf-8"), name


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
    """Make would make it, and looks at the variables."""
    told = ["make", "--dry-run", "--no-print-directory", *words[1:]]
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for word in words[1:]:
        name, is_variable, _ = word.partition("=")
        assert not is_variable or re.search(rf"\$\({name}\)|ifdef {name}\b", MAKEFILE), word


def check_installed(words: list[str]) -> None:
    """What is installed is of this repository, and has the extras."""
    for package in words[2:]:
        if package.startswith("-"):
            continue
        name, _, extras = package.rstrip("]").partition("[")
        if name not in _OF_OTHERS:
            known = _project(name)["optional-dependencies"] if extras else _project(name)
            assert not extras or set(extras.split(",")) <= known.keys(), package


def _project(name: str) -> Mapping[str, Any]:
    """What a pyproject.toml says of a distribution, or of the one in a folder."""
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        project: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        if name == project["name"] or (ROOT / name).resolve() == path.parent:
            return project
    raise AssertionError(f"{name} is no distribution of this repository")


def check_python(words: list[str]) -> None:
    """The module or the script is there; what a script takes is asked apart."""
    if words[1] == "-m":
        assert find_spec(words[2]), words
    else:
        assert (ROOT / words[1]).is_file(), words


def check_shell(words: list[str]) -> None:
    """A shell can read the script."""
    subprocess.run(["sh", "-n", ROOT / words[1]], check=True, timeout=60)


def check_files(words: list[str]) -> None:
    """The files are there."""
    named = [word for word in words if "/" in word]
    assert named
    for name in named:
        assert (ROOT / name).is_file(), name


def check_application(words: list[str]) -> None:
    """The module has the application."""
    module, _, name = words[1].partition(":")
    assert re.search(rf"^{name} = ", (ROOT / f"{module}.py").read_text("utf-8"), re.MULTILINE)


def check_signal(words: list[str]) -> None:
    """The signal exists."""
    subprocess.run(["bash", "-c", f"kill -l {words[1].lstrip('-')}"], check=True, timeout=60)


_CHECKS: Mapping[str, Callable[[list[str]], None]] = {
    "docker": check_files,
    "kill": check_signal,
    "loupette": check_command,
    "make": check_target,
    "pip": check_installed,
    "python": check_python,
    "python3": check_python,
    "sh": check_shell,
    "uvicorn": check_application,
}
"""By program; without an entry here nothing is let off being run."""
