"""The read model behaves the same on SQLite and on PostgreSQL: what batches write is what queries answer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import sqlalchemy as sa

from console import store
from console.batch import Batch
from console.projector import OvertakenError, Projector
from console.prune import prune
from console.queries import AsideFilter, DeliveryFilter, Queries
from console.rows import Totals
from console.stats import RangeError, Stats
from console.writes import Writer
from runtime.clock import ManualClock
from runtime.health import Health
from runtime.kafka import Kafka
from runtime.settings import Settings
from schemas import topics
from schemas.records import Delivery, EventQuarantined, EventUnrouted, Record, WebhookRejected
from tests.console_database import UNAVAILABLE, available, database, empty, server
from tests.console_lab import attempt, delivery
from tests.lab import fixed_codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000_000
DAY = topics.DAY_MS
CODEC = fixed_codec()
POSTGRES = pytest.mark.skipif(not available(), reason=UNAVAILABLE)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with server() as own, database(own) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=POSTGRES)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "sqlite":
        yield Settings(home=tmp_path)
    else:
        url = request.getfixturevalue("postgres")
        empty(url)
        yield Settings(home=tmp_path, database_url=url)


class Model:
    """A read model with a way to put records into it as the projector does."""

    def __init__(self, settings: Settings) -> None:
        self.engine = store.open_store(settings)
        self.clock = ManualClock(NOW)
        self.queries, self.stats = Queries(self.engine), Stats(self.engine, self.clock)
        self._writer = Writer(self.engine)
        self._offset = 0

    def take(self, *records: tuple[topics.Topic, Record], at: int = NOW) -> None:
        batch = Batch(CODEC, "")
        for topic, record in records:
            self._offset += 1
            batch.add(topic.name, 0, self._offset, at, CODEC.encode(record))
        assert batch.skipped == []
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            self._writer.write(connection, batch)

    def state(self, of: Delivery) -> tuple[str, int]:
        row = self.queries.delivery(of.id)
        assert row is not None
        return row.state, row.spent


@pytest.fixture
def model(settings: Settings) -> Iterator[Model]:
    model = Model(settings)
    yield model
    model.engine.dispose()


def new(event: str, endpoint: str = "shop", **fields: Any) -> Delivery:
    return delivery(event, endpoint, **{"received_at": NOW - 1000, "queued_at": NOW - 1000, **fields})


def tried(of: Delivery, state: str, at: int = NOW, **fields: Any) -> tuple[topics.Topic, Record]:
    return topics.ATTEMPTS, attempt(of, state, started_at=at, **fields)


def test_the_way_of_a_delivery(model: Model) -> None:
    first = new("evt_1")
    model.take((topics.DELIVERIES, first))
    assert model.state(first) == ("queued", 0)
    model.take(tried(first, "retrying", next_attempt_at=NOW + 5000))
    row = model.queries.delivery(first.id)
    assert row is not None
    assert (row.state, row.spent, row.next_attempt_at, row.last_status, row.last_error_class) == (
        "retrying",
        1,
        NOW + 5000,
        500,
        "status",
    )
    model.take(tried(msgspec.structs.replace(first, attempt=2), "delivered", NOW + 5000))
    assert model.state(first) == ("delivered", 2)
    assert [(a.attempt, a.state) for a in model.queries.attempts(first.id)] == [(1, "retrying"), (2, "delivered")]
    assert model.stats.totals() == Totals(delivered=1)


def test_an_attempt_seen_before_its_delivery_is_no_step_back(model: Model) -> None:
    first = new("evt_1")
    model.take(tried(first, "delivered"))
    model.take((topics.DELIVERIES, first), at=NOW + 60_000)  # routed twice, after a crash
    assert model.state(first) == ("delivered", 1)
    assert model.stats.totals("shop") == Totals(delivered=1)


def test_dead_and_back(model: Model) -> None:
    first = new("evt_1")
    dead = msgspec.structs.replace(first, attempt=2, cause="exhausted", last_status=500)
    model.take((topics.DELIVERIES, first), tried(first, "dead"))
    model.take((topics.DEAD, dead), at=NOW + 10)
    row = model.queries.delivery(first.id)
    assert row is not None
    assert (row.state, row.cause, row.last_error, row.topic) == ("dead", "exhausted", "answered 500", "deliveries.dead")
    model.take((topics.DELIVERIES, msgspec.structs.replace(first, attempt=2)), at=NOW + 60_000)
    assert model.state(first) == ("queued", 1)
    assert model.stats.totals() == Totals(queued=1)
    model.take(tried(msgspec.structs.replace(first, attempt=2), "dead", NOW + 61_000))
    model.take((topics.DEAD, msgspec.structs.replace(dead, attempt=3)), at=NOW + 61_010)
    assert model.state(first) == ("dead", 2)


def test_a_death_without_an_attempt(model: Model) -> None:
    first = new("evt_1")
    model.take((topics.DELIVERIES, first))
    model.take((topics.DEAD, msgspec.structs.replace(first, cause="endpoint_deleted")), at=NOW + 10)
    row = model.queries.delivery(first.id)
    assert row is not None
    assert (row.state, row.spent, row.cause) == ("dead", 0, "endpoint_deleted")


def test_superseded_is_final_counted_and_no_attempt(model: Model) -> None:
    first, second = new("evt_1", object_key="order/7"), new("evt_2", object_key="order/7")
    untried = {"status": None, "error_class": None, "error": None, "total_ms": 0.0}
    model.take((topics.DELIVERIES, first), tried(first, "retrying"), (topics.DELIVERIES, second))
    assert model.queries.behind(model.queries.delivery(first.id)) == 1
    model.take(tried(msgspec.structs.replace(first, attempt=2), "superseded", NOW + 5, **untried))
    row = model.queries.delivery(first.id)
    assert (row.state, row.spent, row.last_status, row.last_error) == ("superseded", 1, 500, "answered 500")
    assert model.stats.totals() == Totals(queued=1, superseded=1)
    assert [d.id for d in model.queries.deliveries(DeliveryFilter(states=("superseded",))).data] == [first.id]
    assert model.queries.behind(model.queries.delivery(second.id)) == 0
    health = model.stats.endpoint_health("shop")
    assert (health.attempts_1h, health.waiting) == (1, 1)
    [hour] = model.stats.stats(NOW - NOW % 3_600_000, NOW + 1, 3600)
    assert (hour.superseded, hour.failed) == (1, 1)
    model.take(
        tried(second, "delivered", NOW + 10),
        tried(msgspec.structs.replace(second, lane="replay"), "superseded", NOW + 99, **untried),
    )
    assert model.state(second) == ("delivered", 1)  # a replay that is not sent takes nothing back


def test_superseded_after_a_failed_attempt_is_both(model: Model) -> None:
    first = new("evt_1")
    model.take((topics.DELIVERIES, first), tried(first, "superseded", NOW))
    row = model.queries.delivery(first.id)
    assert (row.state, row.spent, row.last_status) == ("superseded", 1, 500)
    [hour] = model.stats.stats(NOW - NOW % 3_600_000, NOW + 1, 3600)
    assert (hour.superseded, hour.failed) == (1, 1)


def test_a_command_is_no_delivery(model: Model) -> None:
    first = new("evt_1")
    model.take((topics.DELIVERIES, first), tried(first, "retrying"))
    for command in ("skip", "park"):
        model.take((topics.DELIVERIES, msgspec.structs.replace(first, attempt=2, command=command)), at=NOW + 60_000)
    assert model.state(first) == ("retrying", 1)
    [hour] = model.stats.stats(NOW - NOW % 3_600_000, NOW + 60_001, 3600)
    assert hour.queued == 1


def test_the_dead_of_some_causes_since_a_time_oldest_first(model: Model) -> None:
    for i, cause in enumerate(("exhausted", "skipped", "gone", "endpoint_disabled", "exhausted")):
        d = new(f"evt_{i}", received_at=NOW + i)
        model.take((topics.DEAD, msgspec.structs.replace(d, cause=cause)), at=NOW + 100 * i)
    wanted = DeliveryFilter(states=("dead",), causes=("exhausted", "gone", "endpoint_disabled"), changed_from=NOW + 1)
    pages, cursor = [], None
    while True:
        page = model.queries.deliveries(wanted, cursor=cursor, limit=2, oldest_first=True)
        pages.append([d.event_id for d in page.data])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [["evt_2", "evt_3"], ["evt_4"]]


def test_lists_are_paged_newest_first_and_filtered(model: Model) -> None:
    made = [
        new(f"evt_{i}", f"shop{i % 2}", received_at=NOW - i // 3, event_type="order.updated" if i % 5 else "order.created")
        for i in range(20)
    ]
    model.take(*((topics.DELIVERIES, d) for d in made))
    seen, cursor = [], None
    while True:
        page = model.queries.deliveries(DeliveryFilter(), cursor=cursor, limit=7)
        seen += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.data) == 7
    assert sorted(d.id for d in seen) == sorted(d.id for d in made)
    assert [d.received_at for d in seen] == sorted((d.received_at for d in made), reverse=True)

    def found(**only: Any) -> set[str]:
        wanted = DeliveryFilter(**only)
        rows = model.queries.deliveries(wanted, limit=100).data
        assert model.queries.count(wanted) == len(rows)
        return {row.event_id for row in rows}

    assert found(endpoint_id="shop1") == {f"evt_{i}" for i in range(1, 20, 2)}
    assert found(event_type="order.created", endpoint_id="shop0") == {"evt_0", "evt_10"}
    assert found(object_key="order/evt_3") == {"evt_3"}
    assert found(states=("queued", "dead"), received_from=NOW - 1, received_to=NOW) == {"evt_3", "evt_4", "evt_5"}
    assert found(states=("delivered",)) == set()
    for text in (made[4].id, made[4].webhook_id, "evt_4", "order/evt_4"):
        assert found(search=text) == {"evt_4"}


def test_what_was_set_aside_is_listed_once(model: Model) -> None:
    raw = {"raw_topic": "webhooks.received", "raw_partition": 1, "raw_offset": 2, "received_at": NOW, "tenant": "default"}
    unrouted = EventUnrouted(
        id="evt_u", source="s", provider="shopify", type="order.created", reason="no_match", reasons={"shop": "paused"}, **raw
    )
    quarantined = EventQuarantined(
        id="rcv_q", source="s", provider="shopify", topic="orders/create", cause="mapping", detail="no id", **raw
    )
    rejected = WebhookRejected(
        id="rej_1", source="s", reason="signature", detail="none matched", remote="203.0.113.9", size=9, headers={}, body=b"", received_at=NOW
    )  # fmt: skip
    for _ in range(2):  # a stage that ran twice
        model.take((topics.UNROUTED, unrouted), (topics.QUARANTINED, quarantined), (topics.REJECTED, rejected))
    only = AsideFilter(source="s", received_from=NOW, received_to=NOW + 1)
    [u] = model.queries.unrouted(only).data
    assert (u.id, u.reasons, u.raw_offset) == ("evt_u", {"shop": "paused"}, 2)
    [q] = model.queries.quarantined(AsideFilter(reason="mapping", tenant="default")).data
    assert (q.id, q.topic, q.detail) == ("rcv_q", "orders/create", "no id")
    [r] = model.queries.rejected(AsideFilter(reason="signature")).data
    assert (r.id, r.tenant, r.remote, r.offset) == ("rej_1", None, "203.0.113.9", 3)
    assert model.queries.rejected_one("rej_1") == r
    assert model.queries.rejected(AsideFilter(source="other")).data == []


def test_stats_count_what_happened_when(model: Model) -> None:
    start = NOW - NOW % 3_600_000
    deliveries = [new(f"evt_{i}", received_at=start, queued_at=start) for i in range(10)]
    for i, d in enumerate(deliveries):
        model.take((topics.DELIVERIES, d), at=start)
        model.take(tried(d, "delivered" if i else "retrying", start + 60_000 + i * 100, total_ms=20.0))
    replayed = new("evt_r", received_at=start - 20 * DAY, lane="replay")
    model.take(tried(replayed, "delivered", start + 60_000))
    first, second = model.stats.stats(start, start + 120_000, 60)
    assert (first.at, first.queued, first.delivered, first.latency_p50_ms) == (start, 10, 0, None)
    assert (second.delivered, second.failed, second.queued) == (10, 1, 0)
    assert second.latency_p50_ms == pytest.approx(60_500, rel=0.19)  # the replay's age says nothing about the hub
    [hour] = model.stats.stats(start, start + 1, 3600)
    assert (hour.queued, hour.delivered, hour.failed) == (10, 10, 1)
    [own] = model.stats.stats(start, start + 1, 3600, endpoint_id="shop")
    assert own == hour
    assert model.stats.stats(start, start + 1, 3600, endpoint_id="other")[0].delivered == 0
    for wrong in (
        (start, start, 60),
        (start, start + 1, 61),
        (start - 30 * DAY, start, 60),
        (start - 20 * DAY, start - 20 * DAY + 1, 300),
    ):
        with pytest.raises(RangeError):
            model.stats.stats(*wrong)


def test_an_endpoints_health(model: Model) -> None:
    old = new("evt_old", received_at=NOW - 500_000)
    model.take((topics.DELIVERIES, old), tried(old, "retrying", NOW - 400_000, total_ms=15_000.0))
    for i in range(3):
        model.take((topics.DELIVERIES, new(f"evt_{i}")), tried(new(f"evt_{i}"), "delivered", NOW - 1000, total_ms=50.0))
    health = model.stats.endpoint_health("shop")
    assert (health.waiting, health.oldest_waiting_at, health.dead) == (1, NOW - 500_000, 0)
    assert (health.attempts_1h, health.success_rate_1h) == (4, 0.75)
    assert (health.last_success_at, health.last_failure_at) == (NOW - 950, NOW - 385_000)
    assert health.duration_p50_ms == pytest.approx(50, rel=0.19)
    assert health.duration_p99_ms == pytest.approx(15_000, rel=0.19)
    nobody = model.stats.endpoint_health("nobody")
    assert (nobody.attempts_1h, nobody.success_rate_1h, nobody.oldest_waiting_at) == (0, None, None)


def test_old_rows_go_with_their_topics(model: Model) -> None:
    ages = {"fresh": 1, "week": 8, "month": 31}
    for name, days in ages.items():
        for state in ("delivered", "dead"):
            d = new(f"evt_{name}_{state}", received_at=NOW - days * DAY)
            model.take(tried(d, state, NOW - days * DAY), at=NOW - days * DAY)
    waiting = new("evt_waits", received_at=NOW - 8 * DAY)
    model.take(tried(waiting, "retrying", NOW - 8 * DAY, next_attempt_at=NOW + DAY))
    assert prune(model.engine, NOW) is False
    kept = {row.event_id for row in model.queries.deliveries(DeliveryFilter(), limit=100).data}
    assert kept == {"evt_fresh_delivered", "evt_fresh_dead", "evt_week_dead", "evt_waits"}
    assert model.stats.totals("shop") == Totals(delivered=1, dead=2, retrying=1)
    with model.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.min(store.counts.c.at))).scalar_one() >= NOW - 30 * DAY - 3_600_000
        assert connection.execute(sa.select(sa.func.count()).select_from(store.attempts)).scalar_one() == 2


def test_event_types_keep_their_newest_time(model: Model) -> None:
    model.take((topics.DELIVERIES, new("evt_1")), at=NOW)
    model.take((topics.DELIVERIES, new("evt_2")), at=NOW - 5000)
    assert [(row.type, row.last_seen_at) for row in model.queries.event_types()] == [("order.created", NOW)]


def test_another_version_is_dropped_and_made_anew(settings: Settings) -> None:
    model = Model(settings)
    model.take((topics.DELIVERIES, new("evt_1")))
    with model.engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(store.meta.update().where(store.meta.c.name == "version").values(value="0"))
        connection.exec_driver_sql("CREATE TABLE once_ours (x INTEGER)")
        connection.execute(store.meta.update().where(store.meta.c.name == "tables").values(value="deliveries,once_ours"))
    model.engine.dispose()
    again = Model(settings)
    assert again.queries.deliveries(DeliveryFilter()).data == []
    assert not sa.inspect(again.engine).has_table("once_ours")
    again.engine.dispose()
    opened = Model(settings)  # the same version is kept as it is
    opened.engine.dispose()


def test_positions_moved_by_another_process_are_noticed(settings: Settings) -> None:
    engine = store.open_store(settings)
    clock = ManualClock(NOW)
    projector = Projector(kafka=Kafka(settings), codec=CODEC, engine=engine, clock=clock, health=Health("test", clock))
    batch = Batch(CODEC, "")
    batch.add(topics.DELIVERIES.name, 0, 0, NOW, CODEC.encode(new("evt_1")))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(store.positions.insert(), [{"topic": topics.DELIVERIES.name, "partition": 0, "next_offset": 7}])
    projector._positions = {(topics.DELIVERIES.name, 0): 0}
    with pytest.raises(OvertakenError):
        projector._apply(batch)
    assert Queries(engine).deliveries(DeliveryFilter()).data == []
    projector._positions = {(topics.DELIVERIES.name, 0): 7}
    projector._apply(batch)
    assert len(Queries(engine).deliveries(DeliveryFilter()).data) == 1
    engine.dispose()


@pytest.mark.parametrize("content", [b"this is no database, it is a note" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.FILE).write_bytes(content)
    engine = store.open_store(Settings(home=tmp_path))
    assert Queries(engine).deliveries(DeliveryFilter()).data == []
    engine.dispose()
    with sqlite3.connect(tmp_path / store.FILE) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_an_unsupported_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"DATABASE_URL.*postgresql"):
        store.open_store(Settings(home=tmp_path, database_url="mysql://x/y"))
