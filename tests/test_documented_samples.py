"""The samples of the documents, run as they stand but for host, key, image, type and log ID."""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

import fakes
from loupette.settings import Settings
from serving import parse, serve

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
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


def blocks(page: str, language: str) -> list[str]:
    """The fenced code of one language on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [code for _, code in found]


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Settings:
    folder = tmp_path_factory.mktemp("documented")
    # No registry.toml: the fakes and every installed plugin are served.
    return replace(make_settings(folder), registry=folder / "absent.toml", workers=1)


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Documented]:
    with serve(settings) as running:
        url = f"http://127.0.0.1:{running.port}"
        type_id = ALNUM if wait_ready(url).get(str(ALNUM)) == "ready" else fakes.ECHO
        kind = find_type(url, type_id)
        with urlopen(f"{url}{kind['sample']}", timeout=30) as reply:
            yield Documented(url, type_id, reply.read(), kind["sample_answer"])


def wait_ready(url: str) -> dict[str, str]:
    """State of each type, once none is starting; a type that cannot be read is not waited for."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        # curl without -f: the 503 of a type that failed has the same body.
        found = subprocess.run(["curl", "-s", f"{url}/readyz"], capture_output=True, timeout=30)
        states: dict[str, str] = json.loads(found.stdout)["data"]["types"]
        if "starting" not in states.values():
            return states
        time.sleep(0.1)
    raise TimeoutError(f"{url} was not ready within {READY_WITHIN_S:g} s")


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


def test_documented_curl_prints_the_answer(server: Documented, run_sample: Run) -> None:
    reply = json.loads(run_sample(the("docs/http-api.md", "bash", "captchaapi.com"), "bash", "-c"))
    assert (reply["code"], reply["msg"]) == (200, "识别成功")
    assert reply["data"]["result"] == server.answer


@pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")
def test_documented_php_prints_the_answer(server: Documented, run_sample: Run) -> None:
    code = the("docs/http-api.md", "php").removeprefix("<?php").rstrip().removesuffix("?>")
    assert run_sample(code, "php", "-r") == f"识别结果: {server.answer}"


def test_documented_python_prints_the_answer(server: Documented, run_sample: Run) -> None:
    printed = run_sample(the("docs/http-api.md", "python"), sys.executable, "-c")
    assert printed == f"识别结果: {server.answer}\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_documented_javascript_prints_the_answer(server: Documented, run_sample: Run) -> None:
    printed = run_sample(the("docs/http-api.md", "javascript"), "node", "-e")
    assert printed == f"识别结果: {server.answer}\n"


CURLS = [
    pytest.param(code, id=f"{page}-{index}")
    for page in ("README.md", "docs/http-api.md", "docs/quickstart.md")
    for index, code in enumerate(blocks(page, "bash"))
    if "curl" in code
]


@pytest.mark.parametrize("code", CURLS)
def test_curl_of_the_documents_works_as_written(code: str, run_sample: Run, tmp_path: Path) -> None:
    solved = json.loads(run_sample(the("README.md", "bash", "curl"), "bash", "-c"))
    printed = run_sample(code, "bash", "-c", log_id=solved["data"]["log_id"])
    if "-o captcha.png" in code:
        assert (tmp_path / "captcha.png").read_bytes().startswith(b"\x89PNG")
    elif "/readyz" not in code:  # the fakes are ready; a plugin without its model is not
        assert json.loads(printed)["code"] == 200


def test_reply_of_the_readme_is_the_true_one(server: Documented, run_sample: Run) -> None:
    if server.type_id != ALNUM:
        pytest.skip("type 50200 does not read its sample here")
    true = parse(run_sample(the("README.md", "bash", "curl"), "bash", "-c"))
    shown = parse(the("README.md", "json"))
    assert list(shown) == list(true)
    assert list(shown["data"]) == list(true["data"])
    assert shown["data"]["detail"].keys() <= true["data"]["detail"].keys()
    for name in ("result", "cost", "balance", "group_name"):
        assert shown["data"][name] == true["data"][name]
    assert shown["data"]["cost"] == Decimal("0.001")
