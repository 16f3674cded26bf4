"""A plugin's author with what `make wheels` built: pip resolves it, nothing is of this checkout."""

import json
import os
import re
import subprocess
import venv
from pathlib import Path

import pytest
import yaml

from documented import ROOT

pytestmark = pytest.mark.wheels


class Author:
    """An environment of its own, with a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        wheels = f"{ROOT / 'dist'} {folder / 'wheels'}"
        own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        self._environment = own | {
            "PATH": f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}",
            "PIP_FIND_LINKS": wheels,
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        (folder / "wheels").mkdir()

    def run(self, command: str, *, within: str = ".") -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder / within,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


@pytest.fixture
def package(author: Author) -> Path:
    """What `loupette plugin new` makes, with Loupette's own wheel alone installed."""
    author.run("pip install --quiet loupette")
    assert str(author.folder) in author.run("python -c 'import loupette; print(loupette.__file__)'")
    author.run("loupette plugin new dots")
    return author.folder / "loupette-dots"


def test_readme_of_a_new_package_runs_as_written(author: Author, package: Path) -> None:
    readme = (package / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```bash\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    said = author.run(commands, within=package.name)
    assert re.search(r"\d+ passed", said)
    assert "dots: gold" in said


def test_ci_file_of_a_new_package_runs_as_written(author: Author, package: Path) -> None:
    """Its own commands, in their order; what others offer is named with a version."""
    file = package / ".github" / "workflows" / "test.yml"
    (job,) = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) == 4
    said = [author.run(command, within=package.name) for command in commands]
    assert "dots: gold" in said[-1]
    others = [step["uses"] for step in job["steps"] if "uses" in step]
    assert len(commands) + len(others) == len(job["steps"])
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", other) for other in others)


def test_dependencies_of_the_example_are_resolved_by_pip(author: Author) -> None:
    """By its name, from its wheel and ours: what it does not declare is not there."""
    example = ROOT / "docs" / "example-plugin"
    author.run(f"pip wheel --quiet --no-deps --wheel-dir wheels {example}")
    author.run("pip install --quiet loupette-rotation && pip check")
    (plugin,) = json.loads(author.run("loupette plugins --json"))
    assert (plugin["plugin"], plugin["types"]) == ("loupette-rotation", [60100])
    draw = "from loupette_rotation.drawing import draw; import sys"
    author.run(f'python -c \'{draw}; open("turned.png", "wb").write(draw(200, seed=3))\'')
    assert abs(int(author.run("loupette solve turned.png --type 60100")) - 200) <= 2
    assert "60100" in author.run("loupette plugin check loupette-rotation --tier silver")
