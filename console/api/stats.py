"""/stats, /totals, /event-types: numbers for charts, and what there is to subscribe to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from console.api.bodies import time_ms
from console.api.operation import Call, Operation
from console.event_types import event_types
from console.rows import EventTypeRow, Page, StatsBucket, Totals

if TYPE_CHECKING:
    from console.deps import Deps

HOUR_MS: Final = 3_600_000


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour by the minute, unless said otherwise. `bucket`: seconds, whole minutes."""

    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    bucket: int = 60
    endpoint: str | None = None


class TotalsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of one endpoint, or of all."""

    endpoint: str | None = None


async def _stats(deps: Deps, call: Call) -> Page[StatsBucket]:
    wanted: StatsQuery = call.query
    end = time_ms("to", wanted.to)
    end = deps.clock.now_ms() if end is None else end
    start = time_ms("from", wanted.from_)
    start = end - HOUR_MS if start is None else start
    return Page(await asyncio.to_thread(deps.stats.stats, start, end, wanted.bucket, endpoint_id=wanted.endpoint))


async def _totals(deps: Deps, call: Call) -> Totals:
    return await asyncio.to_thread(deps.stats.totals, call.query.endpoint)


async def _event_types(deps: Deps, _: Call) -> Page[EventTypeRow]:
    return Page(event_types(await asyncio.to_thread(deps.queries.event_types)))


OPERATIONS: Final = (
    Operation(method="GET", path="/stats", name="stats", tag="stats",
              summary="What was received, delivered, failed and given up over time, with latencies.",
              run=_stats, query=StatsQuery, answer=Page[StatsBucket], errors=(422,)),
    Operation(method="GET", path="/totals", name="totals", tag="stats", summary="Deliveries by state.",
              run=_totals, query=TotalsQuery, answer=Totals, errors=(422,)),
    Operation(method="GET", path="/event-types", name="listEventTypes", tag="stats",
              summary="Event types of the commerce model, and those of your own that were delivered.",
              run=_event_types, answer=Page[EventTypeRow]),
)  # fmt: skip
