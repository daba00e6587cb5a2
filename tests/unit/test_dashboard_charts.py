"""Charts: what is drawn is what was counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.pages import charts

MINUTE = 60_000


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 3.2), (114, 120), (0.7, 0.8), (950, 1000), (1001, 1200)])
def test_an_axis_ends_at_a_round_number(value, top):
    assert charts.ceiling(value) == pytest.approx(top)


@given(st.integers(0, 10**9))
def test_a_whole_axis_has_a_whole_middle_and_room_for_the_value(value):
    top = charts.ceiling(value, whole=True)
    assert top >= value
    assert top % 2 == 0
    assert top <= max(2, value * 2.5)


def test_stacks_add_up_and_start_at_zero():
    chart = charts.stacked("Attempts", [0, MINUTE], {"delivered": [6, 0], "dead": [2, 0]}, bucket_ms=MINUTE)
    low, high = chart.bars[0].marks
    assert low.y + low.height == charts.HEIGHT
    assert high.y + high.height == pytest.approx(low.y)
    assert high.y == 0  # 8 of an axis that ends at 8
    assert chart.bars[1].marks == []
    assert chart.y == ["8", "4", "0"]
    assert chart.unit == "per min"
    assert chart.bars[0].words == "6 delivered, 2 dead"
    assert chart.summary == "Attempts: 6 delivered, 2 dead."
    assert chart.table == [(0, ["6", "2"]), (MINUTE, ["0", "0"])]
    assert chart.x == [0, 30_000, 60_000, 90_000, 120_000]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=50))
def test_no_bar_leaves_the_plot(counts):
    moments = [i * MINUTE for i in range(len(counts))]
    chart = charts.stacked("x", moments, {"delivered": [a for a, _ in counts], "dead": [b for _, b in counts]}, bucket_ms=MINUTE)
    assert all(-0.02 <= m.y <= charts.HEIGHT and m.height <= charts.HEIGHT for bar in chart.bars for m in bar.marks)


def test_lines_have_gaps_where_nothing_was_measured():
    chart = charts.latency("Latency", [0, 1, 2, 3, 4], {"p50": [10, 20, None, 40, None]}, bucket_ms=MINUTE)
    assert chart.lines[0].pieces == ["0.5,75 1.5,50", "3.2,0 3.8,0"]  # a lone value is a dash
    assert chart.y == ["40 ms", "20 ms", "0"]
    assert charts.latency("Latency", [], {"p50": []}, bucket_ms=MINUTE).summary == "Latency: nothing was measured."


def test_the_phases_of_an_attempt_fill_the_bar():
    found = charts.phases(1, 9, 20, 70, 100)
    assert [(p.name, p.width) for p in found] == [("DNS", 1), ("connect", 9), ("TLS", 20), ("wait", 40), ("read", 30)]
    assert [p.x for p in found] == [0, 1, 10, 30, 70]
    assert [p.name for p in charts.phases(0, 2, 0, 0, 15_000)] == ["connect", "wait"]
    assert charts.phases(0, 0, 0, 0, 0) == []


def test_a_sparkline_puts_failures_on_top():
    found = charts.spark([4, 0, 2], [4, 0, 0])
    assert found.width == 3
    assert found.paths == [("good", "M0.1 50h.8V100h-.8zM2.1 75h.8V100h-.8z"), ("bad", "M0.1 0h.8V50h-.8z")]
    assert charts.spark([0], [0]).paths == []
    assert charts.spark([], []).width == 1
