"""Who goes to a worker together, and who waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from loupette.errors import Overloaded, SolverCrashed
from loupette.frames import Read, Task
from loupette.plugin.types import MAX_BATCH
from loupette.queueing import MAX_AHEAD, Queue, Waiting

ONE, TOGETHER, ALSO = 1, 2, 3
LOADED = (ONE, TOGETHER, ALSO)


def run(scenario: Callable[[Queue], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await scenario(Queue(batched=(TOGETHER, ALSO)))

    asyncio.run(main())


def put(queue: Queue, type_id: int, *, wait_s: float = 20.0, alone: bool = False) -> Waiting:
    waiting = Waiting(Task(type_id, b""), 20.0, alone)
    queue.put(waiting, wait_s=wait_s)
    return waiting


def test_what_waits_is_shared_among_the_workers_in_the_order_of_arrival() -> None:
    async def scenario(queue: Queue) -> None:
        first, second, third = put(queue, ONE), put(queue, ONE), put(queue, ONE)
        assert queue.take(LOADED, workers=2) == [first, second]
        assert [queue.take(LOADED, workers=2), queue.take(LOADED, workers=2)] == [[third], []]

    run(scenario)


def test_not_too_much_is_sent_ahead() -> None:
    async def scenario(queue: Queue) -> None:
        all_of_them = [put(queue, ONE) for _ in range(MAX_AHEAD + 3)]
        assert queue.take(LOADED) == all_of_them[:MAX_AHEAD]
        assert len(queue) == 3

    run(scenario)


def test_who_was_sent_ahead_goes_on_waiting_until_begun() -> None:
    async def scenario(queue: Queue) -> None:
        first, late = (put(queue, ONE, wait_s=0.01) for _ in range(2))
        _, begun = (put(queue, ONE, wait_s=0.01) for _ in range(2))
        assert queue.take(LOADED) == [first, late]
        queue.take(LOADED)
        begun.begin()
        assert isinstance(await late.ending, Overloaded)
        await asyncio.sleep(0.02)
        assert not first.ending.done()
        assert not begun.ending.done()

    run(scenario)


def test_what_is_replied_to_in_parts_goes_up_to_a_workers_share_and_waits_until_begun() -> None:
    async def scenario(_: Queue) -> None:
        queue = Queue(max_in_parts=4)
        first, late = put(queue, ONE), put(queue, ONE, wait_s=0.01)
        others = [put(queue, ONE) for _ in range(6)]
        assert queue.take(LOADED, workers=4) == [first, late]
        assert queue.take(LOADED, workers=1) == others[:4]
        assert isinstance(await late.ending, Overloaded)

    run(scenario)


def test_of_several_that_are_replied_to_in_parts_none_is_suspected() -> None:
    async def scenario(_: Queue) -> None:
        queue = Queue(max_in_parts=4)
        several = [put(queue, ONE) for _ in range(3)]
        assert queue.find_suspect(several, several[1:]) is None
        assert queue.find_suspect(several[:1], several[:1]) is several[0]

    run(scenario)


def test_what_waits_of_the_oldest_ones_type_goes_along_and_the_rest_stays() -> None:
    async def scenario(queue: Queue) -> None:
        mine = [put(queue, TOGETHER)]
        other, alike = put(queue, ONE), put(queue, ALSO)
        mine += [put(queue, TOGETHER), put(queue, TOGETHER)]
        assert queue.take(LOADED) == mine
        assert [queue.take(LOADED), queue.take(LOADED)] == [[other], [alike]]

    run(scenario)


def test_a_batch_has_a_largest_size() -> None:
    async def scenario(queue: Queue) -> None:
        all_of_them = [put(queue, TOGETHER) for _ in range(MAX_BATCH + 3)]
        assert queue.take(LOADED) == all_of_them[:MAX_BATCH]
        assert len(queue) == 3

    run(scenario)


def test_what_must_be_alone_neither_takes_others_along_nor_goes_with_them() -> None:
    async def scenario(queue: Queue) -> None:
        first, alone, last = put(queue, TOGETHER), put(queue, TOGETHER, alone=True), None
        last = put(queue, TOGETHER)
        assert queue.take(LOADED) == [first, last]
        put(queue, TOGETHER)
        assert queue.take(LOADED) == [alone]

    run(scenario)


def test_a_worker_gets_only_types_it_has_loaded() -> None:
    async def scenario(queue: Queue) -> None:
        put(queue, ONE)
        second = put(queue, ALSO)
        assert queue.take([ALSO]) == [second]
        assert queue.take([ALSO]) == []

    run(scenario)


def test_who_waits_too_long_is_told_to_come_again() -> None:
    async def scenario(queue: Queue) -> None:
        late, patient = put(queue, ONE, wait_s=0.01), put(queue, ONE)
        assert isinstance(await late.ending, Overloaded)
        assert queue.take(LOADED) == [patient]

    run(scenario)


def test_who_was_taken_does_not_expire() -> None:
    async def scenario(queue: Queue) -> None:
        taken, watch = put(queue, ONE, wait_s=0.01), put(queue, ALSO, wait_s=0.05)
        assert queue.take([ONE]) == [taken]
        await watch.ending  # later than the other would have
        assert not taken.ending.done()

    run(scenario)


def test_those_for_which_there_is_an_error_are_refused_and_the_others_stay() -> None:
    async def scenario(queue: Queue) -> None:
        broken, other = put(queue, ONE), put(queue, ALSO)
        error = SolverCrashed("it is broken")
        queue.refuse(lambda task: error if task.type_id == ONE else None)
        assert isinstance(await broken.ending, SolverCrashed)
        assert queue.take(LOADED) == [other]

    run(scenario)


def test_an_ending_for_a_caller_that_has_left_is_let_go() -> None:
    async def scenario(queue: Queue) -> None:
        waiting = put(queue, ONE)
        waiting.ending.cancel()
        waiting.end(Read("x", 0.9, {}))
        with pytest.raises(asyncio.CancelledError):
            waiting.ending.result()

    run(scenario)
