"""Workers are replaced between challenges, and no request notices."""

import asyncio
import os
from pathlib import Path

import pytest

import fakes
import hostile
from loupette.frames import Task
from loupette.member import Member
from loupette.pool import WorkerPool
from pools import WHITE, ask, children, echo, run, until

MIB = 1024 * 1024


def test_a_worker_that_has_served_its_number_is_replaced_and_no_request_fails() -> None:
    async def scenario(pool: WorkerPool) -> None:
        seen = set[int]()
        while len(seen) < 3:
            result, pid = await echo(pool)
            assert result == "40x20"
            seen.add(pid)
        await until(lambda: pool.restarts["recycled"] >= 2)
        assert pool.restarts.total() == pool.restarts["recycled"]

    run(scenario, fakes.ECHO, max_requests=3)


def test_a_worker_that_grew_too_large_is_replaced() -> None:
    async def scenario(pool: WorkerPool) -> None:
        first = (await ask(pool, hostile.LEAKS, number=10)).detail["pid"]
        small = pool.resident_bytes()[0]
        await ask(pool, hostile.LEAKS, number=2 * small)
        await until(lambda: pool.restarts["recycled"])
        assert (await ask(pool, hostile.LEAKS)).detail["pid"] != first
        assert pool.resident_bytes()[0] < 2 * small

    run(scenario, hostile.LEAKS, max_rss_bytes=1)


def test_a_ceiling_below_what_every_worker_takes_replaces_none() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await echo(pool)
        (member,) = pool._members.values()
        assert member.worker.resident_bytes() > MIB
        assert pool._is_due(member) is None

    run(scenario, fakes.ECHO, max_rss_bytes=MIB)


def test_a_worker_is_not_replaced_while_it_solves_and_its_successor_serves_meanwhile(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "flag"
    slow = Task(hostile.WAITS, WHITE, options={"flag": str(flag)})

    async def scenario(pool: WorkerPool) -> None:
        _, old = await echo(pool)
        solving = asyncio.create_task(pool.solve(slow, deadline_s=60))
        await until(lambda: flag.with_suffix(".seen").exists())
        _, new = await echo(pool)  # of one worker only: a successor is there
        assert pool.restarts.total() == 0
        flag.touch()
        assert (await solving).detail["pid"] == old != new
        await until(lambda: pool.restarts["recycled"])
        with pytest.raises(ProcessLookupError):
            os.kill(old, 0)

    run(scenario, hostile.WAITS, fakes.ECHO, max_requests=1)


@pytest.mark.parametrize("slowness_s", [0.0, 0.5])
def test_workers_are_replaced_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, slowness_s: float
) -> None:
    dismiss = WorkerPool._dismiss

    async def dismiss_slowly(pool: WorkerPool, member: Member) -> None:
        await asyncio.sleep(slowness_s)  # as on a machine that is busy
        await dismiss(pool, member)

    monkeypatch.setattr(WorkerPool, "_dismiss", dismiss_slowly)

    async def scenario(pool: WorkerPool) -> None:
        await until(lambda: len(pool._idle) == 3)
        most = 0
        while pool.restarts["recycled"] < 3:
            await asyncio.gather(*(echo(pool) for _ in range(9)))
            most = max(most, len(children()))
        assert most <= 4

    run(scenario, fakes.ECHO, size=3, max_requests=1)
