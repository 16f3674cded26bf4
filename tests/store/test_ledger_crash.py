"""kill -9 in the middle of charging: what was acknowledged is there, and the books are in order."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.ledger import topup, verify

CHILD = Path(__file__).with_name("charging_child.py")
OPENING_MICROS = 10_000_000_000
PRICE_MICROS = 1_000
KILLS = 5


def charge_until_killed(path: Path, *, now_ms: int, acknowledged: int) -> set[int]:
    """The log ids that the child said were charged, at least so many."""
    command = [sys.executable, str(CHILD), str(path), str(now_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()  # what it had written before it died
    assert child.returncode == -signal.SIGKILL
    return {int(line) for line in lines if line.endswith(b"\n")}


@pytest.mark.slow
def test_killed_server_loses_no_acknowledged_charge(path: Path, now_ms: int) -> None:
    with Database.open(path) as db:
        create_key(db, "acme", now_ms=now_ms)
        topup(db, "acme", OPENING_MICROS, now_ms=now_ms)
    acknowledged: set[int] = set()
    for kill in range(KILLS):
        told = charge_until_killed(path, now_ms=now_ms, acknowledged=100 + 37 * kill)
        assert not told & acknowledged, "an id was given twice"
        acknowledged |= told
        with Database.open(path, exclusive=True) as db:
            report = verify(db)
            charged = {
                log_id
                for (log_id,) in db.reader.execute(
                    "SELECT log_id FROM ledger WHERE kind = 'charge'"
                )
            }
            replies = db.reader.execute("SELECT COUNT(*) FROM idempotency").fetchone()[0]
        assert report.problems == ()
        assert acknowledged <= charged
        assert report.balance_micros == OPENING_MICROS - PRICE_MICROS * len(charged)
        assert replies == len(charged)
