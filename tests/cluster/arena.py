"""A server with its solvers on a cluster, and what its operator can see of both."""

import base64
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.arena import Arena
from loupette.cluster.trial import Trial, read_trial
from loupette.manager import load_plugins
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.keys import create_key
from serving import Server, find_port, start, stop

READY_WITHIN_S = 240.0
REPLY_WITHIN_S = 180.0
DEADLINE_S = 60.0
"""Longer than a new actor takes to start on a slow machine, so that what waits for it can."""
_POLL_S = 0.1

DELIVERED = [spec for plugin in load_plugins().loaded for spec in plugin.specs]
"""All types that this project has solvers of."""


def command(*arguments: str) -> str:
    """What a `loupette cluster` command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "loupette", "cluster", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True)
class Running:
    """A cluster that runs; its processes change when its head has died."""

    file: Path
    address: str

    @property
    def now(self) -> Trial:
        """Its processes, also while they are dead and are to be started again."""
        trial = read_trial(self.file)
        assert trial, "the cluster has ended"
        return trial


@contextmanager
def run_trial(folder: Path) -> Iterator[Running]:
    """`loupette cluster up`, and `down` with the block."""
    file = folder / "cluster.json"
    command("up", "--file", str(file))
    try:
        trial = read_trial(file)
        assert trial
        yield Running(file, trial.address)
    finally:
        command("down", "--file", str(file))


@contextmanager
def serve_on(
    trial: Running, folder: Path, registry: str, *, plugins: tuple[str, ...]
) -> Iterator[Arena]:
    """A server that is ready, with a rich key; it must end well with the block."""
    (folder / "registry.toml").write_text(registry, encoding="utf-8")
    settings = Settings(
        database=folder / "cluster.db",
        registry=folder / "registry.toml",
        workers=1,
        plugins=plugins,
        ray_address=trial.address,
    )
    with Database.open(settings.database) as database:
        key = create_key(database, "cluster", opening_micros=10**12, rate=10**6, now_ms=0).secret
    with (folder / "messages").open("wb") as messages:
        started = start(settings, find_port(), messages=messages)
        server = replace(started, timeout_s=REPLY_WITHIN_S)
        try:
            server.wait_until_ready(within_s=READY_WITHIN_S)
            yield Arena(settings, key, folder / "clock", server)
        finally:
            code = stop(server.process)
    assert code == 0, (folder / "messages").read_text()


def on_ray(
    type_id: int, *, replicas: int = 2, deadline_s: float = DEADLINE_S, more: str = ""
) -> str:
    """A table of the registry."""
    return (
        f"[types.{type_id}]\nprice = 0.01\ndeadline_s = {deadline_s}\nexecutor = 'ray'\n"
        f"ray = {{ replicas = {replicas}, cpus = 0.1{more} }}\n"
    )


def sample(server: Server, type_id: int) -> str:
    """A type's own sample, as it is posted."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REPLY_WITHIN_S)
    connection.request("GET", f"/types/{type_id}/sample")
    image = connection.getresponse().read()
    connection.close()
    return base64.b64encode(image).decode()


def wait_until(condition: Callable[[], object], *, within_s: float) -> None:
    """Poll until something holds."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s"
        time.sleep(_POLL_S)  # a poll; the deadline decides


def workers(trial: Running) -> Mapping[int, int]:
    """The actors' processes, each with the raylet that it is a child of."""
    found = {}
    for raylet in trial.now.raylets:
        for child in children(raylet):
            if _command(child).startswith("ray::RemoteSolvers"):
                found[child] = raylet
    return found


def is_answering(pid: int) -> bool:
    """Whether an actor is at a call of the server's; Ray names the process for what it does."""
    return _command(pid).startswith("ray::RemoteSolvers.answer")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def status(trial: Running) -> list[dict[str, object]]:
    """`loupette cluster status`."""
    read: list[dict[str, object]] = json.loads(
        command("status", "--file", str(trial.file), "--json")
    )
    return read
