"""Which outcomes are worth another attempt, and how long to wait for it."""

from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette.client import calls
from loupette.client.replies import Reply, retry_after_s
from loupette.client.retries import Outcome, Retries, is_passing

SOLVE = calls.solve(b"image", 50200, options={}, idempotency_key=None)
REPORT = calls.report("LOG1", verdict="wrong", answer=None)
AWAY = Reply(503, b"")
BUSY = b'{"code": 429}'


@given(
    tried=st.integers(1, 10_000), draw=st.floats(0, 1), first_s=st.floats(0.001, 100),
    longest_s=st.floats(0.001, 100),
)  # fmt: skip
def test_waits_grow_to_the_longest_and_scatter_below_it(
    tried: int, draw: float, first_s: float, longest_s: float
) -> None:
    retries = Retries(most=10_000, first_s=first_s, longest_s=longest_s)
    wait_s = retries.wait_s(SOLVE, AWAY, tried=tried, draw=lambda: draw)
    most_s = min(longest_s, first_s * 2.0 ** min(tried - 1, 60))
    assert wait_s is not None
    assert most_s / 2 <= wait_s <= most_s


def test_the_last_attempt_is_not_waited_for() -> None:
    assert Retries(most=2).wait_s(SOLVE, AWAY, tried=2) is not None
    assert Retries(most=2).wait_s(SOLVE, AWAY, tried=3) is None
    assert Retries(most=0).wait_s(SOLVE, AWAY, tried=1) is None


@pytest.mark.parametrize(
    ("outcome", "solve", "report"),
    [
        (httpx2.ConnectError(""), True, True),
        (httpx2.ConnectTimeout(""), True, True),
        (httpx2.PoolTimeout(""), True, True),
        (httpx2.ReadError(""), True, False),
        (httpx2.WriteError(""), True, False),
        (httpx2.ReadTimeout(""), True, False),
        (httpx2.RemoteProtocolError(""), True, False),
        (httpx2.ProxyError(""), True, False),
        (httpx2.LocalProtocolError(""), False, False),
        (httpx2.UnsupportedProtocol(""), False, False),
        (httpx2.DecodingError(""), False, False),
        (Reply(429, b""), True, True),
        (Reply(200, BUSY), True, True),
        (Reply(502, b""), True, False),
        (Reply(503, b""), True, False),
        (Reply(504, b""), True, False),
        (Reply(500, b""), False, False),
        (Reply(400, b""), False, False),
        (Reply(200, b""), False, False),
    ],
    ids=repr,
)
def test_only_what_may_pass_and_cannot_be_charged_twice_is_tried_again(
    outcome: Outcome, solve: bool, report: bool
) -> None:
    assert (is_passing(SOLVE, outcome), is_passing(REPORT, outcome)) == (solve, report)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 28 Nov 2026 12:00:30", 30),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        ("9" * 400, 0),
        (None, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float) -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert retry_after_s(Reply(429, b"", text), now=noon) == seconds
