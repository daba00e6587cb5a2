"""Rates and latency of a range as charts, from the read model's counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.pages import charts

if TYPE_CHECKING:
    from console.deps import Deps
    from console.pages.charts import Chart
    from console.pages.ranges import Range


def history(deps: Deps, wanted: Range, *, endpoint_id: str | None = None) -> tuple[Chart, Chart]:
    """Attempts by outcome, and the time from receipt to the receiver's 2xx. Blocks for a moment."""
    buckets = deps.stats.stats(wanted.since, wanted.until, wanted.bucket_ms // 1000, endpoint_id=endpoint_id)
    moments = [b.at for b in buckets]
    rates = charts.stacked(
        "Attempts",
        moments,
        # A dead delivery's last attempt is one of the failed ones: shown as dead, not twice.
        {
            "delivered": [b.delivered for b in buckets],
            "retrying": [max(0, b.failed - b.dead) for b in buckets],
            "dead": [b.dead for b in buckets],
        },
        bucket_ms=wanted.bucket_ms,
    )
    latency = charts.latency(
        "Latency",
        moments,
        {"p50": [b.latency_p50_ms for b in buckets], "p99": [b.latency_p99_ms for b in buckets]},
        bucket_ms=wanted.bucket_ms,
    )
    return rates, latency
