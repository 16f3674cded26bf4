"""The container files: what they say is sound, and every command they run works; no engine here."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving import ROOT, find_port, stop

CONTAINERFILE = ROOT / "Containerfile"
DEPLOY = ROOT / "deploy"
pytestmark = pytest.mark.containers


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Containerfile with its text on one line."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line)
    return [(name, text) for name, text in pairs]


def the(name: str) -> str:
    """The last instruction of a name, which is the one that counts."""
    return [text for found, text in instructions() if found == name][-1]


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the build's commands have run as in an image, with its paths below it."""
    root = tmp_path_factory.mktemp("image")
    for path in _sent_to_the_engine():
        target = root / "src" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, target)
    (root / "opt").mkdir()
    extras = the("ARG").removeprefix("EXTRAS=")
    for name, text in instructions():
        if name == "RUN":
            for command in text.split("&&"):
                subprocess.run(
                    ["sh", "-euc", below(command, root)],
                    cwd=root / "src",
                    env=os.environ | {"EXTRAS": extras, "PIP_QUIET": "1"},
                    timeout=900,
                    check=True,
                )
    return root


def _sent_to_the_engine() -> list[Path]:
    """What .dockerignore leaves: docker reads that name alone, podman that one, too."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("**", "**/__pycache__/")
    return [path for line in lines[1:-1] for path in ROOT.glob(line.removeprefix("!").rstrip("/"))]


def below(text: str, root: Path) -> str:
    """The image's own paths, below a folder of this machine."""
    python = text.replace("python -m venv", f"{sys.executable} -m venv")
    return re.sub(r"(?<![\w./])/(opt|data|etc/loupette)\b", rf"{root}/\1", python)


@pytest.fixture(scope="module")
def front(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the server that ENTRYPOINT and CMD start, in the environment of ENV."""
    port = find_port()
    words = [*json.loads(the("ENTRYPOINT")), *json.loads(the("CMD"))]
    words[words.index("8000")] = str(port)
    (image / "etc/loupette").mkdir(parents=True)
    shutil.copy(ROOT / "registry.toml", image / "etc/loupette")
    process = subprocess.Popen(words, env=environment(image), cwd=image / "data")
    try:
        wait_until_alive(process, port)
        yield port
    finally:
        code = stop(process)
    assert code == 0


def environment(image: Path) -> Mapping[str, str]:
    set_there = dict(pair.split("=", 1) for pair in shlex.split(the("ENV")))
    return {
        name: below(text.replace("$PATH", os.environ["PATH"]), image)
        for name, text in set_there.items()
    }


def wait_until_alive(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "it has ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)  # a poll; the deadline decides
    raise AssertionError("it does not answer")


def test_the_linter_has_no_objection() -> None:
    done = subprocess.run(["hadolint", str(CONTAINERFILE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    kept = {str(path.relative_to(ROOT)) for path in _sent_to_the_engine()}
    for name in ("core", "pyproject.toml", "constraints.txt", "registry.toml", "README.md"):
        assert name in kept
        assert (ROOT / name).exists()


def test_it_is_not_root_and_writes_to_its_data_only() -> None:
    assert the("USER").partition(":")[0].isdigit()
    assert int(the("USER").partition(":")[0]) > 0
    assert the("VOLUME") == the("WORKDIR") == "/data"


def test_entrypoint_and_command_serve(front: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{front}/livez", timeout=5) as reply:
        assert reply.status == 200


def test_the_health_check_passes_beside_a_server_and_fails_without(front: int, image: Path) -> None:
    check = json.loads(the("HEALTHCHECK").partition("CMD ")[2])

    def passes(port: int) -> bool:
        words = [word.replace(":8000/", f":{port}/") for word in check]
        return subprocess.run(words, env=environment(image), capture_output=True).returncode == 0

    assert (passes(front), passes(find_port())) == (True, False)


def test_every_service_of_compose_is_contained() -> None:
    (compose,) = documents("compose.yaml")
    services = compose["services"]
    assert {"balancer", "front1", "front2", "database"} == set(services)
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name == "database" or service["cap_drop"] == ["ALL"], name
    assert "ports" not in services["database"]
    assert all(port.startswith("127.0.0.1:") for port in services["balancer"]["ports"])


def test_the_balancer_knows_every_front_of_compose() -> None:
    (compose,) = documents("compose.yaml")
    fronts = {name for name in compose["services"] if name.startswith("front")}
    assert set(re.findall(r"server (\w+):8000", (DEPLOY / "nginx.conf").read_text())) == fronts


def test_nginx_takes_the_balancers_file(tmp_path: Path) -> None:
    sites = (DEPLOY / "nginx.conf").read_text()
    for name in ("front1", "front2"):  # no such hosts here
        sites = sites.replace(f"{name}:8000", "127.0.0.1:8000")
    (tmp_path / "sites").write_text(sites)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body;"
        f" proxy_temp_path {tmp_path}/proxy; fastcgi_temp_path {tmp_path}/f;"
        f" uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s; include {tmp_path}/sites; }}"
    )
    done = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_container_on_kubernetes_is_contained_and_mounts_what_is_there() -> None:
    for spec in pods():
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert "memory" in container["resources"]["limits"]


def pods() -> list[Any]:
    cluster, fronts, *_ = documents("kuberay.yaml")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [*(group["template"]["spec"] for group in groups), fronts["spec"]["template"]["spec"]]


def test_the_names_in_the_kubernetes_file_meet() -> None:
    cluster, fronts, service, policy = documents("kuberay.yaml")
    labels = fronts["spec"]["template"]["metadata"]["labels"]
    assert labels == fronts["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    ray = cluster["spec"]["headGroupSpec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"] == ray
    text = (DEPLOY / "kuberay.yaml").read_text()
    assert set(re.findall(r"([\w-]+)-head-svc:6379", text)) == {cluster["metadata"]["name"]}
