"""The reference: every endpoint, field and code of the OpenAPI document is on the page."""

import html
import re

import pytest
from starlette.testclient import TestClient

from loupette.web.openapi import document
from loupette.web.reference import endpoints_by_tag
from loupette.web.responses import REASONS

BROWSER = {"Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture(scope="module")
def text(client: TestClient) -> str:
    return client.get("/docs/reference", headers=BROWSER).text


def test_every_endpoint_is_there(text: str) -> None:
    shown = re.findall(r'<span class="method">(\w+)</span> <code>(.+?)</code>', text)
    operations = [
        (method.upper(), path) for path, item in document()["paths"].items() for method in item
    ]
    assert sorted(shown) == sorted(operations)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_that_is_sent_is_there(text: str, reason: str) -> None:
    never_sent = {"client_gone", "method_not_allowed"}
    assert (f"<code>{reason}</code>" in text) == (reason not in never_sent)


def test_fields_within_fields_are_there(text: str) -> None:
    for name in ("options.charset", "data.result", "data.detail.confidence", "data.logs[].log_id"):
        assert f"<code>{name}</code>" in text


def test_kinds_say_their_limits() -> None:
    fields = {
        field.name: field.kind
        for endpoints in endpoints_by_tag().values()
        for endpoint in endpoints
        for field in (*endpoint.parameters, *endpoint.fields)
    }
    assert fields["limit"] == "integer, 1–500 (query)"
    assert fields["options.case"] == "string: keep, upper, lower"


def test_an_example_is_the_documents_own(text: str) -> None:
    plain = html.unescape(re.sub(r"<[^>]+>", "", text))
    assert '"result": "r7k4m"' in plain
