"""The failed reply and the line of the log that the documents show are the true ones."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

import fakes
from documented import blocks
from loupette.messages import JsonFormatter


def test_failed_reply_of_the_errors_page_is_the_true_one(
    client: object, post: Callable[..., Any], new_key: Callable[..., str]
) -> None:
    shown = json.loads(blocks("docs/errors.md", "json")[0])
    true = post("", key=new_key(balance="95.50")).json()
    for reply in (shown, true):  # what differs each time
        del reply["timestamp"], reply["data"]["log_id"], reply["data"]["response_time"]
    assert shown == true


def test_line_of_the_operating_page_is_as_the_server_writes_it(
    client: object, post: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    (line,) = (code for code in blocks("docs/operating.md", "json") if '"logger"' in code)
    shown = json.loads(line)
    with caplog.at_level(logging.INFO, "loupette.requests"):
        post(fakes.ECHO)
    (made,) = (made for made in caplog.records if made.name == "loupette.requests")
    true = json.loads(JsonFormatter().format(made))
    assert {name: type(value) for name, value in shown.items()} == {
        name: type(value) for name, value in true.items()
    }
    told = f"{shown['log_id']}, type {shown['type']}: {shown['outcome']}"
    assert shown["message"] == told
    assert true["message"] == f"{true['log_id']}, type {true['type']}: {true['outcome']}"
