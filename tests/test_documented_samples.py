"""The samples of the documents, run as they stand but for host, key, image, type and log ID."""

import base64
import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import possible
from documented import CURL, PAGES, ROOT, blocks
from loupette.settings import Settings
from loupette.web.samples import LANGUAGES
from serving import parse, serve

pytestmark = pytest.mark.slow

READY_WITHIN_S = 120.0
ALNUM = 50200

Run = Callable[..., str]


@dataclass(frozen=True)
class Documented:
    """A running server, and one type on it with an image whose answer is known."""

    url: str
    type_id: int
    image: bytes
    answer: str


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Settings:
    """The types of the repository's own registry.toml, read by the installed plugins."""
    registry = (ROOT / "registry.toml").read_text(encoding="utf-8")
    return make_settings(tmp_path_factory.mktemp("documented"), registry, workers=1, plugins=())


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Documented]:
    with serve(settings) as running:
        url = f"http://127.0.0.1:{running.port}"
        states = wait_ready(url)
        assert set(states.values()) == {"ready"}, states
        kind = find_type(url, ALNUM)
        with urlopen(f"{url}{kind['sample']}", timeout=30) as reply:
            yield Documented(url, ALNUM, reply.read(), kind["sample_answer"])


def wait_ready(url: str) -> dict[str, str]:
    """State of each type, once none is starting."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        states = states_of(url)
        if states and "starting" not in states.values():
            return states
        time.sleep(0.1)  # a poll; the deadline decides
    raise TimeoutError(f"{url} was not ready within {READY_WITHIN_S:g} s")


def states_of(url: str) -> dict[str, str]:
    try:
        with urlopen(f"{url}/readyz", timeout=30) as reply:
            body = reply.read()
    except HTTPError as not_ready:  # its 503 has the same body
        body = not_ready.read()
    return dict(json.loads(body)["data"]["types"])


def find_type(url: str, type_id: int) -> dict[str, Any]:
    with urlopen(f"{url}/api/v1/types", timeout=30) as reply:
        (found,) = [
            kind for kind in parse(reply.read())["data"]["types"] if kind["type"] == type_id
        ]
    return dict(found)


@pytest.fixture
def run_sample(server: Documented, new_key: Callable[..., str], tmp_path: Path) -> Run:
    """Runs a sample in a folder with captcha.png, with the placeholders replaced."""
    (tmp_path / "captcha.png").write_bytes(server.image)
    key = new_key()

    def run(code: str, *command: str, log_id: str = "") -> str:
        for placeholder, value in {
            "https://captchaapi.com": server.url,
            "http://127.0.0.1:8000": server.url,
            "your_api_key_here": key,
            "ak_…": key,
            "base64_encoded_image_here": base64.b64encode(server.image).decode(),
            "10001": str(server.type_id),
            "50200": str(server.type_id),
            "LOG20241101000001": log_id,
        }.items():
            code = code.replace(placeholder, value)
        done = subprocess.run(
            [*command, code], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def the(page: str, language: str, containing: str = "") -> str:
    (code,) = [code for code in blocks(page, language) if containing in code]
    return code


@pytest.mark.foreign
def test_documented_curl_prints_the_answer(server: Documented, run_sample: Run) -> None:
    reply = json.loads(run_sample(the("docs/http-api.md", "bash", "-X POST"), "bash", "-c"))
    assert (reply["code"], reply["msg"]) == (200, "识别成功")
    assert reply["data"]["result"] == server.answer


@pytest.mark.foreign
def test_documented_php_prints_the_answer(server: Documented, run_sample: Run) -> None:
    code = the("docs/http-api.md", "php").removeprefix("<?php").rstrip().removesuffix("?>")
    assert run_sample(code, "php", "-r") == f"识别结果: {server.answer}"


def test_documented_python_prints_the_answer(server: Documented, run_sample: Run) -> None:
    printed = run_sample(the("docs/http-api.md", "python"), sys.executable, "-c")
    assert printed == f"识别结果: {server.answer}\n"


@pytest.mark.foreign
def test_documented_javascript_prints_the_answer(server: Documented, run_sample: Run) -> None:
    printed = run_sample(the("docs/http-api.md", "javascript"), "node", "-e")
    assert printed == f"识别结果: {server.answer}\n"


RUN_BY = {
    "curl": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "php": ["php", "-r"],
    "javascript": ["node", "-e"],
}


@pytest.mark.foreign
@pytest.mark.parametrize("language", LANGUAGES)
def test_sample_on_a_types_page_runs_with_nothing_but_the_key_put_in(
    server: Documented, run_sample: Run, language: str
) -> None:
    request = Request(f"{server.url}/types/{ALNUM}", headers={"Accept": "text/html"})
    with urlopen(request, timeout=30) as reply:
        page = reply.read().decode()
    pattern = rf'<code data-language="{language}">(.*?)</code>'
    (shown,) = re.findall(pattern, page, re.DOTALL)
    code = html.unescape(re.sub(r"<[^>]+>", "", shown))
    assert server.url in code
    printed = run_sample(code.removeprefix("<?php").removesuffix("?>"), *RUN_BY[language])
    assert server.answer in printed


CURLS = [
    pytest.param(code, id=f"{page}-{index}")
    for page in PAGES
    for index, code in enumerate(blocks(page, "bash"))
    if re.search(CURL, code, re.MULTILINE)
]


@pytest.mark.foreign
@pytest.mark.parametrize("code", CURLS)
def test_curl_of_the_documents_works_as_written(code: str, run_sample: Run, tmp_path: Path) -> None:
    solved = json.loads(run_sample(the("README.md", "bash", "curl"), "bash", "-c"))
    printed = run_sample(code, "bash", "-c", log_id=solved["data"]["log_id"])
    if "-o captcha.png" in code:
        assert (tmp_path / "captcha.png").read_bytes().startswith(b"\x89PNG")
    elif "/openapi.json" in code:
        assert json.loads(printed)["openapi"] == "3.1.0"
    elif "/metrics" in code:
        assert "loupette_requests_total{" in printed
    else:
        assert json.loads(printed)["code"] == 200


@pytest.mark.foreign
def test_reply_of_the_readme_is_the_true_one(run_sample: Run) -> None:
    true = parse(run_sample(the("README.md", "bash", "curl"), "bash", "-c"))
    shown = parse(the("README.md", "json"))
    for reply in (true, shown):  # what differs each time
        del reply["timestamp"], reply["data"]["log_id"], reply["data"]["response_time"]
    assert rounded(shown["data"].pop("detail")) == rounded(true["data"].pop("detail"))
    assert shown == true


def rounded(value: Any) -> Any:  # Any: JSON
    """A processor's own arithmetic shows in the last digits of a confidence."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 2) if isinstance(value, Decimal) else value


