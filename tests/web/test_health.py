"""/livez and /readyz, also where a type is out of order."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

import fakes
import hostile
from conftest import issue_key
from loupette.settings import Settings
from loupette.web.app import create_app
from pools import WHITE, black

PLUGINS = ("fakes", "hostile")


def wait_ready(client: TestClient) -> None:
    """Until a worker has loaded every type, or has said why not."""
    app: Any = client.app
    assert client.portal
    client.portal.call(asyncio.wait_for, app.state.service.engine.pool.wait_ready(), 60)


def readyz(client: TestClient, sender: str = "127.0.0.1", **headers: str) -> Any:
    """Ask as a machine with this address; the server runs already."""
    machine = TestClient(client.app, client=(sender, 50000))
    machine.portal = client.portal
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return machine.get("/readyz", headers=names)


def registry(*types: int) -> str:
    return "\n".join(f"[types.{type_id}]" for type_id in types)


def test_a_server_with_healthy_types_is_ready(client: TestClient) -> None:
    wait_ready(client)
    reply = client.get("/readyz")
    assert reply.status_code == 200
    assert set(reply.json()["data"]["types"].values()) == {"ready"}


def test_livez_needs_no_worker(make_settings: Callable[..., Settings], tmp_path: Any) -> None:
    with TestClient(create_app(make_settings(tmp_path))) as client:
        reply = client.get("/livez")
    assert (reply.status_code, reply.json()["data"]) == (200, {"status": "alive"})


def test_before_the_first_worker_is_ready_the_server_is_not(
    make_settings: Callable[..., Settings], tmp_path: Any
) -> None:
    with TestClient(create_app(make_settings(tmp_path))) as client:
        reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["code"], reply.json()["msg"]) == (
        503,
        503,
        "服务尚未就绪",
    )
    assert set(reply.json()["data"]["types"].values()) == {"starting"}


@pytest.mark.parametrize("always_200", [False, True])
def test_types_out_of_order_are_named_and_the_others_work(
    make_settings: Callable[..., Settings], tmp_path: Any, always_200: bool
) -> None:
    broken = (hostile.NO_SAMPLE, hostile.NO_LOAD, hostile.MISREADS)
    text = registry(fakes.ECHO, *broken)
    settings = make_settings(tmp_path, text, plugins=PLUGINS, workers=1, always_200=always_200)
    with TestClient(create_app(settings)) as client:
        wait_ready(client)
        ready = readyz(client)
        answer = client.post(
            "/api/v1/captcha.php",
            headers={"X-API-Key": issue_key(settings)},
            json={"image": base64.b64encode(fakes.draw_png()).decode(), "type": fakes.ECHO},
        )
    types = ready.json()["data"]["types"]
    assert ready.status_code == 503  # probes read the status, whatever always_200 says
    assert types[str(fakes.ECHO)] == "ready"
    assert "no sample today" in types[str(hostile.NO_SAMPLE)]
    assert "the model is missing" in types[str(hostile.NO_LOAD)]
    assert answer.json()["data"]["result"] == "40x20"


def test_what_is_wrong_is_for_the_operator_alone(
    make_settings: Callable[..., Settings], tmp_path: Any
) -> None:
    """Anybody was shown a plugin's exception."""
    settings = make_settings(tmp_path, registry(hostile.NO_LOAD), plugins=PLUGINS, workers=1)
    with TestClient(create_app(settings)) as client:
        wait_ready(client)
        told = [
            readyz(client, "192.0.2.7"),
            readyz(client, X_Forwarded_For="192.0.2.7"),
            readyz(client),
        ]
    strangers, passed_on, operators = (reply.json()["data"]["types"] for reply in told)
    assert {reply.status_code for reply in told} == {503}
    assert strangers == passed_on == {str(hostile.NO_LOAD): "out_of_order"}
    assert "the model is missing" in operators[str(hostile.NO_LOAD)]


def test_a_type_taken_out_later_is_told_refused_free_and_no_reason_to_be_unready(
    make_settings: Callable[..., Settings], tmp_path: Any
) -> None:
    settings = make_settings(tmp_path, registry(fakes.ECHO, fakes.DIES))
    key = issue_key(settings)

    def post(type_id: int, image: bytes) -> Any:
        body = {"image": base64.b64encode(image).decode(), "type": type_id}
        return client.post("/api/v1/captcha.php", headers={"X-API-Key": key}, json=body).json()

    with TestClient(create_app(settings)) as client:
        wait_ready(client)
        while not (failures := readyz(client).json()["data"]["types"])[str(fakes.DIES)].startswith(
            "5 of its last"
        ):
            assert failures[str(fakes.DIES)] == "ready"
            refused = post(fakes.DIES, black())
            assert (refused["code"], refused["data"]["cost"]) == (500, 0)
        assert client.get("/readyz").status_code == 200
        assert "out of order" in post(fakes.DIES, WHITE)["error"]["message"]
        assert post(fakes.ECHO, WHITE)["data"]["result"] == "40x20"


def test_a_plugin_that_does_not_load_leaves_the_others_served(
    make_settings: Callable[..., Settings], tmp_path: Any
) -> None:
    settings = make_settings(
        tmp_path, registry(fakes.ECHO), plugins=("fakes", "no_such_plugin"), workers=1
    )
    with TestClient(create_app(settings)) as client:
        wait_ready(client)
        assert client.get("/readyz").status_code == 200


def test_health_needs_no_key_and_is_json(client: TestClient) -> None:
    for path in ("/livez", "/readyz"):
        assert isinstance(json.loads(client.get(path).text)["data"], dict)
