"""Start the installed server in an empty folder and post every type its own sample.

Run by the Python whose installation is to be tried: ``python bench/smoke.py``.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

LOUPETTE = str(Path(sys.executable).with_name("loupette"))
READY_S = 30.0
FIRST_ANSWER_S = 10.0
"""The promise is 3 s on a free machine; a busy one gets this long before it is called a fault."""


def main() -> None:
    """Exit with 1 unless every installed type reads its sample and is charged for it."""
    with tempfile.TemporaryDirectory() as folder:
        key = json.loads(_run(folder, "keys", "create", "smoke", "--balance", "1", "--json"))["key"]
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        started_s = time.monotonic()
        server = subprocess.Popen([LOUPETTE, "serve", "--port", str(port)], cwd=folder)
        try:
            _wait_until_alive(url)
            types = _get(f"{url}/types")["data"]["types"]
            _check(url, key, types[0])  # not waiting for /readyz: the request waits for a worker
            first_s = time.monotonic() - started_s
            print(f"first answer {first_s:.2f} s after the start of the process")
            assert first_s < FIRST_ANSWER_S
            wait_until_ready(url)
            assert {10200, 50100, 50200} <= {entry["type"] for entry in types}, types
            for entry in types:
                _check(url, key, entry)
            _check_pages(url, types)
        finally:
            server.terminate()
            assert server.wait(timeout=30) == 0, "the server did not stop cleanly"
        print(_run(folder, "ledger", "verify").strip())


def _check_pages(url: str, types: list[dict[str, object]]) -> None:
    """The pages' own files, the documents and the plugins' cards came along in the wheels."""
    assert all(entry["accuracy"] for entry in types), types
    for path in ("/types", "/docs/quickstart", "/docs/reference", "/static/loupette.css"):
        request = urllib.request.Request(url + path, headers={"Accept": "text/html"})
        with urllib.request.urlopen(request) as reply:
            assert len(reply.read()) > 1000, path


def _check(url: str, key: str, entry: dict[str, object]) -> None:
    with urllib.request.urlopen(url + str(entry["sample"])) as reply:
        image = b64encode(reply.read()).decode()
    body = json.dumps({"image": image, "type": entry["type"]}).encode()
    request = urllib.request.Request(
        f"{url}/api/v1/captcha.php",
        body,
        {"Content-Type": "application/json", "X-API-Key": key},
    )
    with urllib.request.urlopen(request) as reply:
        data = json.load(reply)["data"]
    print(entry["type"], entry["name"], data["result"], data["cost"], "yuan")
    assert data["result"] == entry["sample_answer"], data
    assert data["cost"] == entry["price"], data


def _run(folder: str, *arguments: str) -> str:
    return subprocess.run(
        [LOUPETTE, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def _get(url: str) -> dict[str, dict[str, list[dict[str, object]]]]:
    with urllib.request.urlopen(url) as reply:
        body: dict[str, dict[str, list[dict[str, object]]]] = json.load(reply)
    return body


def wait_until_ready(url: str) -> None:
    """Poll /readyz until it says yes, or give up."""
    wait_for(f"{url}/readyz")


def _wait_until_alive(url: str) -> None:
    wait_for(f"{url}/livez")


def wait_for(url: str) -> None:
    deadline_s = time.monotonic() + READY_S
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise SystemExit(f"{url} did not say yes within {READY_S:g} s")


def free_port() -> int:
    """A loopback port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
