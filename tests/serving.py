"""A real uvicorn in a process of its own, to kill and to talk to over sockets."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

from loupette.settings import Images, Settings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Reply:
    """One answer over a real connection; numbers with a point are Decimal."""

    status: int
    headers: Mapping[str, str]
    json: Any  # a reply's body, looked into by each test


@dataclass(frozen=True)
class Server:
    """A running server process."""

    process: subprocess.Popen[Any]  # Any: bytes or text, whoever started it
    port: int
    timeout_s: float = 60.0

    def post(
        self, fields: Mapping[str, object], key: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Post one recognition on a connection of its own."""
        body = json.dumps(fields).encode()
        return self.request("POST", "/api/v1/captcha.php", key, body, headers)

    def request(
        self,
        method: str,
        path: str,
        key: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        try:
            kind = {"Content-Type": "application/json", "X-API-Key": key}
            connection.request(method, path, body, {**kind, **(headers or {})})
            response = connection.getresponse()
            read = parse(response.read())
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, read)
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A bare connection, for what no HTTP library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout_s)

    def page(self, path: str) -> str:
        """What a browser is shown, in English."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        try:
            connection.request(
                "GET", path, headers={"Accept": "text/html", "Accept-Language": "en"}
            )
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, text
            return text
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """What /metrics says now of a metric, named with its labels."""
        lines = self.page("/metrics").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def wait_until_ready(self, *, within_s: float = 60) -> None:
        """Wait until /readyz says yes, also of a server that does not listen yet."""
        deadline_s = time.monotonic() + within_s
        while not self._is_ready():
            assert time.monotonic() < deadline_s, f"the server is not ready within {within_s:g} s"
            time.sleep(0.02)  # a poll; the deadline decides

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz", "").status == 200
        except OSError:
            assert self.process.poll() is None, "the server has ended"
            return False

    def workers(self) -> list[int]:
        """The process ids of its solver processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def all_workers(self, count: int) -> list[int]:
        """The same, once there are as many as there should be."""
        deadline_s = time.monotonic() + 30
        while len(found := self.workers()) < count:
            assert time.monotonic() < deadline_s, f"{len(found)} of {count} workers run"
            time.sleep(0.02)  # a poll; the deadline decides
        return found


def parse(body: bytes | str) -> Any:  # Any: JSON
    return json.loads(body, parse_float=Decimal)


@contextmanager
def serve(
    settings: Settings, *, log_level: str = "error", messages: IO[bytes] | None = None
) -> Iterator[Server]:
    """Run a server until the block ends. It listens before it is ready, so clients just wait."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "server:app", "--app-dir", str(ROOT)]
        command += ["--http", "loupette.web.protocol:LimitedProtocol"]
        process = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--log-level", log_level],
            env={**os.environ, **_environment(settings)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if messages else None,
            stderr=messages,
        )
    try:
        yield Server(process, port)
    finally:
        stop(process)


def start(settings: Settings, port: int, *, messages: IO[bytes] | None = None) -> Server:
    """Run `loupette serve`, which does not listen yet; whoever calls stops or kills it."""
    command = [sys.executable, "-m", "loupette", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env={**os.environ, **_environment(settings)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=messages,
    )
    return Server(process, port, timeout_s=20.0)


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a server as an operator does, or kill it when it does not obey; its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def find_port() -> int:
    """A loopback port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "LOUPETTE_DATABASE": str(settings.database),
        "LOUPETTE_REGISTRY": str(settings.registry),
        "LOUPETTE_WORKERS": str(settings.workers),
        "LOUPETTE_MAX_IN_FLIGHT": str(settings.max_in_flight),
        "LOUPETTE_MAX_BODY_BYTES": str(settings.max_body_bytes),
        "LOUPETTE_BODY_TIMEOUT_S": str(settings.body_timeout_s),
        "LOUPETTE_PLUGINS": ",".join(settings.plugins),
        "LOUPETTE_LOG_FORMAT": settings.log_format,
        "LOUPETTE_IMAGES": _images(settings.images),
        **({"DATABASE_URL": settings.database_url} if settings.database_url else {}),
        "LOUPETTE_RAY_ADDRESS": settings.ray_address,
    }


def _images(images: Images) -> str:
    if images.kept_days:
        return f"{images.kept_days}d"
    return "hash" if images.hashed else "none"


def wait_until_gone(pid: int, timeout_s: float = 30.0) -> bool:
    """Whether a process that is not our child ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


@contextmanager
def running(threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    """Clients that go on asking until the block ends."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
