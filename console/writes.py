"""One batch into the database, in the caller's transaction: new rows inserted, known ones moved on, counters added to.

Statements are compiled once and handed to the driver with tuples; at thousands of rows a second that is most of the cost.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from console import batch as b
from console import standing, store
from console.stats import HUB, WIDTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from console.batch import Batch
    from console.standing import Standing

LOOKUP: Final = 250  # ids of one select
_D: Final = store.deliveries


class _Statement:
    """A statement compiled to the driver's text; `names` is the order of its parameters."""

    def __init__(self, clause: Any, dialect: sa.Dialect, names: Sequence[str]) -> None:
        compiled = clause.compile(dialect=dialect, column_keys=list(names) if clause.is_insert else None)
        self.text = str(compiled)
        order = compiled.positiontup
        self._pick = None if order == list(names) else [list(names).index(name) for name in order]

    def run(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            pick = self._pick
            ordered = rows if pick is None else [tuple(row[i] for i in pick) for row in rows]
            connection.exec_driver_sql(self.text, list(ordered))


class Writer:
    """Writes batches. Keeps no state between them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._insert_into = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        dialect = engine.dialect
        all_columns = (*standing.IDENTITY, *standing.RANK, *standing.NOW, *standing.LAST_RANK, *standing.LAST)
        self._new = _Statement(_D.insert(), dialect, all_columns)
        self._now = _update(dialect, (*standing.RANK, *standing.NOW))
        self._last = _update(dialect, (*standing.LAST_RANK, *standing.LAST))
        self._both = _update(dialect, (*standing.RANK, *standing.NOW, *standing.LAST_RANK, *standing.LAST))
        self._postgres = dialect.name == "postgresql"
        self._known = _known(dialect)
        self._attempts = _Statement(store.attempts.insert(), dialect, (*b.ATTEMPTS, "partition", "offset"))
        self._aside = [
            (name, self._ignoring(table, (*names, "partition", "offset"), dialect))
            for name, table, names in (
                ("unrouted", store.unrouted, b.UNROUTED),
                ("quarantined", store.quarantined, b.QUARANTINED),
                ("rejected", store.rejected, b.REJECTED),
            )
        ]
        self._counts = self._adding(store.counts, ("width", "endpoint_id", "at", "kind", "bucket"), dialect)
        self._totals = self._adding(store.totals, ("endpoint_id", "state"), dialect)

    def write(self, connection: sa.Connection, batch: Batch) -> None:
        """Write all of a batch but its positions."""
        if self._postgres:  # a plan made while the tables were empty reads them whole, and is kept
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        changes = self._deliveries(connection, batch.deliveries)
        self._totals.run(connection, [(*key, by) for key, by in changes.items() if by])
        self._attempts.run(connection, batch.attempts)
        for name, statement in self._aside:
            statement.run(connection, getattr(batch, name))
        self._counts.run(connection, list(_counts(batch)))
        self._newest(connection, store.endpoint_activity, [{"endpoint_id": k, "last_success_at": s, "last_failure_at": f}
                                                           for k, (s, f) in batch.activity.items()])  # fmt: skip
        self._newest(connection, store.event_types, [{"type": t, "last_seen_at": at} for t, at in batch.types.items()])

    def _deliveries(self, connection: sa.Connection, found: dict[str, Standing]) -> Counter[tuple[str, str]]:
        """Insert and move on; answers by how much each total changes."""
        known = {row[0]: row for row in self._look_up(connection, list(found))}
        totals: Counter[tuple[str, str]] = Counter()
        new: list[tuple[Any, ...]] = []
        now: list[tuple[Any, ...]] = []
        last: list[tuple[Any, ...]] = []
        both: list[tuple[Any, ...]] = []
        for delivery_id, d in found.items():
            row = known.get(delivery_id)
            if row is None:
                new.append((*d.identity, *d.rank, *d.now, *_attempt(d)))
                totals[d.endpoint_id, d.state] += 1
                continue
            _, seq, endpoint_id, state, spent, changed_at, weight, last_attempt, last_attempt_at = row
            moved = d.rank > (spent, changed_at, weight)
            tried = d.last_rank > (standing.NEVER if last_attempt is None else (last_attempt, last_attempt_at, 0))
            if moved:
                totals[endpoint_id, state] -= 1
                totals[endpoint_id, d.state] += 1
            if moved and tried:
                both.append((*d.rank, *d.now, *_attempt(d), seq))
            elif moved:
                now.append((*d.rank, *d.now, seq))
            elif tried:
                last.append((*_attempt(d), seq))
        for statement, rows in ((self._new, new), (self._now, now), (self._last, last), (self._both, both)):
            statement.run(connection, rows)
        return totals

    def _look_up(self, connection: sa.Connection, ids: list[str]) -> Iterator[Sequence[Any]]:
        for start in range(0, len(ids), LOOKUP):
            chunk = ids[start : start + LOOKUP]
            # One text for every length, so that the driver keeps it prepared: no id is empty.
            values = ([*chunk],) if self._postgres else (*chunk, *[""] * (LOOKUP - len(chunk)))
            yield from connection.exec_driver_sql(self._known, values).all()

    def _ignoring(self, table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> _Statement:
        return _Statement(self._insert_into(table).on_conflict_do_nothing(index_elements=["id"]), dialect, names)

    def _adding(self, table: sa.Table, key: tuple[str, ...], dialect: sa.Dialect) -> _Statement:
        insert = self._insert_into(table)
        added = {"count": table.c["count"] + insert.excluded["count"]}
        return _Statement(insert.on_conflict_do_update(index_elements=list(key), set_=added), dialect, (*key, "count"))

    def _newest(self, connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert, or keep the greater of the old and the new time."""
        if not rows:
            return
        insert = self._insert_into(table)
        key, *times = (column.name for column in table.columns)
        newer = {name: _greater(table.c[name], insert.excluded[name]) for name in times}
        connection.execute(insert.on_conflict_do_update(index_elements=[key], set_=newer), rows)


def _known(dialect: sa.Dialect) -> str:
    """The rank of what is known already, of many ids at once."""
    names = ("id", "seq", "endpoint_id", "state", *standing.RANK, *standing.LAST_RANK)
    wanted = sa.select(*(_D.c[name] for name in names))
    if dialect.name == "postgresql":
        return f"{wanted.compile(dialect=dialect)} WHERE deliveries.id = ANY(%s)"
    one_of = _D.c.id.in_([sa.bindparam(f"id{i}") for i in range(LOOKUP)])
    return str(wanted.where(one_of).compile(dialect=dialect))


def _greater(old: sa.ColumnElement[int], new: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((old.is_(None), new), (new > old, new), else_=old)


def _update(dialect: sa.Dialect, names: tuple[str, ...]) -> _Statement:
    clause = _D.update().where(_D.c.seq == sa.bindparam("row_seq")).values({name: sa.bindparam(f"new_{name}") for name in names})
    return _Statement(clause, dialect, (*(f"new_{name}" for name in names), "row_seq"))


def _attempt(d: Standing) -> tuple[Any, ...]:
    """The columns of the last attempt."""
    return (None, None, *d.last) if d.last_rank == standing.NEVER else (*d.last_rank[:2], *d.last)


def _counts(batch: Batch) -> Iterable[tuple[int, str, int, str, int, int]]:
    """Rows of the counters: of each width, of the endpoint and of the hub."""
    rows: Counter[tuple[int, str, int, str, int]] = Counter()
    for (endpoint_id, minute, kind, bucket), count in batch.counts.items():
        for width in WIDTHS:
            at = minute - minute % (width * 1000)
            for owner in {endpoint_id, HUB}:
                rows[width, owner, at, kind, bucket] += count
    return ((*key, count) for key, count in rows.items())
