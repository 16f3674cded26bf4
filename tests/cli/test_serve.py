"""loupette serve, as a process."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving import ROOT, find_port

pytestmark = pytest.mark.slow

LOUPETTE = Path(sys.executable).with_name("loupette")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    return find_port()


@pytest.fixture
def start(tmp_path: Path, port: int, make_settings: Callable[..., object]) -> Iterator[Start]:
    """Starts servers in one folder; ends what is left of them."""
    make_settings(tmp_path)
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [LOUPETTE, "serve", "--port", str(port), "--workers", "1", *arguments],
            cwd=tmp_path,
            env=os.environ | {"LOUPETTE_PLUGINS": "fakes", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_until_ready(port: int, process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)  # a poll; the deadline decides
    raise AssertionError("the server did not become ready")


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    return output


def test_demo_key_and_curl_lines_work_as_printed(start: Start, port: int) -> None:
    process = start("--demo")
    wait_until_ready(port, process)
    curl = shutil.which("curl")
    assert curl, "the README's first command needs curl"
    assert process.stdout
    printed = ""
    while "type=60001 " not in printed:
        printed += process.stdout.readline()
    line = re.findall(r"^curl .*", printed, re.MULTILINE)[-1]
    replied = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert json.loads(replied)["data"]["result"] == "40x20"
    assert json.loads(replied)["data"]["balance"] == 99.99
    stop(process)


def test_make_run_serves_on_the_port_it_is_given_and_shows_it(tmp_path: Path, port: int) -> None:
    """Without the installation that comes before it: what is installed here is served."""
    process = subprocess.Popen(
        ["make", "-o", ".venv/served", "run", f"PORT={port}", f"BIN={LOUPETTE.parent}"],
        cwd=ROOT,
        env=os.environ
        | {"LOUPETTE_DATABASE": str(tmp_path / "demo.db"), "LOUPETTE_WORKERS": "1"}
        | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        printed = ""
        while f"on http://127.0.0.1:{port}, database" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        shown = re.findall(r"http://\S+?(?=/)", "".join(re.findall("curl .*", printed)))
        assert set(shown) == {f"http://127.0.0.1:{port}"}
        wait_until_ready(port, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)


def test_demo_key_is_shown_on_the_first_start_only(start: Start, port: int) -> None:
    process = start("--demo")
    wait_until_ready(port, process)
    output = stop(process)
    assert "ak_" in output
    assert "loupette.db, which is new\n" in output
    again = start("--demo")
    wait_until_ready(port, again)
    output = stop(again)
    assert "ak_" not in output
    assert "loupette.db\n" in output


def test_busy_port_is_one_line_and_does_not_burn_the_demo_key(start: Start, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        output, _ = start("--demo").communicate(timeout=60)
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in output
    assert "ak_" not in output
    process = start("--demo")
    wait_until_ready(port, process)
    assert "ak_" in stop(process)


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1"), ("::", "http://[::1]"), ("::1", "http://[::1]")],
)
def test_demo_shows_an_address_that_can_be_called(
    start: Start, port: int, host: str, url: str
) -> None:
    process = start("--demo", "--host", host)
    assert process.stdout
    while "curl" not in (line := process.stdout.readline()):
        assert line
    assert f"{url}:{port}/types/" in line


def test_ctrl_c_ends_the_server_without_a_traceback(start: Start, port: int) -> None:
    process = start()
    wait_until_ready(port, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "Traceback" not in output


def test_messages_are_json_where_that_is_set(
    start: Start, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPETTE_LOG_FORMAT", "json")
    process = start()
    wait_until_ready(port, process)
    greeting, *messages = stop(process).splitlines()
    assert greeting.startswith("serving ")
    told = [json.loads(line) for line in messages]
    assert {"uvicorn.error"} == {message["logger"] for message in told}
    assert "Application startup complete." in [message["message"] for message in told]


def test_messages_are_lines_for_people_by_default(start: Start, port: int) -> None:
    process = start()
    wait_until_ready(port, process)
    output = stop(process)
    assert "INFO:     Application startup complete." in output
    assert "{" not in output


def test_second_server_on_one_database_is_refused(start: Start, port: int) -> None:
    first = start()
    wait_until_ready(port, first)
    second = start("--port", str(find_port()))
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert str(first.pid) in output
    assert "Traceback" not in output
    stop(first)


def test_first_answer_comes_soon_after_the_start(start: Start, port: int) -> None:
    """Within 3 s on a free machine; the bound here allows for a busy one."""
    started_s = time.monotonic()
    wait_until_ready(port, start())
    assert time.monotonic() - started_s < 15


DEVELOPED = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

@hookimpl
def loupette_solvers():
    return [SolverSpec(type_id=60200, name="试", name_en="trial", price=Decimal("0.02"),
        load=lambda: fakes.Fake(lambda asked: Answer("{answer}", 0.9)), sample=fakes.draw_png,
        sample_answer="{answer}")]
"""


def wait_for_types(port: int, wanted: Callable[[dict[int, str]], bool]) -> None:
    """Poll the catalogue until its types, with the answers of their samples, are as wanted."""
    deadline_s = time.monotonic() + 60
    served: dict[int, str] = {}
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/types") as reply:
                entries = json.load(reply)["data"]["types"]
        except OSError:
            continue  # the connection was one of the server that just ended
        served = {entry["type"]: entry["sample_answer"] for entry in entries}
        if wanted(served):
            return
        time.sleep(0.05)  # a poll; the deadline decides
    raise AssertionError(f"still served: {served}")


def test_plugin_files_are_served_as_they_are_saved(start: Start, port: int, tmp_path: Path) -> None:
    """Changed, broken, mended, added: each without a restart by hand; other types go on."""
    folder = tmp_path / "mine"
    folder.mkdir()
    file = folder / "trial.py"
    file.write_text(DEVELOPED.format(answer="first"))
    process = start("--plugins-dir", "mine")
    wait_for_types(port, lambda served: served.get(60200) == "first")
    file.write_text(DEVELOPED.format(answer="second"))
    wait_for_types(port, lambda served: served.get(60200) == "second")
    file.write_text("import no_such_module")
    wait_for_types(port, lambda served: 60200 not in served and 60001 in served)
    file.unlink()
    (folder / "renamed.py").write_text(DEVELOPED.format(answer="third"))
    wait_for_types(port, lambda served: served.get(60200) == "third")
    wait_until_ready(port, process)
    output = stop(process)
    assert "plugin trial.py did not load: ModuleNotFoundError" in output
    assert "Traceback" not in output
