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
from load import (  # noqa: E402
    GOALS,
    ON_ALL,
    Figure,
    count_workers,
    judge,
    make_report,
    measure,
    measure_loops,
    measure_round,
)
from servers import Server, Spent, serve_echo, serve_loupette  # noqa: E402

ROUND = {
    "echo": Figure(10_000, 50),
    "instant": Figure(5_000, 100),
    "alnum": Figure(450, 2_500),
    "loop": Figure(500, 2_000),
    "ddddocr": Figure(80, 12_000),
    "half": Figure(225, 2_500, 3.0, 9.0),
    "alnum on all cores": Figure(600, 2_500),
    "loop on all cores": Figure(1_000, 2_000),
    "ddddocr on all cores": Figure(150, 12_000),
    "decoder": Figure(10_000, 100),
    "ledger": Figure(8_000, 125),
}
LOOPS = {("solver", 1): "loop", ("solver", 2): "loop on all cores"} | {
    (part, 1): part for part in ("decoder", "ledger")
}


class Fake:
    """A server that takes no load."""

    def __init__(self, name: str) -> None:
        self.name = name

    def spent(self) -> Spent:
        return Spent(0.0, 0.0, 0.0)


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
    report = make_report([ROUND, slow, slow], workers={"": 1, ON_ALL: 2}, seconds=5.0)
    assert report["subjects"]["instant"]["cpu_us"] == 900
    assert report["subjects"]["half"]["p99_ms"] == 9.0
    load.print_report(report)
    assert capsys.readouterr().out.count("NOT MET") == 1


def test_what_has_a_worker_on_every_core_is_shown_and_not_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = make_report([ROUND], workers={"": 1, ON_ALL: 2}, seconds=5.0)
    assert [(ratio["median"], ratio["is_met"]) for ratio in report["beside"]] == [
        (4.5, False),
        (0.6, False),
        (4.0, False),
    ]
    load.print_report(report)
    told = capsys.readouterr().out
    assert "NOT MET" not in told
    assert "not judged: requests a second on all cores: alnum / bare loops 0.60" in told


@pytest.mark.parametrize(
    ("cores", "chosen", "counts"),
    [
        (4, None, {"": 3, ON_ALL: 4}),
        (2, None, {"": 1, ON_ALL: 2}),
        (1, None, {"": 1}),
        (4, 2, {"": 2}),
    ],
)
def test_goals_are_judged_with_a_core_left_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, cores: int, chosen: int | None, counts: dict[str, int]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert count_workers(chosen) == counts


def test_with_a_chosen_number_of_workers_nothing_on_all_cores_is_beside() -> None:
    report = make_report([ROUND], workers={"": 2}, seconds=5.0)
    (least,) = report["beside"]
    assert (report["workers"], least["median"]) == (2, 4.5)


def test_the_order_turns_around_and_half_load_is_of_the_same_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, float]] = []

    def note(server: Fake, *, rate: float = 0.0, **_: Any) -> Figure:
        asked.append((server.name, rate))
        return ROUND[server.name]

    monkeypatch.setattr(load, "measure", note)
    monkeypatch.setattr(load, "measure_loops", lambda *loop, **_: ROUND[LOOPS[loop]])
    servers: Any = [Fake("echo"), Fake("alnum")]
    for number in (0, 1):
        figures = measure_round(servers, number, workers={"": 1, ON_ALL: 2}, seconds=1)
        assert set(figures) == {"echo", "alnum", *LOOPS.values(), "half"}
        assert all(figures[name] == ROUND[name] for name in LOOPS.values())
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
        figure = look(instant)
        assert min(figure.loop_us, figure.threads_us, figure.workers_us) > 0
        assert figure.cpu_us == pytest.approx(sum(getattr(figure, part) for part in load.PARTS))
        assert len(load.send(echo, seconds=0.5, rate=50).ms) > 5


@pytest.mark.slow
@pytest.mark.parametrize("part", ["solver", "decoder", "ledger"])
def test_bare_loops_do_their_part(part: str) -> None:
    figure = measure_loops(part, 2, seconds=0.3)
    assert figure.rate > 1
    assert figure.cpu_us > 0
