"""A month of requests, so that the console has something to show; always the same but for today."""

import random
import time
from pathlib import Path

from loupette.store.database import Database
from loupette.store.keys import NewKey, create_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogCounter, LogEntry, record

_DAY_MS = 86_400_000
_PRICES = {10200: 10_000, 50100: 5_000, 50200: 1_000}
_ALL = ("solve", "read", "report", "admin")


def write_history(path: Path, *, requests: int = 1500) -> tuple[NewKey, NewKey]:
    """Fill a new database; gives an administrator's key, and that of one of the accounts."""
    rng = random.Random(4)
    now_ms = time.time_ns() // 1_000_000
    month_ms = now_ms - 31 * _DAY_MS
    moments = sorted(now_ms - int(rng.random() ** 1.6 * 30 * _DAY_MS) for _ in range(requests))
    with Database.open(path, exclusive=True) as database:
        admin = create_key(
            database, "operator", scopes=_ALL, opening_micros=20_000_000, rate=50, now_ms=month_ms
        )
        callers = [
            create_key(
                database, name, key_name=label, opening_micros=50_000_000, rate=50, now_ms=month_ms
            )
            for name, label in (("shop", "web"), ("lab", "accessibility"))
        ]
        ledger, counter = Ledger(database), LogCounter(database)
        waiting = []
        for moment_ms in moments:
            key = rng.choice(callers).record
            entry = {
                "id": counter.next_log_id(moment_ms),
                "account_id": key.account_id,
                "key_id": key.id,
                "created_ms": moment_ms,
                "type_id": rng.choices(list(_PRICES), [2, 2, 6])[0],
                "response_ms": 3 + int(rng.lognormvariate(2.4, 0.4)),
            }
            waiting.append(_write(database, ledger, entry, rng))
            if len(waiting) == 100:
                for future in waiting:
                    future.result()  # type: ignore[attr-defined]  # of either kind
                waiting.clear()
        for future in waiting:
            future.result()  # type: ignore[attr-defined]  # of either kind
    return admin, callers[0]


def _write(database: Database, ledger: Ledger, entry: dict[str, int], rng: random.Random) -> object:
    type_id = entry["type_id"]
    if rng.random() < 0.07:
        refused = LogEntry(**entry, code=400, outcome=rng.choice(["low_confidence", "unsure"]))
        return record(database, refused)
    answer = {
        10200: str(rng.randint(60, 240)),
        50100: str(rng.randint(1, 90)),
        50200: "".join(rng.choices("abcdefghjkmnpqrstuvwxyz2345678", k=5)),
    }[type_id]
    hold = ledger.hold(entry["account_id"], _PRICES[type_id])
    confidence = round(rng.uniform(0.91, 0.9999), 4)
    return ledger.settle(
        hold,
        LogEntry(
            **entry,
            code=200,
            outcome="ok",
            cost_micros=_PRICES[type_id],
            answer=answer,
            confidence=confidence,
            detail={"candidates": [{"text": answer, "confidence": confidence}]},
        ),
    )
