"""The read model's tables, one schema for SQLite and PostgreSQL, and the engine that opens them.

Everything here is made from the topics and can be deleted: a database of another schema version is dropped,
and the projector fills the new one from the beginning. Payloads are not here, only where they lie in Kafka.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.settings import Settings

log = logging.getLogger(__name__)

VERSION: Final = "2"
FILE: Final = "console.db"
CLOSED: Final = ("delivered", "superseded")  # what nobody waits for; the others are few and have indexes of their own
OPEN_STATES: Final = "state NOT IN ('delivered', 'superseded')"  # written the same in those indexes and in their queries

_SERIAL: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows only in an INTEGER key
_metadata: Final = sa.MetaData()


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


meta: Final = sa.Table("meta", _metadata, sa.Column("name", sa.Text, primary_key=True), _text("value"))

positions: Final = sa.Table(
    "positions",
    _metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    _number("next_offset"),
)
"""How far each partition is taken in, written in the transaction of the rows: that is what makes it exactly once."""

deliveries: Final = sa.Table(
    "deliveries",
    _metadata,
    sa.Column("seq", _SERIAL, primary_key=True),
    _text("id"),
    _text("webhook_id"),
    _text("tenant"),
    _text("endpoint_id"),
    _text("event_id"),
    _text("event_type"),
    _text("object_key"),
    _number("received_at"),
    _number("queued_at"),
    # Where it stands: replaced together, by the fact of the greatest (spent, changed_at, weight).
    _number("spent"),
    _number("changed_at"),
    _number("weight"),
    _text("state"),
    _number("next_attempt_at", null=True),
    _text("cause", null=True),
    _text("lane"),
    _text("replay_id", null=True),
    _text("topic"),
    _number("partition"),
    _number("offset"),
    # The last attempt: replaced together, by the attempt of the greatest (last_attempt, last_attempt_at).
    _number("last_attempt", null=True),
    _number("last_attempt_at", null=True),
    _number("last_status", null=True),
    _text("last_error_class", null=True),
    _text("last_error", null=True),
    sa.Index("deliveries_id", "id", unique=True),
    sa.Index("deliveries_time", "received_at"),
    sa.Index("deliveries_endpoint", "endpoint_id", "received_at"),
    sa.Index("deliveries_object", "object_key", "received_at"),
    sa.Index("deliveries_event", "event_id"),
    sa.Index("deliveries_open", "state", "received_at", sqlite_where=sa.text(OPEN_STATES), postgresql_where=sa.text(OPEN_STATES)),
    sa.Index(
        "deliveries_open_endpoint",
        "endpoint_id",
        "state",
        "received_at",
        sqlite_where=sa.text(OPEN_STATES),
        postgresql_where=sa.text(OPEN_STATES),
    ),
)

attempts: Final = sa.Table(
    "attempts",
    _metadata,
    sa.Column("seq", _SERIAL, primary_key=True),
    _text("delivery_id"),
    _text("endpoint_id"),
    _number("attempt"),
    _text("state"),
    _number("status", null=True),
    _text("error_class", null=True),
    _text("error", null=True),
    _number("started_at"),
    sa.Column("total_ms", sa.Float, nullable=False),
    _number("next_attempt_at", null=True),
    _number("partition"),
    _number("offset"),
    sa.Index("attempts_delivery", "delivery_id"),
    sa.Index("attempts_time", "started_at"),
)
"""One row an attempt record; the response head stays in Kafka at (deliveries.attempts, partition, offset)."""

unrouted: Final = sa.Table(
    "unrouted",
    _metadata,
    sa.Column("seq", _SERIAL, primary_key=True),
    *(_text(n) for n in ("id", "tenant", "source", "provider", "type")),
    _text("object_id", null=True),
    _text("reason"),
    _text("reasons"),  # JSON object: endpoint id to why it did not match
    _text("raw_topic"),
    *(_number(n) for n in ("raw_partition", "raw_offset", "received_at", "partition", "offset")),
    sa.Index("unrouted_id", "id", unique=True),
    sa.Index("unrouted_time", "received_at"),
)

quarantined: Final = sa.Table(
    "quarantined",
    _metadata,
    sa.Column("seq", _SERIAL, primary_key=True),
    *(_text(n) for n in ("id", "tenant", "source", "provider", "topic", "cause", "detail", "raw_topic")),
    *(_number(n) for n in ("raw_partition", "raw_offset", "received_at", "partition", "offset")),
    sa.Index("quarantined_id", "id", unique=True),
    sa.Index("quarantined_time", "received_at"),
)

rejected: Final = sa.Table(
    "rejected",
    _metadata,
    sa.Column("seq", _SERIAL, primary_key=True),
    *(_text(n) for n in ("id", "source")),
    _text("tenant", null=True),
    _text("provider", null=True),
    *(_text(n) for n in ("reason", "detail", "remote")),
    *(_number(n) for n in ("size", "received_at", "partition", "offset")),
    sa.Index("rejected_id", "id", unique=True),
    sa.Index("rejected_time", "received_at"),
)

counts: Final = sa.Table(
    "counts",
    _metadata,
    sa.Column("width", sa.Integer, primary_key=True),  # seconds a row stands for
    sa.Column("endpoint_id", sa.Text, primary_key=True),  # empty: the whole hub
    sa.Column("at", sa.BigInteger, primary_key=True),  # ms, start of the row's time
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True),  # of console.histogram, for kinds that are durations
    _number("count"),
    sqlite_with_rowid=False,
)
"""What happened when: a few rows a minute, so that a chart never reads the deliveries."""

totals: Final = sa.Table(
    "totals",
    _metadata,
    sa.Column("endpoint_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    _number("count"),
)
"""Deliveries by endpoint and state, kept in step with the rows."""

endpoint_activity: Final = sa.Table(
    "endpoint_activity",
    _metadata,
    sa.Column("endpoint_id", sa.Text, primary_key=True),
    _number("last_success_at", null=True),
    _number("last_failure_at", null=True),
)

event_types: Final = sa.Table(
    "event_types",
    _metadata,
    sa.Column("type", sa.Text, primary_key=True),
    _number("last_seen_at"),
)


def engine_of(settings: Settings) -> sa.Engine:
    """Engine of DATABASE_URL, else of the SQLite file in HUB_HOME."""
    if settings.database_url is None:
        settings.home.mkdir(parents=True, exist_ok=True)
        return _sqlite(settings.home / FILE)
    url = sa.make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "postgresql":
        raise ValueError(f"DATABASE_URL: {url.get_backend_name()} is not supported, use postgresql:// or sqlite:///")
    # Positional parameters, as SQLite has them: the projector hands tuples straight to the driver.
    return sa.create_engine(url, paramstyle="format", pool_size=8, pool_pre_ping=True, isolation_level="READ COMMITTED")


def _sqlite(where: Path | sa.URL) -> sa.Engine:
    url = where if isinstance(where, sa.URL) else sa.URL.create("sqlite", database=str(where))
    engine = sa.create_engine(url, connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, with the lock they need
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536", "wal_autocheckpoint=4000", "temp_store=2"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def open_store(settings: Settings) -> sa.Engine:
    """The engine with all tables in place. What an older version left, and a file that is no database, is dropped."""
    engine = engine_of(settings)
    try:
        prepare(engine)
    except DatabaseError as e:
        if engine.dialect.name != "sqlite" or ("not a database" not in str(e) and "malformed" not in str(e)):
            raise
        log.warning("the read model's file is damaged: it is rebuilt from the topics", extra={"error": str(e.orig)})
        engine.dispose()
        _remove(engine.url)
        prepare(engine)
    return engine


def prepare(engine: sa.Engine) -> None:
    """Make the tables; drop what another schema version made first."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if _found_version(connection) not in {None, VERSION}:
            log.warning("the read model has another schema version: it is rebuilt from the topics")
            _drop(connection)
        _metadata.create_all(connection)
        if _found_version(connection) is None:
            rows = [{"name": "version", "value": VERSION}, {"name": "tables", "value": ",".join(_metadata.tables)}]
            connection.execute(meta.insert(), rows)


def _found_version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(meta.name):
        return None
    return connection.execute(sa.select(meta.c.value).where(meta.c.name == "version")).scalar()


def _drop(connection: sa.Connection) -> None:
    names = connection.execute(sa.select(meta.c.value).where(meta.c.name == "tables")).scalar() or ""
    for name in {*names.split(","), *_metadata.tables} - {""}:
        sa.Table(name, sa.MetaData()).drop(connection, checkfirst=True)


def _remove(url: sa.URL) -> None:
    import pathlib  # noqa: PLC0415 - only for a damaged file

    for suffix in ("", "-wal", "-shm"):
        pathlib.Path(f"{url.database}{suffix}").unlink(missing_ok=True)
