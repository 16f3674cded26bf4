"""The catalogue: JSON for programs, a page for people, a sample of each type."""

import asyncio
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import fakes
import hostile_plugin
from loupette.errors import SolverTimeout
from loupette.settings import Settings
from loupette.tiers import write_tiers
from loupette.web import service as web_service
from loupette.web.app import create_app
from loupette.web.samples import LANGUAGES, quotable
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
        assert f'href="/types/{type_id}"' in reply.text
        assert f'src="/types/{type_id}/sample"' in reply.text


def test_the_root_answers_as_the_catalogue_does(client: TestClient) -> None:
    app: Any = client.app
    assert client.portal
    client.portal.call(asyncio.wait_for, app.state.service.engine.pool.wait_ready(), 60)
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
        served, service = (
            engine.catalogue.find(fakes.ECHO),
            Service(settings, engine, app.state.service.management),
        )
        counted = replace(served, spec=replace(served.spec, sample=draw))
        return await asyncio.gather(*(service.sample(counted) for _ in range(5)))

    assert asyncio.run(ask()) == [b"PNG"] * 5
    assert drawn == [1]


def test_the_catalogue_needs_no_key(client: TestClient) -> None:
    assert client.get("/api/v1/types").status_code == 200


def page_of(client: TestClient, type_id: int, **headers: str) -> str:
    return client.get(f"/types/{type_id}", headers={"Accept": BROWSER, **headers}).text


@pytest.fixture(scope="module")
def ready(client: TestClient) -> TestClient:
    """Once a worker has loaded all types."""
    app: Any = client.app
    assert client.portal is not None
    client.portal.call(app.state.service.engine.pool.wait_ready)
    return client


def test_one_type_is_the_same_as_in_the_list(ready: TestClient) -> None:
    reply = json.loads(ready.get(f"/types/{fakes.ECHO}").text, parse_float=Decimal)
    assert reply["data"] == listed(ready)[fakes.ECHO]


@pytest.mark.parametrize("text", ["0", "abc", "99999", "9" * 40, "%F0%9F%92%A9"])
def test_a_type_that_is_not_served_has_no_page(client: TestClient, text: str) -> None:
    assert client.get(f"/types/{text}").json()["error"]["reason"] == "unknown_type"
    page = client.get(f"/types/{text}", headers={"Accept": BROWSER})
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")


def test_the_page_of_a_type_shows_what_it_takes(client: TestClient) -> None:
    text = page_of(client, fakes.ECHO)
    for shown in (
        "回声",
        "image2",
        "min_confidence",
        "1–200",
        "<code>keep</code>",
        "fakes",
        "40x20",
    ):
        assert shown in text


def test_the_samples_of_code_name_the_visitors_host_and_the_type(client: TestClient) -> None:
    text = page_of(client, fakes.ECHO, Host="shop.example:8443")
    assert text.count("http://shop.example:8443/api/v1/captcha.php") >= 3
    assert "captchaapi.com" not in text
    assert "10001" not in text
    for language in LANGUAGES:
        assert f'data-language="{language}"' in text


@pytest.mark.parametrize(
    "url", ["http://a b/", "http://$(id)/", "http://`id`", "http://x';id;'", "ftp://x", "http://"]
)
def test_a_host_that_means_something_to_a_shell_is_not_in_a_sample(url: str) -> None:
    assert quotable(url) == "http://127.0.0.1:8000"


@pytest.mark.parametrize("url", ["https://a.example", "http://127.0.0.1:80", "http://[::1]:8000"])
def test_an_ordinary_host_is(url: str) -> None:
    assert quotable(f"{url}/") == url


def test_a_type_says_what_was_measured(client: TestClient) -> None:
    echo = listed(client)[fakes.ECHO]
    assert echo["weights"] == [
        {"file": "echo.tflite", "sha256": "0" * 64, "date": "2026-01-02"},
        {"file": None, "sha256": "1" * 64, "date": None},
    ]
    assert (echo["accuracy"]["right"], echo["accuracy"]["n"]) == (Decimal("0.9"), 100)
    text = page_of(client, fakes.ECHO, **{"Accept-Language": "en"})
    for shown in (
        "90.0 %",
        "82.6–94.5 %",
        "2026-01-02",
        "make measure",
        "10.0 %",
        "echo.tflite",
        "0" * 64,
        "1" * 64,
    ):
        assert shown in text


