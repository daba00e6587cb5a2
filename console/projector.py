"""The topics into the read model: one thread, one consumer of all partitions, exactly once.

Positions are written in the transaction of the rows, so a crash repeats nothing and loses nothing, and an empty
database is filled from the beginning. A record that cannot be read is counted, logged and left out.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from console import store
from console.batch import PROJECTED, Batch
from console.prune import prune
from console.writes import Writer
from runtime import metrics
from runtime.kafka import KafkaException, TopicPartition
from schemas.codec import SchemaUnavailableError

if TYPE_CHECKING:
    from runtime.clock import Clock
    from runtime.health import Health
    from runtime.kafka import Consumer, Kafka, Message
    from schemas.codec import Codec

log = logging.getLogger(__name__)
COMPONENT: Final = "projection"
BATCH: Final = 4000  # records of one transaction
CHUNK: Final = 250  # records held with their payloads at once
GATHER_S: Final = 0.1  # at low rates: wait for more, a transaction costs as much as thirty rows
QUEUE_KB: Final = 16_384  # prefetched by the client
FETCH_BYTES: Final = (
    65_536  # the broker gathers that much, or waits that long: answering every record cost it a fifth of its time
)
FETCH_WAIT_MS: Final = 200
MEASURE_S: Final = 1.0
CHECK_S: Final = 10.0  # between looks at the broker and its partitions
PRUNE_S: Final = 3600.0
AGAIN_S: Final = 1.0

Key = tuple[str, int]


class OvertakenError(RuntimeError):
    """Another process has moved the positions: ours are to be read anew."""


class Projector:
    """Runs the projection. `start`, then `close`."""

    def __init__(self, *, kafka: Kafka, codec: Codec, engine: sa.Engine, clock: Clock, health: Health) -> None:
        self._kafka, self._codec, self._engine, self._clock, self._health = kafka, codec, engine, clock, health
        self._names = {kafka.name(topic): topic.name for topic in PROJECTED}
        self._writer = Writer(engine)
        self._positions: dict[Key, int] = {}
        self._partitions: set[Key] = set()
        self._measured = self._checked = self._pruned = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projector", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._pruned = self._clock.monotonic()
        self._thread.start()

    def close(self) -> None:
        """Finish the batch under way and stop."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = self._kafka.consumer(
                f"projector-{uuid4()}",
                queued_max_messages_kbytes=QUEUE_KB,
                fetch_min_bytes=FETCH_BYTES,
                fetch_wait_max_ms=FETCH_WAIT_MS,
            )
            try:
                self._follow(consumer)
            except (KafkaException, SQLAlchemyError, SchemaUnavailableError, OvertakenError) as e:
                log.warning("projection interrupted", extra={"error": str(e)})
                self._report(ok=False, detail=f"interrupted: {str(e)[:200]}")
                self._stop.wait(AGAIN_S)
            except Exception as e:
                log.exception("projection failed")
                self._report(ok=False, detail=f"failed: {type(e).__name__}: {str(e)[:200]}")
                self._stop.wait(AGAIN_S)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        self._measured = self._checked = float("-inf")
        self._partitions = set()
        while not self._stop.is_set():
            self._look_after(consumer)
            batch = self._take(consumer)
            if batch.positions:
                self._apply(batch)

    def _look_after(self, consumer: Consumer) -> None:
        """Now and then: how far behind, is the broker there, are there new partitions, is something to be pruned?"""
        now = self._clock.monotonic()
        if now - self._measured < MEASURE_S:
            return
        if now - self._checked >= CHECK_S:
            found = {(n, p) for n, numbers in self._kafka.partitions(self._names, consumer).items() for p in numbers}
            if found != self._partitions:
                self._assign(consumer, found)
            self._checked = now
        self._measured = now
        behind = self._measure_lag(consumer)
        missing = sorted(self._names.keys() - {n for n, _ in self._partitions})
        trouble = f"topics are missing ({missing[0]} …): run `hub topics apply`" if missing else ""
        self._report(ok=not missing, detail=trouble or (f"{behind} records behind" if behind else "ok"))
        if now - self._pruned >= PRUNE_S and not prune(self._engine, self._clock.now_ms()):
            self._pruned = now

    def _assign(self, consumer: Consumer, found: set[Key]) -> None:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            rows = connection.execute(sa.select(store.positions)).all()
            self._positions = {(row.topic, row.partition): row.next_offset for row in rows}
            new = [(self._names[n], p) for n, p in sorted(found) if (self._names[n], p) not in self._positions]
            if new:
                values = [{"topic": t, "partition": p, "next_offset": 0} for t, p in new]
                connection.execute(store.positions.insert(), values)
                self._positions |= dict.fromkeys(new, 0)
        consumer.assign([TopicPartition(n, p, self._positions[self._names[n], p]) for n, p in sorted(found)])
        self._partitions = found

    def _take(self, consumer: Consumer) -> Batch:
        """What is there, up to a batch."""
        batch = Batch(self._codec, self._kafka.prefix)
        first = consumer.poll(0.5)
        if first is None:
            return batch
        chunk = [first, *consumer.consume(CHUNK, 0)]
        if len(chunk) < CHUNK and not self._stop.wait(GATHER_S):
            chunk += consumer.consume(CHUNK, 0)
        while chunk:
            for message in chunk:
                self._add(batch, message)
            chunk = consumer.consume(CHUNK, 0) if len(batch) < BATCH else []
        return batch

    def _add(self, batch: Batch, message: Message) -> None:
        if message.error() is not None:  # the client mends what it can; what it cannot shows in `_look_after`
            log.warning("projection", extra={"error": str(message.error())})
            return
        topic = self._names[message.topic() or ""]
        batch.add(topic, message.partition() or 0, message.offset() or 0, message.timestamp()[1], message.value())

    def _apply(self, batch: Batch) -> None:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            self._advance(connection, batch)
            self._writer.write(connection, batch)
        self._positions |= batch.positions
        for topic, count in batch.taken.items():
            metrics.PROJECTED.labels(topic).inc(count)
        for topic, partition, offset, why in batch.skipped:
            metrics.PROJECTION_SKIPPED.labels(topic).inc()
            log.error("record left out of the read model", extra={"at": f"{topic}[{partition}]@{offset}", "why": why})

    def _advance(self, connection: sa.Connection, batch: Batch) -> None:
        """Move the positions, if they are where we left them. Raises OvertakenError."""
        c = store.positions.c
        stored = connection.execute(sa.select(c.topic, c.partition, c.next_offset).with_for_update())
        if {(topic, partition): offset for topic, partition, offset in stored} != self._positions:
            raise OvertakenError("another console writes to this database: give each hub its own, or run one console")
        moved = sa.update(store.positions).where(c.topic == sa.bindparam("t"), c.partition == sa.bindparam("p"))
        values = [{"t": t, "p": p, "o": offset} for (t, p), offset in batch.positions.items()]
        connection.execute(moved.values(next_offset=sa.bindparam("o")), values)

    def _measure_lag(self, consumer: Consumer) -> int:
        behind = dict.fromkeys(self._names.values(), 0)
        for name, partition in self._partitions:
            topic = self._names[name]
            # As the last fetch told: to ask anew would wait behind the fetch under way, for each partition.
            low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), cached=True)
            behind[topic] += max(0, high - max(low, self._positions[topic, partition]))
        for topic, count in behind.items():
            metrics.PROJECTION_LAG.labels(topic).set(count)
        return sum(behind.values())

    def _report(self, *, ok: bool, detail: str) -> None:
        self._health.report(COMPONENT, ok=ok, detail=detail, good_for_s=CHECK_S * 3)
