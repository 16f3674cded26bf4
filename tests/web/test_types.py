"""The catalogue: JSON for programs, a page for people, a sample of each type."""

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import fakes
from loupette.settings import Settings
from loupette.web.app import create_app
from loupette.web.service import Service

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def listed(client: TestClient) -> dict[int, dict[str, Any]]:
    reply = json.loads(client.get("/api/v1/types").text, parse_float=Decimal)
    return {entry["type"]: entry for entry in reply["data"]["types"]}


def test_all_served_types_are_listed_in_order(client: TestClient) -> None:
    assert list(listed(client)) == list(range(fakes.ECHO, fakes.CLOSED + 1))


def test_a_type_says_all_that_a_caller_needs(client: TestClient) -> None:
    echo = listed(client)[fakes.ECHO]
    assert (echo["name"], echo["price"], echo["currency"]) == ("回声", Decimal("0.01"), "CNY")
    assert echo["inputs"] == ["image", "image2"]
    assert (echo["plugin"], echo["deadline_s"], echo["min_confidence"]) == ("fakes", 20, 0)
    assert echo["sample_answer"] == "40x20"


def test_a_type_of_one_image_says_so(client: TestClient) -> None:
    assert listed(client)[fakes.CLOSED]["inputs"] == ["image"]


def test_options_are_listed_with_their_limits(client: TestClient) -> None:
    options = {option["name"]: option for option in listed(client)[fakes.ECHO]["options"]}
    assert list(options) == [
        "charset",
        "min_length",
        "max_length",
        "case",
        "width",
        "min_confidence",
    ]
    assert (options["width"]["minimum"], options["width"]["maximum"]) == (1, 9)
    assert options["case"]["choices"] == ["keep", "upper", "lower"]


def test_prices_are_those_of_the_registry(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, "[types.60001]\nprice = 0.0005", workers=1)
    with TestClient(create_app(settings)) as client:
        assert {t: e["price"] for t, e in listed(client).items()} == {60001: Decimal("0.0005")}


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/json, text/html"])
def test_programs_get_json_from_the_page(client: TestClient, accept: str) -> None:
    reply = client.get("/types", headers={"Accept": accept})
    assert reply.headers["content-type"] == "application/json"
    assert len(reply.json()["data"]["types"]) == 8


def test_browsers_get_a_page_with_every_type(client: TestClient) -> None:
    reply = client.get("/types", headers={"Accept": BROWSER})
    assert reply.headers["content-type"].startswith("text/html")
    for type_id in range(fakes.ECHO, fakes.CLOSED + 1):
        assert str(type_id) in reply.text
        assert f"/types/{type_id}/sample" in reply.text


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    text = client.get("/types", headers={"Accept": BROWSER}).text
    outside = [part for part in text.split('"') if part.startswith(("http://", "https://", "//"))]
    assert [url for url in outside if "testserver" not in url] == []
    assert "<script src" not in text


def test_the_root_answers_as_the_catalogue_does(client: TestClient) -> None:
    reply = client.get("/", follow_redirects=False)
    assert (reply.status_code, reply.json()["data"]) == (200, client.get("/types").json()["data"])
    assert client.get("/", headers={"Accept": BROWSER}).text.startswith("<!")


def test_a_sample_is_an_image_that_the_type_reads(client: TestClient) -> None:
    reply = client.get(f"/types/{fakes.ECHO}/sample")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(reply.content)).size == (40, 20)


def test_a_plugin_draws_its_sample_once(client: TestClient, settings: Settings) -> None:
    """Anybody may ask for it, and a stranger's code draws it."""
    app: Any = client.app
    drawn: list[int] = []

    def draw() -> bytes:
        drawn.append(1)
        return b"PNG"

    async def ask() -> list[bytes]:
        engine = app.state.service.engine
        served, service = engine.catalogue.find(fakes.ECHO), Service(settings, engine)
        counted = replace(served, spec=replace(served.spec, sample=draw))
        return await asyncio.gather(*(service.sample(counted) for _ in range(5)))

    assert asyncio.run(ask()) == [b"PNG"] * 5
    assert drawn == [1]


def test_the_catalogue_needs_no_key(client: TestClient) -> None:
    assert client.get("/api/v1/types").status_code == 200
