"""The OpenAPI document and the running server say the same."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.settings import Settings
from loupette.web import console
from loupette.web.app import create_app
from loupette.web.openapi import document
from loupette.web.responses import REASONS, code_and_msg
from serving import serve

OPERATIONS = [(path, method) for path, item in document()["paths"].items() for method in item]


def takes_anything(path: str, method: str) -> bool:
    """Whether there is something that could be asked wrongly."""
    operation = document()["paths"][path][method]
    kinds = [parameter["schema"] for parameter in operation.get("parameters", ())]
    return "requestBody" in operation or any(kind != {"type": "string"} for kind in kinds)


CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def test_every_route_is_in_the_document_and_every_path_is_routed() -> None:
    routed = set()
    for route in (one for one in create_app(Settings()).routes if one not in console.ROUTES):
        if isinstance(route, Mount):
            routed.add((f"{route.path}/{{path}}", "get"))
        else:
            assert isinstance(route, Route)
            methods = (route.methods or set()) - {"HEAD"}
            routed |= {(route.path, method.lower()) for method in methods}
    assert routed == set(OPERATIONS)


def test_the_document_is_served(client: TestClient) -> None:
    reply = client.get("/openapi.json")
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == document()
    again = client.get("/openapi.json", headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304


def test_every_reason_that_can_be_sent_has_an_example() -> None:
    shown = {
        (int(code), reason)
        for item in document()["paths"].values()
        for operation in item.values()
        for code, reply in operation["responses"].items()
        for reason in reply.get("content", {}).get("application/json", {}).get("examples", {})
    }
    # Nobody is left to be told the first; the second is for methods that the document has not.
    sent = REASONS.keys() - {"client_gone", "method_not_allowed"}
    assert shown == {(code_and_msg(REASONS[reason])[0], reason) for reason in sent}


def validator(schema: dict[str, Any]) -> Any:  # Any: it has no types
    whole = {**schema, "components": document()["components"]}
    return jsonschema_rs.validator_for({"$schema": SCHEMA, **whole})


SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def test_every_example_fits_its_schema() -> None:
    count = 0
    for item in document()["paths"].values():
        for operation in item.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in (part for body in bodies for part in body.get("content", {}).values()):
                examples = [example["value"] for example in content.get("examples", {}).values()]
                examples += [content["example"]] if "example" in content else []
                for example in examples:
                    validator(content["schema"]).validate(example)
                    count += 1
    assert count > 50


@pytest.mark.parametrize(
    "type_id", [fakes.ECHO, fakes.DIES, fakes.REFUSES, fakes.RAISES, fakes.UNSURE, 5]
)
def test_what_is_answered_to_an_image_fits(post: Callable[..., Any], type_id: int) -> None:
    reply = post(type_id, image=fakes.draw_png(colour="black"))
    content = document()["paths"]["/api/v1/captcha.php"]["post"]["responses"]
    schema = content[str(reply.status_code)]["content"]["application/json"]["schema"]
    assert [error.message for error in validator(schema).iter_errors(reply.json())] == []


def test_logs_and_reports_fit(client: TestClient, post: Callable[..., Any], new_key: Any) -> None:
    key = {"X-API-Key": new_key()}
    log_id = post(key=key["X-API-Key"]).json()["data"]["log_id"]
    post(fakes.REFUSES, key=key["X-API-Key"], image=fakes.draw_png(colour="black"))
    report = {"log_id": log_id, "verdict": "wrong"}
    for path, template, reply in (
        ("/api/v1/report", "post", client.post("/api/v1/report", headers=key, json=report)),
        ("/api/v1/logs", "get", client.get("/api/v1/logs", headers=key)),
        ("/api/v1/logs/{log_id}", "get", client.get(f"/api/v1/logs/{log_id}", headers=key)),
        ("/api/v1/balance", "get", client.get("/api/v1/balance", headers=key)),
        ("/api/v1/types", "get", client.get("/api/v1/types")),
    ):
        assert reply.status_code == 200
        content = document()["paths"][path][template]["responses"]["200"]["content"]
        validator(content["application/json"]["schema"]).validate(reply.json())


@pytest.fixture(scope="module")
def api(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Iterator[tuple[Any, str]]:
    """The document as a running server gives it, and a key that may do all."""
    settings = make_settings(tmp_path_factory.mktemp("api"))
    key = issue_key(settings, rate=100_000)
    with serve(settings) as running:
        url = f"http://127.0.0.1:{running.port}"
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", wait_for_schema=30), key


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, method in OPERATIONS
        for mode in schemathesis.GenerationMode
        if mode is schemathesis.GenerationMode.POSITIVE or takes_anything(path, method)
    ],
)
def test_whatever_is_asked_is_answered_as_documented(
    api: tuple[Any, str],
    path: str,
    method: str,
    mode: schemathesis.GenerationMode,
    pytestconfig: pytest.Config,
) -> None:
    schema, key = api
    operation = schema[path][method.upper()]
    image = base64.b64encode(fakes.draw_png()).decode()
    examples = pytestconfig.getoption("--api-examples")

    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        has_key=st.booleans(),
        wants=st.sampled_from(["*/*", "text/html"]),
        is_right=st.booleans(),
    )
    def ask(case: schemathesis.Case, has_key: bool, wants: str, is_right: bool) -> None:
        case.headers = {**(case.headers or {}), "Accept": wants}
        if has_key:
            case.headers["X-API-Key"] = key
        if is_right and isinstance(case.body, dict):
            case.body |= {"image": image, "type": fakes.ECHO}
        case.call_and_validate(checks=CHECKS, timeout=60)

    ask()
