"""The figures as a table a person reads: medians over the runs, and what a slow endpoint did to its neighbours."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tests.bench.measure import BESIDE_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ROWS: Final = (
    ("accepted per second", "accept_rate"),
    ("publish p50 ms", "publish_p50_ms"),
    ("publish p99 ms", "publish_p99_ms"),
    ("messages per second, end to end", "e2e_msgs_per_s"),
    ("deliveries per second", "deliveries_per_s"),
    ("latency p50 ms", "lat_p50_ms"),
    ("latency p99 ms", "lat_p99_ms"),
    ("latency max ms", "lat_max_ms"),
    ("duplicates", "dups"),
    ("peak memory MB (PSS)", "peak_pss_mb"),
    ("CPU seconds per 1,000 deliveries", "cpu_s_per_1000_deliveries"),
    ("CPU cores of the hub", "cpu_cores_peer"),
    ("CPU cores of load generator", "cpu_cores_load_gen"),
    ("CPU cores of sink", "cpu_cores_sink"),
    ("CPU cores of all else", "cpu_cores_others"),
    ("slow endpoint: requests started", "slow_started"),
    ("slow endpoint: most in flight", "slow_max_inflight"),
)
QUIET_CORES: Final = 0.25


def median(results: Iterable[dict[str, Any]], figure: str) -> float | None:
    """Of the runs that have the figure."""
    values = [r[figure] for r in results if r.get(figure) is not None]
    return statistics.median(values) if values else None


def table(results: list[dict[str, Any]]) -> Table:
    """A row a figure, a column a test."""
    tests = list(dict.fromkeys(r["test"] for r in results))
    runs = {test: [r for r in results if r["test"] == test] for test in tests}
    made = Table(title="medians" if len(results) > len(tests) else None)
    made.add_column("figure")
    for test in tests:
        made.add_column(f"{test}\n{runs[test][0]['accepted']:,} messages\n{len(runs[test])} run(s)", justify="right")
    delivered = [f"{sum(r['all_delivered'] for r in runs[t])} of {len(runs[t])}" for t in tests]
    made.add_row("runs with all delivered", *delivered)
    for words, figure in ROWS:
        values = [median(runs[test], figure) for test in tests]
        if any(v is not None for v in values):
            made.add_row(words, *("" if v is None else f"{v:,.3f}" if v < 1 else f"{v:,.1f}" for v in values))
    return made


def isolation(results: list[dict[str, Any]]) -> list[str]:
    """How healthy endpoints fare beside a hanging one, a sentence a pair of tests; of a flood the rate counts, of a
    steady stream the latency: in a flood latency is the length of the queue."""
    return [
        sentence
        for sentence in (
            _compare(results, "fan4", "slow4", "e2e_msgs_per_s", "messages/s"),
            _compare(results, "fan4rate", "slow4rate", "lat_p50_ms", "ms at p50"),
            _compare(results, "fan4rate", "slow4rate", "lat_p99_ms", "ms at p99"),
            _beside(results),
        )
        if sentence
    ]


def beside(results: Iterable[dict[str, Any]]) -> dict[int, float]:
    """By run: the rate of healthy endpoints beside a hanging one, as a share of their mean rate before and after it."""
    rates: dict[int, dict[str, float]] = {}
    for r in results:
        if r["test"] in BESIDE_PARTS:
            rates.setdefault(r["run"], {})[r["test"]] = r["e2e_msgs_per_s"]
    before, hanging, after = BESIDE_PARTS
    return {
        run: found[hanging] / alone
        for run, found in rates.items()
        if found.keys() >= set(BESIDE_PARTS) and (alone := (found[before] + found[after]) / 2)
    }


def _beside(results: list[dict[str, Any]]) -> str | None:
    ratios = beside(results)
    if not ratios:
        return None
    shown = ", ".join(f"{ratio:.0%}" for ratio in ratios.values())
    return f"three healthy endpoints beside a hanging one, of their messages/s before and after it on the same hub: {shown}."


def _compare(results: list[dict[str, Any]], without: str, beside: str, figure: str, unit: str) -> str | None:
    """Within each run, for the machine is not equally busy in all of them."""
    before, after = ({r["run"]: r[figure] for r in results if r["test"] == test} for test in (without, beside))
    ratios = [after[run] / before[run] for run in before if run in after and before[run]]
    if not ratios:
        return None
    shown = ", ".join(f"{ratio:.0%}" for ratio in ratios)
    return (
        f"{beside} against {without}, {unit} of a healthy endpoint, run by run: {shown} "
        f"(three healthy endpoints share the machine instead of four, so a little over 100% of the rate is no gain)."
    )


def disturbed(results: list[dict[str, Any]]) -> str | None:
    """A warning when something else took the machine's time."""
    busy = [f"{r['test']} {r['run']}: {r['cpu_cores_others']:g}" for r in results if r.get("cpu_cores_others", 0) > QUIET_CORES]
    if not busy:
        return None
    return f"Other work kept more than {QUIET_CORES} cores busy, these runs are slower for it: {', '.join(busy)} cores."


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Results of earlier runs."""
    return [json.loads(line) for path in paths for line in path.read_text().splitlines() if line]
