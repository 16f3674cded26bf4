"""How a run over many files ends: to the end, by Ctrl-C, or as nothing more can be read."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import fakes
from loupette.cli.folder import Job, compare, name_request, open_folder
from loupette.cli.readers import Images, Read, Reading
from loupette.cli.sheet import Sheet
from loupette.errors import InsufficientBalance, NotAnImage

TIMEOUT_S = 30.0


class Gate:
    """A reader that counts what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[Images] = []
        self.most = self.now = 0
        self.open = asyncio.Event()
        self.answer: Callable[[int], Reading] = lambda number: Reading("x", 0.9, {}, 1.0)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Read]:
        yield self._read

    async def _read(self, images: Images) -> Reading:
        self.asked.append(images)
        number = len(self.asked)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
            return self.answer(number)
        finally:
            self.now -= 1

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.asked) < count:
                await asyncio.sleep(0)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "images").mkdir()
    for number in range(9):
        (tmp_path / "images" / f"{number}.png").write_bytes(fakes.draw_png(20 + number))
    return Job(open_folder(tmp_path / "images"), 1, {}, compare(within=0, any_case=False))


@pytest.fixture
def sheet(tmp_path: Path) -> Iterator[Sheet]:
    with Sheet.open(tmp_path / "out.csv", 1, has_labels=False) as opened:
        yield opened


def saved(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_no_more_are_under_way_than_jobs(job: Job, sheet: Sheet) -> None:
    async def main() -> Gate:
        gate = Gate()
        running = asyncio.create_task(job.run(gate.reader(), sheet, jobs=3))
        await gate.until_asked(3)
        gate.open.set()
        await asyncio.wait_for(running, TIMEOUT_S)
        return gate

    gate = asyncio.run(main())
    assert (gate.most, len(gate.asked), len(sheet.rows)) == (3, 9, 9)


def test_what_is_under_way_at_ctrl_c_is_waited_for_and_kept(
    job: Job, sheet: Sheet, tmp_path: Path
) -> None:
    async def main() -> Gate:
        gate = Gate()
        running = asyncio.create_task(job.run(gate.reader(), sheet, jobs=3))
        await gate.until_asked(3)
        running.cancel()  # as asyncio.run does
        await asyncio.sleep(0.05)
        assert not running.done()
        gate.open.set()
        await asyncio.wait_for(running, TIMEOUT_S)
        assert running.cancelling() == 0
        return gate

    gate = asyncio.run(main())
    assert job.interrupted
    assert (len(gate.asked), [row["file"] for row in saved(tmp_path)]) == (
        3,
        ["0.png", "1.png", "2.png"],
    )


def test_a_second_ctrl_c_ends_at_once_with_whole_rows(
    job: Job, sheet: Sheet, tmp_path: Path
) -> None:
    async def main() -> None:
        gate = Gate()
        running = asyncio.create_task(job.run(gate.reader(), sheet, jobs=3))
        await gate.until_asked(3)
        running.cancel()
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, TIMEOUT_S)
        assert gate.now == 0

    asyncio.run(main())
    assert saved(tmp_path) == []


def test_what_would_fail_with_every_file_ends_the_run(
    job: Job, sheet: Sheet, tmp_path: Path
) -> None:
    def answer(number: int) -> Reading:
        if number >= 5:
            raise InsufficientBalance("the account has ¥0")
        return Reading("x", 0.9, {}, 1.0)

    async def main() -> Gate:
        gate = Gate()
        gate.open.set()
        gate.answer = answer
        await asyncio.wait_for(job.run(gate.reader(), sheet, jobs=2), TIMEOUT_S)
        return gate

    gate = asyncio.run(main())
    assert isinstance(job.failure, InsufficientBalance)
    assert len(gate.asked) <= 6
    assert [row["outcome"] for row in saved(tmp_path)] == ["ok"] * 4


def test_what_fails_with_one_file_is_its_row(job: Job, sheet: Sheet, tmp_path: Path) -> None:
    def answer(number: int) -> Reading:
        error = NotAnImage("line one\nline two")
        error.log_id = "LOG7"
        raise error

    async def main() -> None:
        gate = Gate()
        gate.open.set()
        gate.answer = answer
        await asyncio.wait_for(job.run(gate.reader(), sheet, jobs=2), TIMEOUT_S)

    asyncio.run(main())
    found = saved(tmp_path)
    assert job.failure is None
    assert {(row["outcome"], row["log_id"]) for row in found} == {("not_an_image", "LOG7")}
    assert found[0]["message"] == "line one\\nline two"


def test_a_request_is_named_by_run_file_and_what_is_asked() -> None:
    base = name_request("run", "a.png", b"1", type_id=1, options={"a": 1})
    assert base == name_request("run", "a.png", b"1", type_id=1, options={"a": 1})
    others = {
        name_request("other", "a.png", b"1", type_id=1, options={"a": 1}),
        name_request("run", "b.png", b"1", type_id=1, options={"a": 1}),
        name_request("run", "a.png", b"2", type_id=1, options={"a": 1}),
        name_request("run", "a.png", b"1", type_id=2, options={"a": 1}),
        name_request("run", "a.png", b"1", type_id=1, options={"a": 2}),
    }
    assert len(others | {base}) == 6
