"""The bench of a long log, with a short one."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import logs as bench  # noqa: E402  # scripts, not a package
from loupette.store import logs  # noqa: E402
from loupette.store.database import Database, open_to_read  # noqa: E402

ROWS = 6_000
NOON_MS = 1_730_462_400_000  # 2024-11-01 12:00:00 UTC


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "full.db"
    with Database.open(path) as database:
        bench.open_accounts(database, NOON_MS)
        bench.fill(database, ROWS, NOON_MS)
    return path


def test_the_log_is_filled_as_a_server_fills_it(full: Path) -> None:
    reader = open_to_read(full)
    found = logs.query(reader, None, limit=ROWS)
    assert len(found) == ROWS
    assert {log.account_id for log in found} == set(range(1, bench.ACCOUNTS + 1))
    assert {log.type_id for log in found} == {10200, 50100, 50200}
    assert logs.format_log_id(found[0].id)[:11] == "LOG20241101"
    assert logs.format_log_id(found[-1].id).endswith("000001")
    assert [log.created_ms for log in found] == sorted(log.created_ms for log in found)[::-1]
    failures = [log for log in found if log.outcome != "ok"]
    assert len({log.account_id for log in failures}) > bench.ACCOUNTS / 2
    reader.close()


@pytest.mark.slow
def test_every_figure_is_measured_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"ROUNDS": 1, "LOOKS": 20, "CHARGES": 200}.items():
        monkeypatch.setattr(bench, name, value)
    report = bench.measure(tmp_path, ROWS)
    assert all(value > 0 for value in report["figures"].values())
    assert len(report["goals"]) == len(bench.GOALS)
    bench.print_report(report)
    assert "full / empty" in capsys.readouterr().out
