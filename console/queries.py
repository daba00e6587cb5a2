"""Reads of the read model: deliveries, attempts and the lists of what did not become one, cursor-paged.

Every function blocks for a moment: call them from a synchronous handler, or through a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from console import cursor as cursors
from console import store
from console.rows import (
    AttemptRow,
    DeliveryRow,
    EventTypeRow,
    Page,
    QuarantinedRow,
    RejectedRow,
    UnroutedRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T", bound=msgspec.Struct)
LIMIT: Final = 50
LIMIT_MAX: Final = 500
Limit = Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)]
WEBHOOK_PREFIX: Final = "msg_"
DELIVERY_PREFIX: Final = "dlv_"
WAITING: Final = ("queued", "retrying")
"""States of what is still to be sent."""
_OPEN: Final = sa.text(store.OPEN_STATES)


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries. Times bound received_at and changed_at, ends are exclusive; `search` is a delivery, webhook or
    event id or an object key."""

    endpoint_id: str | None = None
    states: tuple[str, ...] = ()
    event_type: str | None = None
    object_key: str | None = None
    event_id: str | None = None
    tenant: str | None = None
    cause: str | None = None
    causes: tuple[str, ...] = ()  # one of these
    lane: str | None = None
    replay_id: str | None = None
    received_from: int | None = None
    received_to: int | None = None
    changed_from: int | None = None
    changed_to: int | None = None
    search: str | None = None


class AsideFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which unrouted, quarantined or rejected records. `reason` is the cause of quarantined ones."""

    tenant: str | None = None
    source: str | None = None
    reason: str | None = None
    received_from: int | None = None
    received_to: int | None = None


class Queries:
    """The read model, read. Safe to share between threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def deliveries(
        self, wanted: DeliveryFilter, *, cursor: str | None = None, limit: int = LIMIT, oldest_first: bool = False
    ) -> Page[DeliveryRow]:
        """Deliveries, newest received first unless said otherwise. Raises CursorError."""
        return self._page(store.deliveries, DeliveryRow, _conditions(wanted), cursor, limit, oldest_first=oldest_first)

    def dead(self, wanted: DeliveryFilter, *, cursor: str | None = None, limit: int = LIMIT) -> Page[DeliveryRow]:
        """Dead deliveries, newest received first. Raises CursorError."""
        return self.deliveries(msgspec.structs.replace(wanted, states=("dead",)), cursor=cursor, limit=limit)

    def count(self, wanted: DeliveryFilter) -> int:
        """How many deliveries match."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(sa.func.count()).select_from(store.deliveries).where(*_conditions(wanted)))
            return int(found.scalar_one())

    def behind(self, row: DeliveryRow) -> int:
        """How many deliveries of the same object wait behind one at its endpoint."""
        c, own = store.deliveries.c, store.deliveries.alias()
        wanted = DeliveryFilter(endpoint_id=row.endpoint_id, object_key=row.object_key, states=WAITING)
        place = sa.select(own.c.seq).where(own.c.id == row.id).scalar_subquery()
        query = sa.select(sa.func.count()).select_from(store.deliveries).where(*_conditions(wanted), c.seq > place)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def delivery(self, delivery_id: str) -> DeliveryRow | None:
        """One delivery."""
        query = _select(store.deliveries, DeliveryRow).where(store.deliveries.c.id == delivery_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _row(DeliveryRow, row)

    def attempts(self, delivery_id: str) -> list[AttemptRow]:
        """Attempts of a delivery, first to last. After a crash a number can occur twice: both requests were sent."""
        table = store.attempts
        query = _select(table, AttemptRow).where(table.c.delivery_id == delivery_id).order_by(table.c.attempt, table.c.started_at)
        with self._engine.connect() as connection:
            return [_row(AttemptRow, row) for row in connection.execute(query)]

    def unrouted(self, wanted: AsideFilter, *, cursor: str | None = None, limit: int = LIMIT) -> Page[UnroutedRow]:
        """Events that reached no endpoint, newest first. Raises CursorError."""
        conditions = _aside(store.unrouted, wanted, store.unrouted.c.reason)
        return self._page(store.unrouted, UnroutedRow, conditions, cursor, limit)

    def quarantined(self, wanted: AsideFilter, *, cursor: str | None = None, limit: int = LIMIT) -> Page[QuarantinedRow]:
        """Records that could not be turned into events, newest first. Raises CursorError."""
        conditions = _aside(store.quarantined, wanted, store.quarantined.c.cause)
        return self._page(store.quarantined, QuarantinedRow, conditions, cursor, limit)

    def rejected(self, wanted: AsideFilter, *, cursor: str | None = None, limit: int = LIMIT) -> Page[RejectedRow]:
        """Requests that were refused, newest first. Raises CursorError."""
        conditions = _aside(store.rejected, wanted, store.rejected.c.reason)
        return self._page(store.rejected, RejectedRow, conditions, cursor, limit)

    def rejected_one(self, rejected_id: str) -> RejectedRow | None:
        """One refused request."""
        query = _select(store.rejected, RejectedRow).where(store.rejected.c.id == rejected_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _row(RejectedRow, row)

    def taken(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the read model has the record at an offset."""
        c = store.positions.c
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(c.next_offset).where(c.topic == topic, c.partition == partition)).scalar()
        return found is not None and found > offset

    def event_types(self) -> list[EventTypeRow]:
        """Event types that deliveries were made of, by name."""
        query = sa.select(store.event_types.c.type, store.event_types.c.last_seen_at).order_by(store.event_types.c.type)
        with self._engine.connect() as connection:
            return [EventTypeRow(*row) for row in connection.execute(query)]

    def _page(
        self,
        table: sa.Table,
        row_type: type[T],
        conditions: Iterable[sa.ColumnElement[bool]],
        cursor: str | None,
        limit: int,
        *,
        oldest_first: bool = False,
    ) -> Page[T]:
        time, seq = table.c.received_at, table.c.seq
        size = max(1, min(limit, LIMIT_MAX))
        order = (time, seq) if oldest_first else (time.desc(), seq.desc())
        query = _select(table, row_type).add_columns(seq).where(*conditions).order_by(*order).limit(size + 1)
        if cursor is not None:
            at, place = cursors.decode(cursor)
            further = (
                (time >= at, sa.or_(time > at, seq > place)) if oldest_first else (time <= at, sa.or_(time < at, seq < place))
            )
            query = query.where(*further)
        with self._engine.connect() as connection:
            rows: Sequence[sa.Row[Any]] = connection.execute(query).all()
        more = len(rows) > size
        data = [_row(row_type, row) for row in rows[:size]]
        last = rows[size - 1] if more else None
        return Page(data, cursors.encode(last.received_at, last.seq) if last is not None else None)


