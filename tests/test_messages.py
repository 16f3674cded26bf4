"""The server's own messages: one JSON object a line, with no key and no image in any."""

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fakes
import hostile
from conftest import REGISTRY, issue_key
from loupette.messages import JsonFormatter
from loupette.settings import Settings
from serving import serve

KEY = "ak_" + "1a2B3c-D_" * 4 + "1234567"
IMAGE = base64.b64encode(fakes.draw_png(400, 200, "red") * 9).decode()


def record(
    message: str, *arguments: object, name: str = "loupette.x", error: Exception | None = None
) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.ERROR, "x.py", 1, message, arguments, trace)


def told(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_message_says_when_how_grave_who_and_what() -> None:
    before = datetime.now(UTC)
    found = told(record("%s is\n满", "the disk"))
    assert list(found) == ["time", "level", "logger", "message"]
    assert (found["level"], found["logger"]) == ("ERROR", "loupette.x")
    assert found["message"] == "the disk is\n满"
    assert found["time"].endswith("Z")
    assert abs((datetime.fromisoformat(found["time"]) - before).total_seconds()) < 5


def test_the_facts_of_a_request_are_fields_and_other_extras_are_not() -> None:
    made = record("x")
    facts = {"log_id": "LOG20241101000001", "type": None, "outcome": "ok", "code": 200, "ms": 1.5}
    vars(made).update(facts, color_message="\x1b[1mx", answer="r7k4m")
    found = told(made)
    assert {name: found[name] for name in facts} == facts
    assert found.keys() - facts.keys() == {"time", "level", "logger", "message"}


def test_an_error_brings_its_traceback_in_the_same_line() -> None:
    try:
        raise ZeroDivisionError("a plugin's own mistake")
    except ZeroDivisionError as error:
        found = told(record("it failed", error=error))
    assert found["traceback"].startswith("Traceback")
    assert found["traceback"].endswith("ZeroDivisionError: a plugin's own mistake")


def test_a_line_is_short_enough_for_collectors_and_keeps_the_end_of_the_trace() -> None:
    error = ValueError("word " * 100_000 + "the cause")
    made = record("word " * 100_000, error=error)
    assert len(JsonFormatter().format(made)) < 16_384
    assert told(made)["traceback"].endswith("the cause")


@pytest.mark.parametrize("secret", [KEY, IMAGE], ids=["key", "image"])
@pytest.mark.parametrize("before", ["", "api_key=", "\n", "%3D", "'"])
def test_a_key_or_an_image_is_left_out_wherever_code_puts_it(secret: str, before: str) -> None:
    made = record("cannot use %s!", before + secret, error=ValueError(before + secret))
    line = JsonFormatter().format(made)
    assert secret not in line
    assert secret[20:60] not in line
    assert told(made)["message"].endswith("ak_...!" if secret == KEY else "...!")


def test_a_key_is_left_out_before_a_message_is_cut() -> None:
    made = record("x" * 100 + " " + "word " * 376 + KEY, error=ValueError(KEY + " " * 7980))
    assert KEY[3:10] not in JsonFormatter().format(made)
    assert KEY[-9:] not in JsonFormatter().format(made)


def test_the_prefix_that_names_a_key_stays() -> None:
    assert told(record("key ak_1a2B3c4D is disabled"))["message"] == "key ak_1a2B3c4D is disabled"


def test_an_access_line_has_no_query() -> None:
    arguments = ("127.0.0.1:5", "GET", "/api/v1/logs?api_key=anything&x=1", "1.1", 401)
    made = record('%s - "%s %s HTTP/%s" %d', *arguments, name="uvicorn.access")
    assert told(made)["message"] == '127.0.0.1:5 - "GET /api/v1/logs HTTP/1.1" 401'


def test_text_that_is_no_unicode_is_told_all_the_same() -> None:
    assert told(record("file %s", os.fsdecode(b"\xff.png")))["message"] == "file \udcff.png"


def run(program: str) -> str:
    """What a process of its own says, as logging is set up for a whole process."""
    script = f"import logging, warnings\nfrom loupette.messages import *\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_requests_are_told_in_json_only() -> None:
    say = "logging.getLogger(REQUESTS).info('one'); logging.getLogger('loupette.x').info('two')"
    assert run(f"set_up_messages('text'); {say}") == "INFO: loupette.x: two\n"
    lines = run(f"set_up_messages('json'); {say}").splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["one", "two"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["loupette.x", "uvicorn.error"])
def test_neither_form_has_keys_or_images_also_of_uvicorn(name: str, form: str) -> None:
    said = run(
        f"import uvicorn\nuvicorn.Config('x')\nset_up_messages({form!r})\n"
        f"try: raise ValueError({KEY!r})\n"
        f"except ValueError: logging.getLogger({name!r}).exception('no %s', {IMAGE!r})"
    )
    assert "no ..." in said
    assert "ValueError: ak_..." in said
    assert KEY[3:] not in said
    assert IMAGE[20:60] not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_neither_form_has_the_query_of_an_access_line(form: str) -> None:
    """Lines for people had it, and with it the keys that callers put there."""
    arguments = ("127.0.0.1:5", "GET", f"/api/v1/logs?api_key={KEY}&x=1", "1.1", 401)
    said = run(
        f"import uvicorn\nuvicorn.Config('x')\nset_up_messages({form!r})\n"
        f"logging.getLogger('uvicorn.access').info('%s - %s %s %s %d', *{arguments!r})"
    )
    assert "/api/v1/logs " in said
    assert "401" in said
    assert "api_key" not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_broken_form_of_a_stranger_leaves_no_line(form: str) -> None:
    parse = (
        "from python_multipart.multipart import MultipartParser, MultipartParseError\n"
        f"set_up_messages({form!r})\n"
        "try: MultipartParser(b'x').write(b'broken')\n"
        "except MultipartParseError: pass"
    )
    assert run(parse) == ""


def test_warnings_of_libraries_are_json_too() -> None:
    (line,) = run("set_up_messages('json'); warnings.warn('old')").splitlines()
    assert json.loads(line)["logger"] == "py.warnings"


def test_an_access_log_that_is_switched_off_stays_off() -> None:
    silence = "access = logging.getLogger('uvicorn.access'); access.propagate = False"
    assert run(f"{silence}; set_up_messages('json'); access.info('x')") == ""


def test_each_row_of_the_log_is_told_once(
    client: object, post: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    black = fakes.draw_png(colour="black")
    with caplog.at_level(logging.INFO, "loupette.requests"):
        replies = [post(), post(fakes.REFUSES, image=black), post("no type")]
    found = [told(made) for made in caplog.records if made.name == "loupette.requests"]
    assert [message["log_id"] for message in found] == [
        reply.json()["data"]["log_id"] for reply in replies
    ]
    assert [(message["type"], message["outcome"], message["code"]) for message in found] == [
        (fakes.ECHO, "ok", 200),
        (fakes.REFUSES, "no_text", 400),
        (None, "bad_field", 400),
    ]
    assert all(0 < message["ms"] < 60_000 for message in found)


def test_what_leaves_no_row_in_the_log_is_not_told_either(
    client: object,
    post: Callable[..., Any],
    new_key: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody who never stops can fill the disk."""
    key = new_key(rate=0.001)
    with caplog.at_level(logging.INFO, "loupette.requests"):
        for _ in range(5):
            post(key=key)
            post(key="ak_of_nobody")
    outcomes = [vars(made)["outcome"] for made in caplog.records if made.name.endswith("requests")]
    assert outcomes == ["ok", "rate_limited"]


def test_a_failure_is_told_with_the_log_id_of_its_request(
    client: object, post: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    reply = post(fakes.RAISES, image=fakes.draw_png(colour="black"))
    (failure,) = [made for made in caplog.records if made.name == "loupette.web.responses"]
    assert told(failure)["log_id"] == reply.json()["data"]["log_id"]
    assert "traceback" not in told(failure)  # the worker's own message has the plugin's


@pytest.mark.slow
def test_a_whole_server_says_only_json_without_keys_and_images(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    registry = f"{REGISTRY}[types.{hostile.PRINTS}]\n"
    settings = make_settings(
        tmp_path, registry, workers=1, log_format="json", plugins=("fakes", "hostile")
    )
    key, wrong = issue_key(settings.database), "ak_" + "x" * 43
    images = [base64.b64encode(fakes.draw_png(9, 9, colour)).decode() for colour in ("red", "blue")]
    path = tmp_path / "messages"
    with (
        path.open("wb") as messages,
        serve(settings, log_level="info", messages=messages) as server,
    ):
        for image, type_id in zip(images, (fakes.ECHO, fakes.RAISES), strict=True):
            server.post({"image": image, "type": type_id}, key)
        server.post({"image": images[0], "type": fakes.ECHO}, wrong)
        server.post({"image": images[1], "type": fakes.DIES}, key)
        server.request("GET", f"/api/v1/balance?api_key={key}&image={images[0]}", key)
    lines = path.read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert {message["logger"] for message in found} == {
        "uvicorn.error",
        "uvicorn.access",
        "loupette.requests",
        "loupette.solving",  # the worker's own
        "loupette.pool",
        "loupette.web.responses",
    }
    outcomes = [message["outcome"] for message in found if "outcome" in message]
    assert outcomes == ["ok", "solver_crashed", "solver_crashed"]
    for secret in (key, key[3:], wrong, *images):
        assert secret not in path.read_text("utf-8")
