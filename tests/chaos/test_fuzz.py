"""A short run of the fuzzer; that it sends what it says; and that it would notice."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from chaos.bodies import Bodies
from chaos.fuzz import Report, fuzz, rich_key, send_one, settings_in
from chaos.memory import growth
from chaos.wire import Wire
from serving import serve

BODIES = 600


@pytest.mark.slow
def test_hostile_bodies_bring_no_5xx_and_no_hang(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    key = rich_key(settings.database)
    with serve(settings) as server:
        server.wait_until_ready()
        done = asyncio.run(fuzz(server, key, bodies=BODIES, seed=1))
    assert done.faults == []
    assert sum(done.statuses.values()) == BODIES
    # Some are answered: a fuzzer that is refused at the door tries nothing.
    assert {200, 400, 401, 404, 405} <= {*done.statuses}
    assert done.statuses[200] > BODIES / 20


def test_the_record_has_replies_faults_and_memory() -> None:
    report = Report(Counter({200: 3, 0: 1}), ["500 for x"], [40, 50, 50, 60], [90] * 4, 7.4)
    made = json.loads(json.dumps(report.record(command="make fuzz")))
    assert (made["command"], made["seconds"], made["faults"]) == ("make fuzz", 7, ["500 for x"])
    assert made["replies"] == {"0": 1, "200": 3}
    assert made["growth"] == {"server": 0.2, "workers": 0.0}


def test_equal_seeds_give_equal_bodies() -> None:
    def first(seed: int) -> list[bytes]:
        source = Bodies("ak_x", seed=seed)
        return [source.next() for _ in range(300)]

    assert first(1) == first(1) != first(2)
    assert max(Counter(first(1)).values()) < 10


def test_growth_compares_the_last_quarter_with_the_second() -> None:
    assert growth([50, 100, 100, 100]) == 0
    assert growth([50, 50, 100, 100, 105, 105, 120, 120]) == pytest.approx(0.2)
    assert growth([100]) == 0


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}", "500 for b'GET /'"),
        (b'HTTP/1.1 400 X\r\nContent-Length: 13\r\n\r\n{"code": 200}', "400 with"),
        (b"", "the connection ended without a reply to b'GET /'"),
    ],
)
def test_what_must_not_come_is_a_fault(reply: bytes, fault: str) -> None:
    assert asyncio.run(_faults_of(reply))[0].startswith(fault)


async def _faults_of(reply: bytes) -> list[str]:
    """What the fuzzer says of a server that answers with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(reply)
        writer.close()
        await writer.wait_closed()

    report = Report()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        wire = Wire(server.sockets[0].getsockname()[1])
        await send_one(wire, b"GET /", report)
        await wire.close()
    return report.faults
