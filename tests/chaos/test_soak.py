"""A few seconds of the soak, with its CSV and its curves; and that it would notice."""

import asyncio
import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import fakes
from chaos.fuzz import rich_key
from chaos.soak import Mix, Run, Sample, samples_of, soak, write
from loupette.settings import Settings
from serving import serve


@pytest.mark.slow
def test_a_few_seconds_of_load_show_no_fault(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, f"[types.{fakes.ECHO}]\nprice = 0.01\n")
    key = rich_key(settings.database)
    with serve(settings) as server:
        server.wait_until_ready()
        mix = Mix(key, samples_of(server), seed=1)
        run = asyncio.run(soak(server, mix, seconds=4, rate=100, every_s=0.5))
    assert [one for one in run.breaches() if not one.startswith("memory")] == []
    assert {*run.statuses} == {200, 400}
    assert 50 < sum(sample.requests for sample in run.samples) <= run.statuses.total()
    assert all(sample.server_mib > 5 and sample.workers_mib > 5 for sample in run.samples)


def sample(seconds: float, server_mib: float, workers_mib: float = 90) -> Sample:
    return Sample(seconds, 10, 1.5, 9.5, server_mib, workers_mib, 0)


def test_growing_memory_5xx_missing_replies_and_open_holds_are_named() -> None:
    run = Run([sample(number, server_mib=50 + 5 * number) for number in range(8)])
    run.note(500, 1.0)
    run.note(0, 1.0)
    run.unanswered, run.open_holds = 3, 2
    assert run.breaches() == [
        "1 replies 500",
        "3 requests without a reply",
        "1 connections that ended without a reply",
        "2 holds open at the end",
        "memory of the server: +32.0% from the second quarter on",
    ]
    assert Run([sample(number, server_mib=50) for number in range(8)]).breaches() == []


def test_samples_are_saved_as_csv_and_as_curves(tmp_path: Path) -> None:
    write(Run([sample(5.0, 40), sample(10.0, 80)]), tmp_path / "new" / "folder")
    with (tmp_path / "new" / "folder" / "soak.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["server_mib"] for row in rows] == ["40", "80"]
    drawing = (tmp_path / "new" / "folder" / "soak.svg").read_text(encoding="utf-8")
    lines = [points.split() for points in re.findall(r'<polyline points="([^"]+)"', drawing)]
    assert len(lines) == len(Sample.__dataclass_fields__) - 1
    # Half the time and half the memory is the middle of the panel, the end its upper right corner.
    heights = [float(point.split(",")[1]) for point in lines[3]]
    assert heights[0] - heights[1] == pytest.approx(45)
