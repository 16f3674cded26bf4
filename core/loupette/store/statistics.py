"""The log in figures: requests, successes, spend and latency over time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loupette.store.connection import Connection
from loupette.store.logs import first_id_of

MOST_ROWS = 500_000
"""Of the log that are counted at most, the newest: so that a page of figures takes bounded time."""

# Grouped by latency too, which few values are of: so quantiles are exact and no row leaves SQLite.
_COUNT = """
SELECT (created_ms - ?1) / ?2, type_id, response_ms, COUNT(*),
    COUNT(*) FILTER (WHERE outcome IN ('ok', 'replayed')), SUM(cost)
FROM (
    SELECT created_ms, type_id, response_ms, outcome, cost FROM logs
    WHERE id >= ?3 AND created_ms >= ?1 AND created_ms < ?4 {account}
    ORDER BY id DESC LIMIT ?5
) AS newest
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened, in a time or of a type.

    Attributes:
        requests: how many came in.
        answered: how many of them were answered.
        spend_micros: what they cost.
        median_ms: half of them took no longer; None where there were none.
        p95_ms: 95 of 100 took no longer.
    """

    requests: int = 0
    answered: int = 0
    spend_micros: int = 0
    median_ms: int | None = None
    p95_ms: int | None = None

    @property
    def success(self) -> float | None:
        """The share that was answered."""
        return self.answered / self.requests if self.requests else None


@dataclass(frozen=True)
class Statistics:
    """A span of time.

    Attributes:
        since_ms: its beginning.
        step_ms: how long each of `steps` is.
        total: all of it.
        steps: one after the other.
        types: by type ID, the most asked for first; None for requests that named none.
        is_cut: there was more in the log than `MOST_ROWS`; the oldest was not counted.
    """

    since_ms: int
    step_ms: int
    total: Figures
    steps: tuple[Figures, ...]
    types: dict[int | None, Figures]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Row:
    step: int
    type_id: int | None
    response_ms: int
    requests: int
    answered: int
    spend_micros: int


def count(
    reader: Connection,
    account_id: int | None,
    *,
    since_ms: int,
    step_ms: int,
    steps: int,
) -> Statistics:
    """Count what is in the log.

    Args:
        reader: a connection to read from.
        account_id: whose log; everybody's where None.
        since_ms: where the first step begins.
        step_ms: how long a step is.
        steps: how many there are.
    """
    until_ms = since_ms + steps * step_ms
    values = (since_ms, step_ms, first_id_of(since_ms), until_ms, MOST_ROWS)
    account = "" if account_id is None else "AND account_id = ?6"
    more = () if account_id is None else (account_id,)
    rows = [_Row(*row) for row in reader.execute(_COUNT.format(account=account), values + more)]
    by_step: defaultdict[int, list[_Row]] = defaultdict(list)
    by_type: defaultdict[int | None, list[_Row]] = defaultdict(list)
    for row in rows:
        by_step[row.step].append(row)
        by_type[row.type_id].append(row)
    types = {type_id: _sum(found) for type_id, found in by_type.items()}
    total = _sum(rows)
    return Statistics(
        since_ms,
        step_ms,
        total,
        tuple(_sum(by_step[step]) for step in range(steps)),
        dict(sorted(types.items(), key=lambda pair: -pair[1].requests)),
        total.requests >= MOST_ROWS,
    )


def _sum(rows: Sequence[_Row]) -> Figures:
    if not rows:
        return Figures()
    latencies = sorted((row.response_ms, row.requests) for row in rows)
    requests = sum(row.requests for row in rows)
    return Figures(
        requests,
        sum(row.answered for row in rows),
        sum(row.spend_micros for row in rows),
        _quantile(latencies, requests, 0.5),
        _quantile(latencies, requests, 0.95),
    )


def _quantile(latencies: Iterable[tuple[int, int]], requests: int, share: float) -> int:
    """The least time that a share of the requests did not exceed."""
    milliseconds, seen = 0, 0
    for milliseconds, times in latencies:  # noqa: B007  # what it was at the end is the answer
        seen += times
        if seen >= share * requests:
            break
    return milliseconds
