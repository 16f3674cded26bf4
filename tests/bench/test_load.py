"""What the load bench makes of its figures, and its servers, each once."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import load  # noqa: E402  # scripts, not a package
from client import Outcome  # noqa: E402
from instant import TYPE_ID as INSTANT  # noqa: E402
from load import GOALS, Figure, judge, make_report, measure, measure_loops, measure_round  # noqa: E402
from servers import Server, serve_echo, serve_loupette  # noqa: E402

ROUND = {
    "echo": Figure(10_000, 50),
    "instant": Figure(5_000, 100),
    "alnum": Figure(450, 2_500),
    "loop": Figure(500, 2_000),
    "ddddocr": Figure(80, 12_000),
    "half": Figure(225, 2_500, 3.0, 9.0),
}


class Fake:
    """A server that takes no load."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cpu_s(self) -> float:
        return 0.0


def test_goals_are_ratios_of_one_round() -> None:
    assert [goal.number(ROUND) for goal in GOALS] == [2.0, 0.9, 3.0, 5.625]


@pytest.mark.parametrize(
    ("subject", "changed"),
    [
        ("instant", {"cpu_us": 115}),
        ("alnum", {"rate": 420}),
        ("half", {"p99_ms": 12.1}),
        ("ddddocr", {"rate": 91}),
    ],
)
def test_each_goal_can_be_missed(subject: str, changed: dict[str, float]) -> None:
    assert all(judge(goal, [ROUND])["is_met"] for goal in GOALS)
    missed = ROUND | {subject: replace(ROUND[subject], **changed)}
    assert [judge(goal, [missed])["is_met"] for goal in GOALS].count(False) == 1


def test_the_median_of_the_rounds_decides() -> None:
    slow = ROUND | {"instant": replace(ROUND["instant"], cpu_us=900)}
    judged = judge(GOALS[0], [ROUND, slow, ROUND])
    assert (judged["median"], judged["is_met"], judged["numbers"]) == (2.0, True, [2.0, 18.0, 2.0])


def test_a_report_has_medians_and_prints_what_was_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slow = ROUND | {"instant": replace(ROUND["instant"], cpu_us=900)}
    report = make_report([ROUND, slow, slow], workers=2, seconds=5.0)
    assert report["subjects"]["instant"]["cpu_us"] == 900
    assert report["subjects"]["half"]["p99_ms"] == 9.0
    load.print_report(report)
    assert capsys.readouterr().out.count("NOT MET") == 1


def test_the_order_turns_around_and_half_load_is_of_the_same_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, float]] = []

    def note(server: Fake, *, rate: float = 0.0, **_: Any) -> Figure:
        asked.append((server.name, rate))
        return ROUND[server.name]

    monkeypatch.setattr(load, "measure", note)
    monkeypatch.setattr(load, "measure_loops", lambda *_, **__: ROUND["loop"])
    servers: Any = [Fake("echo"), Fake("alnum")]
    for number in (0, 1):
        assert set(measure_round(servers, number, workers=1, seconds=1)) == {
            "echo",
            "alnum",
            "loop",
            "half",
        }
    even = [("echo", 0), ("alnum", 0), ("alnum", 225)]
    odd = [("alnum", 0), ("echo", 0), ("alnum", 225)]
    assert asked == even + odd


@pytest.mark.parametrize("statuses", [{200: 99, 500: 1}, {200: 70, 400: 30}, {429: 100}])
def test_a_server_that_does_not_read_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, statuses: dict[int, int]
) -> None:
    monkeypatch.setattr(load, "send", lambda *_, **__: Outcome(1.0, [1.0] * 100, statuses))
    server: Any = Fake("alnum")
    with pytest.raises(SystemExit, match="alnum answered"):
        measure(server, seconds=1)


@pytest.mark.slow
def test_the_servers_of_the_bench_answer_and_tell_their_processor_time() -> None:
    def look(server: Server) -> Figure:
        figure = measure(server, seconds=0.5)
        assert figure.rate > 1
        assert 0 < figure.p50_ms <= figure.p99_ms
        return figure

    with serve_echo() as echo, serve_loupette("instant", INSTANT, workers=1) as instant:
        look(echo)
        assert look(instant).cpu_us > 0
        assert len(load.send(echo, seconds=0.5, rate=50).ms) > 5


@pytest.mark.slow
def test_bare_loops_read_pictures() -> None:
    figure = measure_loops(2, seconds=0.3)
    assert figure.rate > 1
    assert figure.cpu_us > 0
