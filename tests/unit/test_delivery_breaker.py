"""The breaker of an endpoint."""

from __future__ import annotations

from delivery.breaker import OPEN_MAX_S, OPEN_S, OPENS_AFTER, Breaker


def broken(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    assert [breaker.failed(now) for _ in range(OPENS_AFTER)] == [False] * (OPENS_AFTER - 1) + [True]
    return breaker


def test_opens_after_so_many_failures_in_a_row_and_no_sooner():
    breaker = Breaker()
    for _ in range(OPENS_AFTER - 1):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(OPENS_AFTER - 1):
        breaker.failed(0)
    assert breaker.allows(0, 100)
    assert breaker.failed(0)
    assert not breaker.allows(0, 0)


def test_lets_one_probe_through_when_its_time_has_come():
    breaker = broken()
    assert not breaker.allows(OPEN_S - 0.1, 0)
    assert breaker.allows(OPEN_S, 0)
    assert breaker.state == "half_open"
    assert not breaker.allows(OPEN_S, 1)


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_doubles_the_time():
    breaker = broken()
    now, waited = 0.0, []
    for _ in range(6):
        waited.append(breaker.probe_at - now)
        now = breaker.probe_at
        assert breaker.allows(now, 0)
        assert breaker.failed(now)
    assert waited == [OPEN_S, 60, 120, 240, OPEN_MAX_S, OPEN_MAX_S]
    now = breaker.probe_at
    assert breaker.allows(now, 0)
    assert breaker.succeeded()
    assert breaker.allows(now, 50)
    assert not breaker.succeeded()


def test_what_was_under_way_when_it_opened_neither_prolongs_nor_doubles():
    breaker = broken()
    for now in range(5):
        assert not breaker.failed(now)
    assert breaker.probe_at == OPEN_S


def test_a_person_does_not_have_to_wait():
    breaker = broken()
    breaker.probe_now(3)
    assert breaker.allows(3, 0)
