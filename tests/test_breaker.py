"""When a type is taken out, how long it stays out, and what lets it back in."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from loupette.breaker import DEADLY, FAULTS, WINDOW, Breaker

BAD, GOOD = 60001, 60002


def picture(number: int) -> Callable[[], bytes]:
    """The hash of one of many images."""
    return lambda: b"%d" % number


class Trials:
    """Gives prepared results, and notes when it was asked."""

    def __init__(self, results: Iterable[str | None] = ()) -> None:
        self.results = iter(results)
        self.times: list[float] = []

    async def __call__(self, type_id: int) -> str | None:
        self.times.append(time.monotonic())
        return next(self.results, "still broken")


def run(
    scenario: Callable[[Breaker], Awaitable[None]], trials: Trials | None = None, **named: Any
) -> None:
    async def main() -> None:
        breaker = Breaker(trials or Trials(), **named)
        async with asyncio.timeout(30):
            try:
                await scenario(breaker)
            finally:
                await breaker.close()

    asyncio.run(main())


async def back(breaker: Breaker) -> None:
    while breaker.failures:
        await asyncio.sleep(0.001)  # a poll; the scenario's limit decides


def test_faults_in_a_row_take_a_type_out_and_no_other() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(FAULTS - 1):
            breaker.blame(BAD, "the worker ended")
        breaker.blame(GOOD, "once")
        assert breaker.failures == {}
        breaker.blame(BAD, "the worker ended")
        assert set(breaker.failures) == {BAD}
        assert "the worker ended" in breaker.failures[BAD]

    run(scenario)


def test_faults_among_as_many_answers_and_more_take_no_type_out() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(WINDOW):
            breaker.blame(BAD, "one caller's deadly image")
            for number in range(2):
                breaker.praise(BAD, picture(number))
        assert breaker.failures == {}

    run(scenario)


def test_one_image_takes_no_type_out_and_many_do() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(2 * WINDOW):
            breaker.blame(BAD, "the worker ended", image=b"0")
        assert breaker.failures == {}
        for number in range(1, FAULTS):
            assert breaker.failures == {}
            breaker.blame(BAD, "the worker ended", image=b"%d" % number)
        assert set(breaker.failures) == {BAD}

    run(scenario)


def test_an_image_is_deadly_for_a_type_after_it_ended_two_of_its_workers() -> None:
    async def scenario(breaker: Breaker) -> None:
        breaker.blame(BAD, "once", image=b"1")
        breaker.blame(BAD, "by another", image=b"2")
        breaker.blame(GOOD, "of another type", image=b"1")
        breaker.blame(BAD, "by one of a batch")
        assert not breaker.is_deadly(BAD, picture(1))
        breaker.blame(BAD, "twice", image=b"1")
        assert breaker.is_deadly(BAD, picture(1))
        assert not breaker.is_deadly(BAD, picture(2))
        assert not breaker.is_deadly(GOOD, picture(1))

    run(scenario)


def test_an_image_that_was_answered_is_not_to_blame_for_what_was_before() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(3):
            breaker.blame(BAD, "somebody killed the worker", image=b"1")
            breaker.praise(BAD, picture(1))
        assert not breaker.is_deadly(BAD, picture(1))

    run(scenario)


def test_an_image_is_no_longer_deadly_after_the_window() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(DEADLY):
            breaker.blame(BAD, "the worker ended", image=b"1")
        await asyncio.sleep(0.02)  # what is tested is that time passes
        assert not breaker.is_deadly(BAD, picture(1))

    run(scenario, window_s=0.01)


def test_without_faults_no_image_is_hashed() -> None:
    def refuse() -> bytes:
        raise AssertionError("hashed")

    async def scenario(breaker: Breaker) -> None:
        breaker.praise(GOOD, refuse)
        assert not breaker.is_deadly(GOOD, refuse)

    run(scenario)


def test_faults_of_long_ago_do_not_count() -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(FAULTS - 1):
            breaker.blame(BAD, "before")
        await asyncio.sleep(0.02)  # what is tested is that time passes
        breaker.blame(BAD, "now")
        assert breaker.failures == {}

    run(scenario, window_s=0.01)


def test_a_passed_trial_lets_the_type_back_in_with_a_clean_record() -> None:
    async def scenario(breaker: Breaker) -> None:
        breaker.take_out(BAD, "broken")
        await back(breaker)
        for _ in range(FAULTS - 1):
            breaker.blame(BAD, "again")
        assert breaker.failures == {}

    run(scenario, Trials([None]), first_pause_s=0.001)


def test_the_pause_doubles_with_each_failed_trial_up_to_the_longest() -> None:
    trials = Trials(["no", "no", "no", "no", None])

    async def scenario(breaker: Breaker) -> None:
        trials.times.append(time.monotonic())
        breaker.take_out(BAD, "broken")
        await back(breaker)

    run(scenario, trials, first_pause_s=0.02, longest_pause_s=0.08)
    pauses = [after - before for before, after in zip(trials.times, trials.times[1:], strict=False)]
    assert all(
        pause >= least for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.08, 0.08), strict=True)
    )
    assert sum(pauses) < 5


def test_the_reason_is_that_of_the_last_trial() -> None:
    trials = Trials()

    async def scenario(breaker: Breaker) -> None:
        breaker.take_out(BAD, "broken")
        while len(trials.times) < 2:
            await asyncio.sleep(0.001)  # a poll; the scenario's limit decides
        assert breaker.failures == {BAD: "still broken"}

    run(scenario, trials, first_pause_s=0.001)


@pytest.mark.parametrize(("well_s", "pause"), [(600.0, "0.04"), (0.0, "0.02")])
def test_a_type_that_goes_out_again_soon_waits_longer(
    caplog: pytest.LogCaptureFixture, well_s: float, pause: str
) -> None:
    async def scenario(breaker: Breaker) -> None:
        for _ in range(2):
            breaker.take_out(BAD, "broken")
            await back(breaker)
        assert f"next trial in {pause} s" in caplog.messages[-2]
        assert caplog.messages[-1] == f"type {BAD} is back: it reads its own sample"

    with caplog.at_level("WARNING"):
        run(scenario, Trials([None, None]), first_pause_s=0.02, well_s=well_s)


def test_each_reason_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(breaker: Breaker) -> None:
        breaker.take_out(BAD, "broken")
        await back(breaker)

    run(scenario, Trials(["broken", "broken", "worse", "worse", None]), first_pause_s=0.001)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage().rpartition(": ")[2] for record in told] == ["broken", "worse"]


def test_a_type_that_is_out_is_not_taken_out_twice() -> None:
    async def scenario(breaker: Breaker) -> None:
        breaker.take_out(BAD, "first")
        for _ in range(FAULTS):
            breaker.blame(BAD, "a challenge that was under way")
        assert breaker.failures == {BAD: "first"}

    run(scenario)
