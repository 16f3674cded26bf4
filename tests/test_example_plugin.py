"""From the documents alone: the page's commands run, its plugin is built, installed and served."""

import base64
import json
import os
import re
import shutil
import signal
import site
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from loupette.cli.main import main
from serving import Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(REGISTRY,) = re.findall(r"^```toml\n(\[types\..*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Fresh:
    """An environment of its own, on top of the one that has Loupette; nothing is downloaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.bin = folder / "venv" / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "venv" / "lib" / version / "site-packages"
        below = [path for path in site.getsitepackages() if Path(path).is_dir()]
        lines = [f"import site; site.addsitedir({path!r})" for path in below]
        (packages / "below.pth").write_text("\n".join(lines) + "\n")
        for name, module in (("loupette", "loupette"), ("pip", "pip")):
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec "{self.bin}/python" -m {module} "$@"\n')
            script.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of: no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, command: str, *, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    return Fresh(tmp_path)


@contextmanager
def serve(fresh: Fresh) -> Iterator[Server]:
    """A server of the fresh environment until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        command = [fresh.bin / "python", "-m", "uvicorn", "server:app", "--app-dir", str(ROOT)]
        process = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--log-level", "error"],
            cwd=fresh.folder,
            env=fresh.environment | {"LOUPETTE_WORKERS": "1"},
            pass_fds=[listener.fileno()],
        )
        port = listener.getsockname()[1]
    try:
        yield Server(process, port)
    finally:
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_commands_of_the_page_run_in_their_order(fresh: Fresh) -> None:
    """Beside a running server, which serves the new type after a restart."""
    assert len(BLOCKS) == 5
    key = json.loads(fresh.run("loupette keys create shop --balance 1 --json"))["key"]
    with serve(fresh) as server:
        before = types_of(server, key)
        output = fresh.run("\n".join(BLOCKS))
        assert types_of(server, key) == before
        assert shown_types(server) == before.keys()
    assert re.search(r"\d+ passed", output)
    assert "dots: gold" in output
    assert output.endswith("\n7\n")
    assert (fresh.folder / "loupette-dots/src/loupette_dots/conformance.json").is_file()
    with serve(fresh) as server:
        server.wait_until_ready()
        (new,) = types_of(server, key).keys() - before.keys()
        image = base64.b64encode((fresh.folder / "dots.png").read_bytes()).decode()
        answer = server.post({"image": image, "type": new}, key)
        assert (answer.status, answer.json["data"]["result"]) == (200, "7")
        assert shown_types(server) == {*before, new}
        page = server.page(f"/types/{new}")
        assert "<dd>loupette-dots 0.1.0</dd>" in page and "<dd>gold " in page


def test_wheel_is_served_after_a_restart_and_its_own_tests_pass(fresh: Fresh) -> None:
    package = shutil.copytree(ROOT / "docs" / "example-plugin", fresh.folder / "package")
    (fresh.folder / "registry.toml").write_text("[types.50200]\n")
    key = json.loads(fresh.run("loupette keys create shop --balance 1 --json"))["key"]
    with serve(fresh) as server:
        assert types_of(server, key) == {50200: "alphanumeric"}
        fresh.run("pip wheel -q --wheel-dir dist ./package && pip install -q dist/*.whl")
        with (fresh.folder / "registry.toml").open("a") as registry:
            registry.write(REGISTRY)
        assert types_of(server, key) == {50200: "alphanumeric"}  # until it is restarted
    with serve(fresh) as server:
        assert types_of(server, key)[60100] == "rotation angle"
        draw = "from loupette_rotation.drawing import draw; import sys"
        fresh.run(f'python -c \'{draw}; open("turned.png", "wb").write(draw(200, seed=3))\'')
        image = base64.b64encode((fresh.folder / "turned.png").read_bytes()).decode()
        answer = server.post({"image": image, "type": 60100}, key).json
        assert abs(int(answer["data"]["result"]) - 200) <= 2
        assert float(answer["data"]["cost"]) == 0.002
    fresh.run("python -m pytest -q -p no:cacheprovider tests", cwd=package)


def types_of(server: Server, key: str) -> dict[int, str]:
    reply = server.request("GET", "/api/v1/types", key).json
    return {entry["type"]: entry["name_en"] for entry in reply["data"]["types"]}


def shown_types(server: Server) -> set[int]:
    """Those that people are shown."""
    return set(map(int, re.findall(r'<h2><a href="/types/(\d+)">', server.page("/types"))))


@pytest.mark.parametrize("name", ["dots", "a-rather-long-name-of-four-or-five-words"])
def test_new_package_is_clean_in_style_and_types(fresh: Fresh, name: str) -> None:
    fresh.run(f"loupette plugin new {name}")
    folder = fresh.folder / f"loupette-{name}"
    fresh.run("pip install -q .", cwd=folder)
    fresh.run("python -m ruff check && python -m ruff format --check", cwd=folder)
    fresh.run(f"MYPYPATH={ROOT / 'core'} python -m mypy", cwd=folder)


def test_example_is_clean_in_types(fresh: Fresh) -> None:
    package = ROOT / "docs" / "example-plugin" / "src" / "loupette_rotation"
    said = fresh.run(f"MYPYPATH={ROOT / 'core'} python -m mypy --strict {package}")
    assert "Success: no issues found" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("Dots", "lower-case letters and digits"),
        ("../dots", "lower-case letters and digits"),
        ("2dots", "beginning with a letter"),
        ("dots_", "words joined by '-'"),
        ("a" * 41, "longer than 40 characters"),
        ("class", "a word of Python's own"),
        ("dots --type-id 59999", "take one from 60000 up"),
        ("dots --type-id 60001", "belongs to an installed plugin"),
    ],
)
def test_bad_name_or_id_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOUPETTE_PLUGINS", "fakes")
    result = CliRunner().invoke(main, ["plugin", "new", *arguments.split()])
    assert result.exit_code == 1
    assert said in result.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_ever_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loupette-dots").mkdir()
    result = CliRunner().invoke(main, ["plugin", "new", "dots"])
    assert (result.exit_code, list((tmp_path / "loupette-dots").iterdir())) == (1, [])
    assert "is there already; nothing was written" in result.output
