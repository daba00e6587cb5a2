"""The table of outcomes and decisions, and the arithmetic of retry topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery import tiers
from delivery.outcome import Outcome, classify
from delivery.policy import RETRY_AFTER_MAX_S, decide, retry_after_s
from schemas.topics import TIERS

NOW = 1_800_000_000_000  # 2027-01-15 08:00:00 UTC
SCHEDULE = (5.0, 300.0, 1800.0)


def outcome(status: int | None, **headers: str) -> Outcome:
    if status is None:
        return Outcome(started_at=NOW, error_class="timeout", error="timeout")
    error_class, error = classify(status)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Outcome(started_at=NOW, status=status, error_class=error_class, error=error, headers=names)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status):
    assert decide(outcome(status), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0).state == "delivered"


@pytest.mark.parametrize("status", [None, 300, 301, 302, 307, 308, 400, 401, 404, 408, 422, 425, 429, 500, 502, 503, 504, 599])
def test_everything_else_is_tried_again_on_schedule(status):
    for step, delay in enumerate(SCHEDULE):
        decision = decide(outcome(status), step=step, schedule=SCHEDULE, now_ms=NOW, jitter=0)
        assert (decision.state, decision.delay_s, decision.disable) == ("retrying", delay, None)


def test_after_the_last_retry_it_is_dead():
    decision = decide(outcome(500), step=len(SCHEDULE), schedule=SCHEDULE, now_ms=NOW, jitter=0)
    assert (decision.state, decision.cause) == ("dead", "exhausted")


def test_410_ends_it_and_disables_the_endpoint():
    decision = decide(outcome(410), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    assert (decision.state, decision.cause) == ("dead", "gone")
    assert "410" in decision.disable


def test_a_receiver_may_say_by_a_header_that_it_wants_no_more_or_not_this_one():
    gone = decide(outcome(500, webhook_delivery="disable"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    aborted = decide(outcome(400, webhook_delivery="abort-message"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    fine = decide(outcome(200, webhook_delivery="disable"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    assert (gone.state, gone.cause, aborted.state, aborted.cause) == ("dead", "gone", "dead", "aborted")
    assert gone.disable
    assert (aborted.disable, fine.state, fine.disable) == (None, "delivered", None)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_lengthens_and_never_shortens(status):
    longer = decide(outcome(status, retry_after="60"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    shorter = decide(outcome(status, retry_after="1"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0)
    assert (longer.delay_s, shorter.delay_s) == (60, 5)


def test_retry_after_is_heard_on_429_and_503_only_and_capped_at_a_day():
    assert decide(outcome(500, retry_after="60"), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0).delay_s == 5
    assert (
        decide(outcome(503, retry_after="9" * 400), step=0, schedule=SCHEDULE, now_ms=NOW, jitter=0).delay_s == RETRY_AFTER_MAX_S
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Fri, 15 Jan 2027 08:01:40 GMT", 100),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        (None, 0),
        ("1e9", 0),
        ("٣", 3),
    ],
)
def test_retry_after_forms(value, seconds):
    assert retry_after_s(value, NOW) == pytest.approx(seconds, abs=0.01)


@given(st.text(max_size=50))
def test_no_retry_after_value_raises(value):
    assert retry_after_s(value, NOW) >= 0


@given(step=st.integers(0, 2), jitter=st.floats(-1, 1))
def test_jitter_stays_within_a_fifth(step, jitter):
    delay = decide(outcome(500), step=step, schedule=SCHEDULE, now_ms=NOW, jitter=jitter).delay_s
    assert SCHEDULE[step] * 0.8 - 1e-9 <= delay <= SCHEDULE[step] * 1.2 + 1e-9


@given(st.floats(0, 10 * 86400))
def test_a_tier_never_overshoots_by_more_than_a_quarter(delay_s):
    tier = tiers.choose(delay_s)
    assert tier is TIERS[0] or tier.delay_s <= delay_s * tiers.STRETCH


@given(delay_s=st.floats(0, 7 * 86400), start=st.integers(NOW, NOW + 10**9))
def test_any_delay_is_a_short_sum_of_hops_that_ends_when_due(delay_s, start):
    due = start + round(delay_s * 1000)
    now, hops = start, 0
    while True:
        hops += 1
        tier = tiers.choose((due - now) / 1000)
        now = tiers.look_at(due, now, tier)
        if now >= due:
            break
        assert hops < 40
    assert now == due
    assert hops <= 12 + delay_s / 36000


def test_the_standard_delays_need_one_hop_each_up_to_the_longest_tier():
    for delay_s in (5, 300, 1800, 7200, 18000, 36000):
        for jitter in (-0.2, 0, 0.2):
            tier = tiers.choose(delay_s * (1 + jitter))
            if jitter >= 0 or delay_s == 5:
                assert tier.delay_s == delay_s
