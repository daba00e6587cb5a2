"""The metrics are a closed vocabulary: named alike, explained, with few labels of few values."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram, generate_latest

from runtime import metrics

ALL = {name: m for name, m in vars(metrics).items() if isinstance(m, Counter | Gauge | Histogram)}
UNBOUNDED = {"endpoint", "endpoint_id", "source", "tenant", "event", "event_id", "delivery", "url", "path", "key"}


def test_no_two_share_a_name() -> None:
    assert len({m._name for m in ALL.values()}) == len(ALL) > 20


def test_a_scrape_holds_figures_only() -> None:
    text = generate_latest().decode()
    assert "hub_in_flight" in text
    assert "_created" not in text


@pytest.mark.parametrize("name", ALL)
class TestMetric:
    def test_is_named_and_explained(self, name: str) -> None:
        metric = ALL[name]
        assert re.fullmatch(r"hub_[a-z_]+[a-z]", metric._name)
        assert metric._documentation.endswith(".")
        assert not metric._name.endswith("_total"), "the client adds it"

    def test_measures_time_in_seconds(self, name: str) -> None:
        metric = ALL[name]
        assert metric._name.endswith("_seconds") is isinstance(metric, Histogram)
        assert not re.search(r"_(ms|millis|minutes)$", metric._name)

    def test_has_no_label_with_values_without_end(self, name: str) -> None:
        assert not set(ALL[name]._labelnames) & UNBOUNDED
