"""slow4: what an endpoint that hangs does to three healthy ones under a flood; the bench's test `beside`, with a verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.bench import measure, report
from tests.bench.measure import BESIDE, BESIDE_PARTS
from tests.bench.tools import Tools
from tests.trials.finding import Check, Finding, at_least, exactly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.hub import Hub

NAME: Final = "slow4"
ABOUT: Final = "three healthy endpoints, then the same beside one that hangs 20 s, then alone again; each a flood on one hub"
ENVIRONMENT: Final[dict[str, str]] = {}
LEAST: Final = 0.95  # of the healthy endpoints' rate without it


@dataclass(frozen=True, kw_only=True)
class Size:
    """`n` messages for each of the three parts, `publishers` in a closed loop."""

    n: int = 20_000
    publishers: int = 32


QUICK: Final = Size(n=3000)


def judge(results: list[dict[str, Any]]) -> list[Check]:
    """The bench's results of one run of `beside`."""
    ratios = report.beside(results)
    return [
        exactly("parts in which all arrived", len(BESIDE_PARTS), sum(bool(r["all_delivered"]) for r in results)),
        at_least("healthy messages/s beside a hanging endpoint, of the rate without", LEAST, next(iter(ratios.values()), 0.0)),
    ]


async def run(hub: Hub, size: Size, say: Callable[[str], None]) -> Finding:
    """The trial on a running hub."""
    say(f"three floods of {size.n:,} messages, {size.publishers} publishers")
    results = await asyncio.to_thread(_measure, hub, size)
    keys = ("e2e_msgs_per_s", "deliveries_per_s", "cpu_cores_others", "cpu_s_per_1000_deliveries", "lat_p99_ms")
    figures: dict[str, Any] = {r["test"]: {k: r[k] for k in keys} for r in results}
    for what in ("rss", "pss"):
        figures[f"delivery_peak_{what}_mb"] = [r[f"peak_{what}_mb_by_process"].get("delivery") for r in results]
    figures["slow_started"] = results[1].get("slow_started")
    return Finding(trial=NAME, checks=judge(results), figures=figures)


def _measure(hub: Hub, size: Size) -> list[dict[str, Any]]:
    tools = Tools()
    with tools.sink() as sink:
        options = measure.Options(n=size.n, c=size.publishers, cap_s=600)
        return measure.run(BESIDE, 1, hub, tools, sink, options)
