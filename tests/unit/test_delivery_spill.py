"""Who is moved aside when room gets short, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from delivery import spill
from delivery.spill import Delay, Load, excess

LOADS = st.lists(st.builds(Load, st.integers(0, 5000), st.floats(0, 20, allow_subnormal=False)), max_size=20)
ROOM = 1000


def test_a_hanging_one_beside_quick_ones_is_cut():
    moved = excess([Load(1000, 0.001), Load(1000, 0.5), Load(0, 0.002)], ROOM)
    assert moved == [0, 998, 0]


def test_when_all_are_alike_slow_nobody_is_moved():
    assert excess([Load(1000, 0.05), Load(900, 0.06), Load(1200, 0.1)], ROOM) == [0, 0, 0]


def test_alone_it_may_take_longer():
    assert excess([Load(4000, 0.002)], ROOM) == [0]
    assert excess([Load(4000, 0.1)], ROOM) == [3950]


def test_a_short_queue_stays():
    assert excess([Load(63, 10.0), Load(10, 0.001)], ROOM) == [0, 0]


@given(LOADS)
def test_never_more_than_is_queued_and_never_the_quickest_of_several(loads):
    moved = excess(loads, ROOM)
    assert all(0 <= count <= load.waiting for count, load in zip(moved, loads, strict=True))
    if len(loads) > 1:
        quickest = min(range(len(loads)), key=lambda i: loads[i].pace_s)
        assert moved[quickest] == 0


def test_the_delay_doubles_only_after_a_whole_delay_without_a_delivery():
    delay = Delay()
    assert [delay.next(now) for now in (0, 0.1, 4.9)] == [5, 5, 5]
    assert [delay.next(now) for now in (5, 14.9, 15)] == [10, 10, 20]
    delay.delivered()
    assert delay.next(100) == spill.DELAY_S
    for now in range(100, 100_000, 1000):
        last = delay.next(now)
    assert last == spill.DELAY_MAX_S
