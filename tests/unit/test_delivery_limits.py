"""What an endpoint may get: requests under way, requests a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.bucket import Bucket
from delivery.outcome import Outcome
from delivery.pace import FLOOR, START, InFlightLimit


def answer(started_at: int = 0, status: int | None = 200, error: str | None = None, took_ms: float = 5) -> Outcome:
    return Outcome(started_at=started_at, status=status, error_class=error, total_ms=took_ms)


def learn(limit: InFlightLimit, outcome: Outcome, *, now_ms: int = 0, full: bool = True) -> None:
    limit.learn(outcome, now_ms=now_ms, full=full)


def test_grows_while_it_is_used_and_answers_up_to_the_setting():
    limit = InFlightLimit(128)
    assert limit.value == START
    for _ in range(1000):
        learn(limit, answer())
    assert limit.value == 128


def test_does_not_grow_when_it_is_not_used_or_answers_are_slow():
    limit = InFlightLimit(128)
    for _ in range(1000):
        learn(limit, answer(), full=False)
        learn(limit, answer(took_ms=3000))
    assert limit.value == START


@pytest.mark.parametrize(
    "bad", [{"status": 429}, {"status": 503}, {"status": None, "error": "timeout"}, {"status": None, "error": "connect"}]
)
def test_halves_once_for_one_trouble_down_to_the_floor(bad):
    limit = InFlightLimit(128)
    for started in range(5):
        learn(limit, answer(started, **bad), now_ms=100)
    assert limit.value == START // 2
    for round_ in range(1, 10):
        learn(limit, answer(round_ * 1000, **bad), now_ms=round_ * 1000)
    assert limit.value == FLOOR


def test_after_a_cut_it_grows_by_one_a_round():
    limit = InFlightLimit(128)
    learn(limit, answer(0, 503), now_ms=10)
    value = limit.value
    for _ in range(value):
        learn(limit, answer(20))
    assert limit.value == value + 1


def test_an_error_of_the_application_is_no_overload():
    limit = InFlightLimit(128)
    learn(limit, answer(0, 500, "status"))
    assert limit.value >= START


@given(st.integers(1, 128), st.lists(st.sampled_from([200, 500, 503, 429]), max_size=300))
def test_never_leaves_its_bounds(ceiling, statuses):
    limit = InFlightLimit(ceiling)
    for at, status in enumerate(statuses):
        learn(limit, answer(at, status), now_ms=at)
        assert min(FLOOR, ceiling) <= limit.value <= ceiling


@pytest.mark.parametrize("rate", [0.5, 1, 7, 50, 333, 2000])
def test_the_rate_is_kept_to_the_percent(rate):
    bucket, now, sent = Bucket(rate, 0.0), 0.0, 0
    while now < 100:
        wait = bucket.take(now)
        if wait:
            now += max(wait, 0.001)
        else:
            sent += 1
    assert sent / 100 == pytest.approx(rate, rel=0.02, abs=0.02)


def test_nothing_is_saved_up_over_minutes():
    bucket = Bucket(50, 0.0)
    got = 0
    while not bucket.take(3600.0):
        got += 1
    assert got == 5


def test_without_a_limit_nothing_waits():
    bucket = Bucket(None, 0.0)
    assert [bucket.take(0.0) for _ in range(1000)] == [0.0] * 1000


def test_a_new_rate_counts_at_once():
    bucket = Bucket(1, 0.0)
    assert bucket.take(0.0) == 0
    assert bucket.take(0.0) == pytest.approx(1)
    bucket.set_rate(10, 0.0)
    assert bucket.take(0.0) == pytest.approx(0.1)
