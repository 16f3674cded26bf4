"""The commands of docs/scaling.md that need Ray."""

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import possible
from cluster.arena import READY_WITHIN_S
from documented import blocks, read
from serving import Server, find_port
from shell import begin

BLOCKS = blocks("docs/scaling.md", "bash")
(TRIAL,) = (code.splitlines() for code in BLOCKS if "cluster up" in code)
(OWN_MACHINES,) = (code.splitlines() for code in BLOCKS if "ray start" in code)
SERVICES = re.findall(r"^ExecStart=\S*/(ray .*)$", read("docs/scaling.md"), re.MULTILINE)
assert SERVICES
(REGISTRY,) = blocks("docs/scaling.md", "toml")
WITHIN_S = 600


def run(command: str, folder: Path) -> str:
    with begin(command, folder, within_s=WITHIN_S) as process:
        assert process.stdout
        said = process.stdout.read()
    assert process.returncode == 0, said
    return said


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a cluster that the page's first line starts and its last one ends."""
    up, *_, down = TRIAL
    said = run(up, tmp_path)
    try:
        yield re.findall(r"runs at (\S+)", said)[0]
    finally:
        assert "has ended" in run(down, tmp_path)


def test_a_cluster_is_tried_as_the_page_says(address: str, tmp_path: Path) -> None:
    _, serve, status, _ = (line.split("  #")[0].strip() for line in TRIAL)
    (tmp_path / "registry.toml").write_text(REGISTRY)
    port = find_port()
    command = f"{serve.replace('...', address)} --port {port}"
    with begin(command, tmp_path, within_s=WITHIN_S) as server:
        try:
            Server(server, port).wait_until_ready(within_s=READY_WITHIN_S)
            nodes = json.loads(run(f"{status} --json", tmp_path))
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert len(nodes) == 2
    assert sum(node["workers"].get("50200", 0) for node in nodes) == 2


@pytest.mark.parametrize("line", [*OWN_MACHINES[:2], *SERVICES])
def test_ray_takes_what_the_page_has_it_told(line: str) -> None:
    """Read by Ray's own command, and not done: it would leave a cluster behind."""
    from ray.scripts.scripts import cli  # these tests are collected where there is no Ray

    ray, *words = shlex.split(line, comments=True)
    assert ray == "ray"
    name, command, arguments = cli.resolve_command(cli.make_context("ray", list(words)), words)
    assert name == "start" and command is not None
    assert command.make_context(name, arguments).params["disable_usage_stats"] is True


def test_the_last_line_serves_from_the_address_of_the_others() -> None:
    head, node, serve = OWN_MACHINES
    possible.check(serve)
    assert "--port 6379 " in head
    assert all("FRONT:6379 " in line for line in (node, serve))
