"""Rows that outlived their topics, removed in small transactions: what they point to is no longer in Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from console import store
from console.stats import MINUTES_KEPT_S, WIDTHS
from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHUNK: Final = 5000
ROUNDS: Final = 20  # transactions of one call, so that the projection is not held up for long


def prune(engine: sa.Engine, now_ms: int) -> bool:
    """Remove what is too old, or a good part of it; True when there may be more."""
    return any([_prune_deliveries(engine, now_ms), *(_prune(engine, table, old) for table, old in _rules(now_ms))])


def _rules(now_ms: int) -> Iterable[tuple[sa.Table, sa.ColumnElement[bool]]]:
    yield store.attempts, store.attempts.c.started_at < now_ms - topics.ATTEMPTS.retention_ms
    yield store.unrouted, store.unrouted.c.received_at < now_ms - topics.UNROUTED.retention_ms
    yield store.quarantined, store.quarantined.c.received_at < now_ms - topics.QUARANTINED.retention_ms
    yield store.rejected, store.rejected.c.received_at < now_ms - topics.REJECTED.retention_ms
    c = store.counts.c
    yield store.counts, sa.and_(c.width == WIDTHS[0], c.at < now_ms - MINUTES_KEPT_S * 1000)
    yield store.counts, c.at < now_ms - topics.DEAD.retention_ms


def _prune(engine: sa.Engine, table: sa.Table, old: sa.ColumnElement[bool]) -> bool:
    if "seq" not in table.c:  # the counters: few rows, one statement
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(table.delete().where(old))
        return False
    some = table.delete().where(table.c.seq.in_(sa.select(table.c.seq).where(old).limit(CHUNK)))
    for _ in range(ROUNDS):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if connection.execute(some).rowcount < CHUNK:
                return False
    return True


def _prune_deliveries(engine: sa.Engine, now_ms: int) -> bool:
    c = store.deliveries.c
    cutoff, dead_cutoff = now_ms - topics.DELIVERIES.retention_ms, now_ms - topics.DEAD.retention_ms
    # The first condition follows from the others and has an index. What waits for a late attempt is not old.
    old = sa.and_(
        c.received_at < cutoff,
        sa.case((c.state == "dead", c.changed_at < dead_cutoff), else_=c.changed_at < cutoff),
        sa.func.coalesce(c.next_attempt_at, 0) < cutoff,
    )
    for _ in range(ROUNDS):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            rows = connection.execute(sa.select(c.seq, c.endpoint_id, c.state).where(old).limit(CHUNK)).all()
            _remove(connection, rows)
        if len(rows) < CHUNK:
            return False
    return True


def _remove(connection: sa.Connection, rows: Sequence[Any]) -> None:
    removed: dict[tuple[str, str], int] = {}
    for row in rows:
        removed[row.endpoint_id, row.state] = removed.get((row.endpoint_id, row.state), 0) + 1
    if not removed:
        return
    connection.execute(store.deliveries.delete().where(store.deliveries.c.seq == sa.bindparam("s")), [{"s": r.seq} for r in rows])
    t = store.totals
    fewer = t.update().where(t.c.endpoint_id == sa.bindparam("e"), t.c.state == sa.bindparam("st"))
    fewer = fewer.values(count=t.c["count"] - sa.bindparam("n"))
    connection.execute(fewer, [{"e": e, "st": s, "n": n} for (e, s), n in removed.items()])