CLIENT = "docs/python-client.md"
EXPORTED = (
    "import os; os.environ |= {'LOUPETTE_URL': 'http://127.0.0.1:8000', 'LOUPETTE_KEY': 'ak_…'}\n"
)


@pytest.mark.parametrize(
    ("containing", "printed"),
    [
        ("charset=", "{answer} 0."),
        ("AsyncClient", "['{answer}', '{answer}', '{answer}']\n"),
        ("client.types()", "10200 通用滑块 0.01\n"),
        ("NoReply", "not read: low_confidence {{'confidence': "),
        ("Retries", "{answer}\n"),
    ],
)
def test_sample_of_the_client_runs_as_written(
    server: Documented, run_sample: Run, containing: str, printed: str
) -> None:
    code = the(CLIENT, "python", containing)
    assert run_sample(EXPORTED + code, sys.executable, "-c").startswith(
        printed.format(answer=server.answer)
    )


def test_every_sample_of_the_client_is_run() -> None:
    assert len(blocks(CLIENT, "python")) == 5


def test_documented_folders_are_read_here_and_by_the_server(
    server: Documented, run_sample: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "captchas"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(server.image)
    (folder / "labels.csv").write_text(f"file,answer\n0.png,{server.answer.upper()}\n")
    install, export = the(CLIENT, "bash", "export").splitlines()
    possible.check(install)
    commands = the(CLIENT, "bash", "loupette solve")
    script = f"{export}\n{commands}".replace("\nloupette", f"\n{sys.executable} -m loupette")
    alone, here, *there = run_sample(script, "bash", "-ec").split("\n", 2)
    assert (alone, here) == (server.answer, "3 files, 3 answered")
    assert "right 1.000 [0.207, 1.000] n=1; of those answered" in there[0]
    assert json.loads(there[0][there[0].index("{") :])["cost"] == 0.003
