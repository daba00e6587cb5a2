"""What an attempt came to, as metrics."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from runtime import metrics

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from delivery.outcome import Outcome
    from schemas.records import Delivery


def attempt(delivery: Delivery, outcome: Outcome, state: str, now_ms: int) -> None:
    """Count an attempt; `state` is the delivery's after it."""
    attempts, seconds = _meters(state, outcome.error_class or "none", delivery.lane)
    attempts.inc()
    seconds.observe(outcome.total_ms / 1000)
    if state == "delivered" and delivery.lane == "live":
        metrics.DELIVERY_SECONDS.observe(max(0, now_ms - delivery.received_at) / 1000)


@cache
def _meters(state: str, error_class: str, lane: str) -> tuple[Counter, Histogram]:
    """Looking a meter up by its labels costs more than counting with it."""
    return metrics.DELIVERED.labels(state, error_class, lane), metrics.ATTEMPT_SECONDS.labels(state)