def _select(table: sa.Table, row_type: type[msgspec.Struct]) -> sa.Select[Any]:
    return sa.select(*(table.c[f] for f in row_type.__struct_fields__))


def _row(row_type: type[T], row: sa.Row[Any]) -> T:
    values = {name: getattr(row, name) for name in row_type.__struct_fields__}
    if "reasons" in values:
        values["reasons"] = msgspec.json.decode(values["reasons"])
    return row_type(**values)


def _conditions(wanted: DeliveryFilter) -> list[sa.ColumnElement[bool]]:
    c = store.deliveries.c
    exact = ("endpoint_id", "event_type", "object_key", "event_id", "tenant", "cause", "lane", "replay_id")
    found: list[Any] = [c[name] == value for name in exact if (value := getattr(wanted, name)) is not None]
    if wanted.states:
        found.append(c.state == wanted.states[0] if len(wanted.states) == 1 else c.state.in_(wanted.states))
        if not set(wanted.states) & set(store.CLOSED):
            found.append(_OPEN)  # literally the condition of the partial indexes, so that they are used
    if wanted.search is not None:
        found.append(_search(wanted.search))
    if wanted.causes:
        found.append(c.cause.in_(wanted.causes))
    found += _times(c.changed_at, wanted.changed_from, wanted.changed_to)
    return found + _times(c.received_at, wanted.received_from, wanted.received_to)


def _search(text: str) -> sa.ColumnElement[bool]:
    """Columns that have an index. A webhook id has none: it is its delivery's id but for the prefix (`schemas.ids`)."""
    c = store.deliveries.c
    if text.startswith(WEBHOOK_PREFIX):
        return sa.and_(c.id == DELIVERY_PREFIX + text.removeprefix(WEBHOOK_PREFIX), c.webhook_id == text)
    return sa.or_(c.id == text, c.event_id == text, c.object_key == text)


def _aside(table: sa.Table, wanted: AsideFilter, reason: sa.ColumnElement[str]) -> list[sa.ColumnElement[bool]]:
    found = [table.c[name] == value for name in ("tenant", "source") if (value := getattr(wanted, name)) is not None]
    if wanted.reason is not None:
        found.append(reason == wanted.reason)
    return found + _times(table.c.received_at, wanted.received_from, wanted.received_to)


def _times(column: sa.ColumnElement[int], start: int | None, end: int | None) -> list[sa.ColumnElement[bool]]:
    found = [column >= start] if start is not None else []
    return [*found, column < end] if end is not None else found
