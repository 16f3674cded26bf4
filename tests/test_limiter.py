"""Rates of keys, under a clock that the tests hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette.limiter import Limiter, Verdict


def check(limiter: Limiter, now_s: float, *, key_id: int = 1, rate: float = 10.0) -> Verdict:
    return limiter.check(key_id, rate=rate, burst=10, now_s=now_s)


def used_up(now_s: float) -> Limiter:
    limiter = Limiter()
    assert all(check(limiter, now_s).allowed for _ in range(10))
    return limiter


def test_a_full_burst_passes_and_the_next_request_does_not() -> None:
    assert not check(used_up(1000.0), 1000.0).allowed


def test_remaining_counts_down_to_zero() -> None:
    limiter = Limiter()
    assert [check(limiter, 5.0).remaining for _ in range(10)] == list(range(9, -1, -1))


def test_a_refusal_says_when_the_next_request_passes() -> None:
    limiter = used_up(1000.0)
    refused = check(limiter, 1000.0)
    assert refused == Verdict(False, 0, pytest.approx(0.1))
    assert check(limiter, 1000.0 + refused.retry_after_s).allowed


def test_a_request_just_before_that_is_still_refused() -> None:
    assert not check(used_up(1000.0), 1000.09).allowed


def test_refusals_do_not_push_the_next_pass_away() -> None:
    limiter = used_up(1000.0)
    for _ in range(50):
        check(limiter, 1000.05)
    assert check(limiter, 1000.1001).allowed


def test_an_idle_key_saves_up_one_burst_and_no_more() -> None:
    limiter = used_up(1000.0)
    passed = [check(limiter, 5000.0).allowed for _ in range(20)]
    assert passed == [True] * 10 + [False] * 10


def test_keys_do_not_share_a_rate() -> None:
    assert check(used_up(1000.0), 1000.0, key_id=2).allowed


def test_a_rate_below_one_a_second_waits_in_seconds() -> None:
    limiter = Limiter()
    assert limiter.check(1, rate=0.5, burst=1, now_s=10.0).allowed
    assert limiter.check(1, rate=0.5, burst=1, now_s=10.0).retry_after_s == pytest.approx(2.0)


@given(
    st.lists(st.floats(0, 0.5), max_size=200),
    st.sampled_from([0.5, 1.0, 3.0, 10.0, 33.3]),
    st.integers(1, 12),
)
def test_no_window_lets_through_more_than_burst_plus_rate(
    gaps_s: list[float], rate: float, burst: int
) -> None:
    limiter, now_s, passed = Limiter(), 100.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        if limiter.check(1, rate=rate, burst=burst, now_s=now_s).allowed:
            passed.append(now_s)
    for first, start_s in enumerate(passed):
        for count, end_s in enumerate(passed[first:], start=1):
            assert count <= burst + rate * (end_s - start_s) + 1e-6
