"""What ``load.py`` measures: each a server of its own on loopback, with its processor time."""

import json
import os
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from instant import TYPE_ID as INSTANT
from loupette.store.keys import create_key
from loupette.store.opening import open_database
from smoke import free_port, wait_for, wait_until_ready

BENCH = Path(__file__).parent
SAMPLES = BENCH.parent / "plugins/alnum/tests/samples"
"""Pictures that the project's own generator drew."""
ALNUM = 50200
ENDPOINT = "/api/v1/captcha.php"
CONNECTIONS = 32


class Spent(NamedTuple):
    """Processor time of a server, by who took it."""

    loop_s: float
    threads_s: float
    """Of the same process: the writer, for the most part."""
    workers_s: float


@dataclass(frozen=True)
class Server:
    """One that is ready.

    Attributes:
        requests: one for each picture, ready to be sent.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    requests: Sequence[bytes]

    def spent(self) -> Spent:
        """Processor time so far."""
        pid, *children = with_children(self.process.pid)
        loop_s = cpu_s(pid, is_main_thread=True)
        return Spent(loop_s, cpu_s(pid) - loop_s, sum(cpu_s(child) for child in children))


def pictures() -> list[bytes]:
    """What every server is sent, in this order."""
    return [path.read_bytes() for path in sorted(SAMPLES.glob("*.png"))]


@contextmanager
def serve_echo() -> Iterator[Server]:
    """Starlette and uvicorn with nothing between."""
    port = free_port()
    command = ["-m", "uvicorn", "echo:app", "--app-dir", str(BENCH), "--no-access-log"]
    with _running([sys.executable, *command, *_listen(port)]) as process:
        wait_for(f"http://127.0.0.1:{port}/livez")
        bodies = [body(picture, type=INSTANT) for picture in pictures()]
        yield Server("echo", process, port, [request(ENDPOINT, one, port) for one in bodies])


@contextmanager
def serve_loupette(
    name: str, type_id: int, *, workers: int, database_url: str | None = None
) -> Iterator[Server]:
    """The documented endpoint as it is delivered, with one type and a key without limits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        with open_database(path, database_url) as database:
            key = create_key(database, "bench", rate=1e6, opening_micros=10**12, now_ms=0).secret
        with serve_database(path, type_id, workers=workers, url=database_url) as (process, port):
            bodies = [
                body(picture, type=type_id, options={"min_confidence": 0}) for picture in pictures()
            ]
            requests = [request(ENDPOINT, one, port, {"X-API-Key": key}) for one in bodies]
            yield Server(name, process, port, requests)


def environment(path: Path, type_id: int) -> dict[str, str]:
    """The settings of a server of one type on a database, whose registry is written beside it."""
    registry = path.with_name("registry.toml")
    registry.write_text(f"[types.{type_id}]\nprice = 0.001\n", encoding="utf-8")
    return {
        "LOUPETTE_DATABASE": str(path),
        "LOUPETTE_REGISTRY": str(registry),
        "LOUPETTE_PLUGINS": "instant",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(BENCH), os.getenv("PYTHONPATH")])),
    }


@contextmanager
def serve_database(
    path: Path, type_id: int, *, workers: int, url: str | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """``loupette serve`` of one type on a database; gives its process and port."""
    port = free_port()
    serve = ["-m", "loupette", "serve", "--port", str(port), "--workers", str(workers)]
    settings = environment(path, type_id) | ({"DATABASE_URL": url} if url else {})
    with _running([sys.executable, *serve], settings) as process:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield process, port


@contextmanager
def serve_ddddocr(name: str, python: str, *, workers: int) -> Iterator[Server]:
    """Ddddocr behind FastAPI, under the Python that has both."""
    port = free_port()
    command = [python, "-m", "uvicorn", "ddddocr_server:app", "--app-dir", str(BENCH)]
    quiet = ["--no-access-log", "--workers", str(workers)]
    with _running([*command, *quiet, *_listen(port)]) as process:
        wait_for(f"http://127.0.0.1:{port}/livez")
        requests = [request("/ocr", body(picture), port) for picture in pictures()]
        yield Server(name, process, port, requests)


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command,
        env=os.environ | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _listen(port: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port)]


def body(picture: bytes, **fields: object) -> bytes:
    """What asks for a picture to be read, as JSON."""
    return json.dumps({"image": b64encode(picture).decode(), **fields}).encode()


def request(path: str, body: bytes, port: int, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole request, head and body."""
    lines = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def with_children(pid: int) -> list[int]:
    """A process, those it started, and those they started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [
        pid,
        *(grown for task in tasks for child in _children(task) for grown in with_children(child)),
    ]


def _children(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended since it was listed
        return []


def cpu_s(pid: int, *, is_main_thread: bool = False) -> float:
    """Processor time that a process, or its main thread alone, has taken so far."""
    folder = f"/proc/{pid}/task/{pid}" if is_main_thread else f"/proc/{pid}"
    fields = Path(folder, "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
