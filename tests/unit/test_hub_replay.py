"""Where a replay begins, which events it takes: the pure parts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.replay.pick import Filter, newest
from hub.replay.scan import Found
from hub.replay.where import Place, Range, parse

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("earliest", Place(time_ms=0)),
        ("now", Place(time_ms=NOW)),
        ("latest", Place(time_ms=NOW)),
        ("2h ago", Place(time_ms=NOW - 7_200_000)),
        ("-90m", Place(time_ms=NOW - 5_400_000)),
        ("- 1.5s", Place(time_ms=NOW - 1500)),
        ("2026-11-23T14:00:00Z", Place(time_ms=1_795_442_400_000)),
        ("2026-11-23T15:00:00+01:00", Place(time_ms=1_795_442_400_000)),
        ("2026-11-23 14:00", Place(time_ms=1_795_442_400_000)),
        ("@1200", Place(offset=1200)),
        ("commerce.orders/3@7", Place(offset=7, topic="commerce.orders", partition=3)),
    ],
)
def test_places(text, place):
    assert parse(text, NOW) == place


@pytest.mark.parametrize("text", ["", "yesterday", "@", "@-1", "2h", "orders@3", "-", "ago", "2026-13-01", "5 parsecs ago"])
def test_what_is_no_place_says_what_is(text):
    with pytest.raises(ValueError, match=r"2026-11-23T14:00:00Z.*2h ago.*earliest.*@1200"):
        parse(text, NOW)


def test_ranges_survive_being_written_down():
    one = Range("hub.commerce.orders", 3, 10, 20)
    assert Range.parse(str(one)) == one
    with pytest.raises(ValueError, match="no range"):
        Range.parse("nonsense")


def test_an_empty_filter_lets_everything_through(order_like):
    assert Filter().lets_through(order_like)
    assert Filter(type="order.*", key="7").lets_through(order_like)
    assert not Filter(type="order.updated").lets_through(order_like)
    assert not Filter(key="8").lets_through(order_like)


@pytest.fixture
def order_like():
    class Event:
        type, object_id = "order.created", "7"

    return Event()


@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    count=st.integers(1, 40),
    share=st.sampled_from([1.0, 0.5, 0.05]),
    seed=st.integers(0, 10**6),
)
def test_newest_equals_a_full_scan(sizes, count, share, seed):
    chance = random.Random(seed)
    logs = {}
    for partition, size in enumerate(sizes):
        times = sorted(chance.sample(range(10_000), size))
        logs[partition] = [(t, chance.random() < share) for t in times]
    wanted = {(p, o): w for p, log in logs.items() for o, (_, w) in enumerate(log)}

    def scan(ranges):
        for r in ranges:
            yield [Found("t", r.partition, o, logs[r.partition][o][0], None) for o in range(r.start, r.end)]

    ranges = [Range("t", p, 0, len(log)) for p, log in logs.items() if log]
    picked = newest(scan, ranges, count, lambda f: wanted[f.partition, f.offset])
    everything = [(logs[p][o][0], "t", p, o) for (p, o), w in wanted.items() if w]
    cutoff = sorted(everything, reverse=True)[:count]
    assert {t for t, *_ in cutoff} == {logs[p][o][0] for _, p, o in picked}
    assert len(picked) == len(cutoff)