def test_a_type_without_a_card_says_so(client: TestClient) -> None:
    slow = listed(client)[fakes.SLOW]
    assert (slow["weights"], slow["accuracy"]) == ([], None)
    assert "插件未提供测量数据" in page_of(client, fakes.SLOW)


def test_a_type_says_how_far_it_conforms_where_its_package_has_it_recorded(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shown_tier").mkdir()
    (tmp_path / "shown_tier" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    write_tiers("shown_tier", {fakes.ECHO: "silver"}, date="2026-01-02")
    app: Any = client.app
    service: Service = app.state.service
    served = service.engine.catalogue.types
    monkeypatch.setattr(service, "_tiers", {})
    assert listed(client)[fakes.ECHO]["tier"] is None
    monkeypatch.setattr(service, "_tiers", {})
    monkeypatch.setitem(served, fakes.ECHO, replace(served[fakes.ECHO], module="shown_tier"))
    assert listed(client)[fakes.ECHO]["tier"] == "silver"
    page = page_of(client, fakes.ECHO, **{"Accept-Language": "en"})
    assert "<dd>silver <small>loupette plugin check fakes" in page
    monkeypatch.setattr(service, "_tiers", {})


def test_texts_of_a_plugin_cannot_bring_script_into_a_page(hostile: TestClient) -> None:
    for path in ("/types", f"/types/{hostile_plugin.TYPE_ID}"):
        for language in ("zh", "en"):
            headers = {"Accept": BROWSER, "Accept-Language": language}
            text = hostile.get(path, headers=headers).text
            assert str(hostile_plugin.TYPE_ID) in text
            assert "<b" not in text.split("<body>")[1]
            assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", text)


def test_a_type_that_cannot_be_loaded_is_shown_as_out_of_order(hostile: TestClient) -> None:
    assert listed(hostile)[hostile_plugin.TYPE_ID]["status"] == "out_of_order"
    text = page_of(hostile, hostile_plugin.TYPE_ID)
    assert "故障" in text
    assert "SECRET" not in text


def test_a_type_that_reads_its_sample_is_ready(ready: TestClient) -> None:
    assert listed(ready)[fakes.ECHO]["status"] == "ready"


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Iterator[TestClient]:
    """A server of one type, by a plugin that means no good."""
    registry = f"[types.{hostile_plugin.TYPE_ID}]\nprice = 0.01\n"
    settings = make_settings(
        tmp_path_factory.mktemp("hostile"), registry, workers=1, plugins=("hostile_plugin",)
    )
    with TestClient(create_app(settings)) as running:
        app: Any = running.app
        assert running.portal is not None
        running.portal.call(app.state.service.engine.pool.wait_ready)
        yield running


def draw_again(client: TestClient, draw: Callable[[], bytes]) -> bytes:
    """The sample of a type whose plugin draws it anew, with this."""
    app: Any = client.app
    service: Service = app.state.service
    served = service.engine.catalogue.find(fakes.SLOW)
    assert client.portal is not None
    return client.portal.call(
        service.sample, replace(served, spec=replace(served.spec, sample=draw))
    )


def test_a_sample_that_could_not_be_drawn_is_drawn_for_the_next_visitor(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: Any = client.app
    monkeypatch.setattr(app.state.service, "_samples", {})

    def fail() -> bytes:
        raise OSError("no font")

    with pytest.raises(OSError, match="no font"):
        draw_again(client, fail)
    assert draw_again(client, lambda: b"drawn") == b"drawn"


def test_a_sample_that_is_not_drawn_in_time_keeps_no_visitor(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: Any = client.app
    monkeypatch.setattr(app.state.service, "_samples", {})
    monkeypatch.setattr(web_service, "_SAMPLE_WITHIN_S", 0.01)
    drawn = threading.Event()
    try:
        with pytest.raises(SolverTimeout, match="no sample of type"):
            draw_again(client, lambda: b"late" if drawn.wait(30) else b"never")
    finally:
        drawn.set()
    monkeypatch.setattr(web_service, "_SAMPLE_WITHIN_S", 30.0)
    assert draw_again(client, lambda: b"another") == b"late"


def test_a_sample_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get(f"/types/{fakes.ECHO}/sample")
    again = client.get(
        f"/types/{fakes.ECHO}/sample", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
