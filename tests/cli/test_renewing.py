"""SIGHUP: a running server takes up a plugin that has been installed anew, and fails nobody."""

import base64
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from serving import find_port, start, stop

PLUGIN = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

@hookimpl
def loupette_solvers():
    solver = fakes.Fake(lambda challenge: Answer("{answer}", 1.0))
    return [SolverSpec(60001, "名", "name", Decimal(0), lambda: solver, fakes.draw_png, "{answer}")]
"""


@pytest.mark.slow
def test_a_hang_up_has_every_worker_replaced_and_fails_no_request(
    tmp_path: Path, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    plugin = tmp_path / "renewed_plugin.py"
    plugin.write_text(PLUGIN.format(answer="old"))
    registry = "[types.60001]\nprice = 0.01\ndeadline_s = 30\n"
    settings = make_settings(tmp_path, registry, plugins=("renewed_plugin",))
    fields = {"image": base64.b64encode(fakes.draw_png()).decode(), "type": 60001}
    key = issue_key(settings.database)
    server = start(settings, find_port())
    try:
        server.wait_until_ready()
        replies = [server.post(fields, key)]
        plugin.write_text(PLUGIN.format(answer="renewed"))
        server.process.send_signal(signal.SIGHUP)
        while server.metric('loupette_worker_restarts_total{reason="recycled"}') < 2:
            replies.append(server.post(fields, key))
        replies.append(server.post(fields, key))
    finally:
        code = stop(server.process)
    assert code == 0
    assert {reply.status for reply in replies} == {200}
    answers = [reply.json["data"]["result"] for reply in replies]
    assert (answers[0], answers[-1]) == ("old", "renewed")
