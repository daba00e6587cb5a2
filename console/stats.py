"""Reads of the counters: charts, totals and how each endpoint does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

import sqlalchemy as sa

from console import store
from console.histogram import percentile
from console.queries import WAITING
from console.rows import Activity, EndpointHealth, Outcomes, StatsBucket, Totals

if TYPE_CHECKING:
    from runtime.clock import Clock

Kind = Literal[
    "received", "rejected", "unrouted", "quarantined", "queued", "delivered", "failed", "dead", "superseded", "duration"
]
"""What is counted. "delivered" is in buckets of latency end to end, "duration" (of all attempts) in buckets of its own."""

HUB: Final = ""  # endpoint_id of the counts of the whole hub
WIDTHS: Final = (60, 3600)  # seconds
MINUTES_KEPT_S: Final = 3 * 24 * 3600  # older charts are drawn from hours
POINTS_MAX: Final = 2000
HOUR_MS: Final = 3_600_000


class RangeError(ValueError):
    """The range and the bucket do not make a chart; the message says what would."""


class Stats:
    """Counters of the read model. Safe to share between threads; every function blocks for a moment."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def stats(self, start_ms: int, end_ms: int, bucket_s: int, *, endpoint_id: str | None = None) -> list[StatsBucket]:
        """One row a bucket from start to end, empty ones included. Raises RangeError."""
        bucket_ms = bucket_s * 1000
        if bucket_s < 60 or bucket_s % 60:
            raise RangeError("bucket: want whole minutes, such as 60, 300 or 3600 seconds")
        first = start_ms - start_ms % bucket_ms
        if end_ms <= start_ms or (end_ms - first) / bucket_ms > POINTS_MAX:
            raise RangeError(f"from, to: want from before to, and at most {POINTS_MAX} buckets between them")
        too_old = start_ms < self._clock.now_ms() - MINUTES_KEPT_S * 1000
        if too_old and bucket_s % 3600:
            raise RangeError(f"bucket: what is older than {MINUTES_KEPT_S // 86400} days is kept by the hour, use 3600")
        width = 3600 if bucket_s % 3600 == 0 else 60
        found = self._counts(width, endpoint_id or HUB, first, end_ms, bucket_ms)
        return [_bucket(at, found.get(at, {})) for at in range(first, end_ms, bucket_ms)]

    def endpoint_health(self, endpoint_id: str) -> EndpointHealth:
        """How the endpoint does, now and over the last hour."""
        now = self._clock.now_ms()
        hour = self._counts(60, endpoint_id, now - HOUR_MS, now + 1, 1 << 60)
        kinds = next(iter(hour.values()), {})
        delivered, failed = kinds.get("delivered", Counter()), kinds.get("failed", Counter())
        duration = kinds.get("duration", Counter())
        tried = delivered.total() + failed.total()
        last = self._last(endpoint_id)
        totals = self.totals(endpoint_id)
        return EndpointHealth(
            endpoint_id=endpoint_id,
            last_success_at=last.last_success_at,
            last_failure_at=last.last_failure_at,
            attempts_1h=tried,
            success_rate_1h=round(delivered.total() / tried, 4) if tried else None,
            waiting=totals.queued + totals.retrying,
            oldest_waiting_at=self.oldest_waiting(endpoint_id),
            dead=totals.dead,
            duration_p50_ms=percentile(duration, 0.5),
            duration_p99_ms=percentile(duration, 0.99),
            latency_p50_ms=percentile(delivered, 0.5),
            latency_p99_ms=percentile(delivered, 0.99),
        )

    def last_success(self, endpoint_id: str) -> int | None:
        """When an endpoint last took a delivery."""
        return self._last(endpoint_id).last_success_at

    def _last(self, endpoint_id: str) -> Activity:
        a = store.endpoint_activity.c
        with self._engine.connect() as connection:
            query = sa.select(a.last_success_at, a.last_failure_at).where(a.endpoint_id == endpoint_id)
            row = connection.execute(query).first()
        return Activity(None, None) if row is None else Activity(*row)

    def totals(self, endpoint_id: str | None = None) -> Totals:
        """Deliveries by state, of one endpoint or of all."""
        query = sa.select(store.totals.c.state, sa.func.sum(store.totals.c.count)).group_by(store.totals.c.state)
        if endpoint_id is not None:
            query = query.where(store.totals.c.endpoint_id == endpoint_id)
        with self._engine.connect() as connection:
            found = {str(state): int(count) for state, count in connection.execute(query)}
        return Totals(**{name: found.get(name, 0) for name in Totals.__struct_fields__})

    def totals_by_endpoint(self) -> dict[str, Totals]:
        """Deliveries by state of every endpoint that ever had one."""
        query = sa.select(store.totals.c.endpoint_id, store.totals.c.state, store.totals.c.count)
        found: dict[str, dict[str, int]] = {}
        with self._engine.connect() as connection:
            for endpoint_id, state, count in connection.execute(query):
                found.setdefault(endpoint_id, {})[state] = count
        return {key: Totals(**states) for key, states in found.items()}

    def oldest_waiting(self, endpoint_id: str | None = None) -> int | None:
        """When the oldest delivery that still waits was received, of one endpoint or of all."""
        d = store.deliveries.c
        found = []
        with self._engine.connect() as connection:
            for state in WAITING:  # one by one: each is the first entry of an index
                query = sa.select(sa.func.min(d.received_at)).where(d.state == state, sa.text(store.OPEN_STATES))
                if endpoint_id is not None:
                    query = query.where(d.endpoint_id == endpoint_id)
                found.append(connection.execute(query).scalar())
        return min((at for at in found if at is not None), default=None)

    def activity(self) -> dict[str, Activity]:
        """Last success and last failure of every endpoint that was ever called."""
        a = store.endpoint_activity.c
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(a.endpoint_id, a.last_success_at, a.last_failure_at))
            return {row.endpoint_id: Activity(*row[1:]) for row in rows}

    def outcomes(self, start_ms: int, end_ms: int, bucket_s: int) -> dict[str, Outcomes]:
        """Attempts per bucket of every endpoint that was called in the time; want whole minutes as bucket."""
        c, bucket_ms = store.counts.c, bucket_s * 1000
        first = start_ms - start_ms % bucket_ms
        places = -(-(end_ms - first) // bucket_ms)
        place = (c.at - first) // bucket_ms
        query = (
            sa.select(c.endpoint_id, place.label("place"), c.kind, sa.func.sum(c["count"]))
            .where(c.width == WIDTHS[0], c.endpoint_id > HUB, c.at >= first, c.at < end_ms, c.kind.in_(("delivered", "failed")))
            .group_by(c.endpoint_id, sa.text("place"), c.kind)
        )
        found: dict[str, Outcomes] = {}
        with self._engine.connect() as connection:
            for endpoint_id, at, kind, count in connection.execute(query):
                own = found.setdefault(endpoint_id, Outcomes([0] * places, [0] * places))
                (own.delivered if kind == "delivered" else own.failed)[int(at)] += int(count)
        return found

    def _counts(
        self, width: int, endpoint_id: str, start_ms: int, end_ms: int, bucket_ms: int
    ) -> dict[int, dict[str, Counter[int]]]:
        """Counts by bucket's start, kind and duration bucket."""
        c = store.counts.c
        query = sa.select(c.at, c.kind, c.bucket, c["count"]).where(
            c.width == width, c.endpoint_id == endpoint_id, c.at >= start_ms - start_ms % (width * 1000), c.at < end_ms
        )
        found: dict[int, dict[str, Counter[int]]] = {}
        with self._engine.connect() as connection:
            for at, kind, bucket, count in connection.execute(query):
                found.setdefault(at - at % bucket_ms, {}).setdefault(kind, Counter())[bucket] += count
        return found


def _bucket(at: int, kinds: dict[str, Counter[int]]) -> StatsBucket:
    none: Counter[int] = Counter()

    def total(kind: Kind) -> int:
        return kinds.get(kind, none).total()

    latency = kinds.get("delivered", none)
    return StatsBucket(
        at=at,
        received=total("received"),
        rejected=total("rejected"),
        unrouted=total("unrouted"),
        quarantined=total("quarantined"),
        queued=total("queued"),
        delivered=total("delivered"),
        failed=total("failed"),
        dead=total("dead"),
        superseded=total("superseded"),
        latency_p50_ms=percentile(latency, 0.5),
        latency_p99_ms=percentile(latency, 0.99),
    )
