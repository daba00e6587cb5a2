"""Where a delivery stands does not depend on the order, nor on the repetition, in which facts arrive."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console import standing
from console.standing import Place, Standing
from tests.console_lab import T0, attempt, delivery

FIRST = delivery("evt_1")


def queued(number: int, at: int) -> Standing:
    fields = msgspec.structs.asdict(msgspec.structs.replace(FIRST, attempt=number))
    return standing.of_delivery(fields, Place("deliveries", 0, number), at)


def dead(number: int, at: int) -> Standing:
    fields = msgspec.structs.asdict(msgspec.structs.replace(FIRST, attempt=number, cause="exhausted"))
    return standing.of_dead(fields, Place("deliveries.dead", 0, number), at)


def tried(number: int, state: str, at: int, total_ms: float = 5.0) -> Standing:
    record = attempt(msgspec.structs.replace(FIRST, attempt=number), state, started_at=at, total_ms=total_ms)
    return standing.of_attempt(msgspec.structs.asdict(record), "deliveries")


def merged(facts: list[Standing]) -> Standing:
    known = msgspec.structs.replace(facts[0])
    for fact in facts[1:]:
        standing.merge(known, fact)
    return known


LIFE = [
    queued(1, T0),
    tried(1, "retrying", T0 + 1),
    tried(2, "dead", T0 + 1000),
    dead(3, T0 + 1006),
    queued(3, T0 + 90_000),
    tried(3, "delivered", T0 + 90_010),
]
"""A delivery that fails twice, is given up, is retried by a person, and arrives."""


@pytest.mark.parametrize(
    ("seen", "state", "spent"),
    [(1, "queued", 0), (2, "retrying", 1), (3, "dead", 2), (4, "dead", 2), (5, "queued", 2), (6, "delivered", 3)],
)
def test_a_life_step_by_step(seen: int, state: str, spent: int) -> None:
    known = merged(LIFE[:seen])
    assert (known.state, known.rank[0]) == (state, spent)


@settings(deadline=None)
@given(
    st.integers(1, len(LIFE)).flatmap(
        lambda n: st.tuples(st.permutations(LIFE[:n]), st.lists(st.sampled_from(LIFE[:n])), st.just(n))
    )
)
def test_any_order_and_any_repetition_come_to_the_same(case: tuple[list[Standing], list[Standing], int]) -> None:
    shuffled, repeated, count = case
    assert merged([*shuffled, *repeated]) == merged(LIFE[:count])


def test_the_dead_letter_of_an_attempt_tells_its_cause_even_within_the_same_millisecond() -> None:
    known = merged([dead(2, T0 + 5), tried(1, "dead", T0, 5.0)])
    assert known.now[:3] == ("dead", None, "exhausted")
    assert known.last == (500, "status", "answered 500")


def test_a_redelivery_after_a_crash_is_the_later_truth() -> None:
    """The worker died between the request and its commit: the second request got through."""
    known = merged([tried(1, "dead", T0), dead(2, T0 + 6), tried(1, "delivered", T0 + 30_000)])
    assert known.state == "delivered"
    assert known.last == (200, None, None)
