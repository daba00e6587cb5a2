"""One consumer and its thread: takes deliveries from topics, holds back when its window is full, commits what is done.

Live, retry and replay are three lanes in three consumer groups, so that each is held back by itself: a full
retry window or a replay never stops live deliveries from being read.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

from delivery.item import OVERHEAD, Item, Poison
from delivery.roster import Assigned, Revoked
from delivery.tracker import Tracker
from runtime import metrics
from runtime.kafka import KafkaError, KafkaException, TopicPartition
from schemas import topics
from schemas.codec import DecodeError
from schemas.records import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from delivery.item import HeldFields
    from runtime.health import Health
    from runtime.kafka import Consumer, Kafka, Message
    from schemas.codec import Codec
    from schemas.topics import Tier

    News = Item | Poison | Assigned | Revoked

log = logging.getLogger(__name__)

BATCH: Final = 500
COMMIT_EVERY_S: Final = 1.0
LAG_EVERY_S: Final = 5.0
DRAIN_S: Final = 10.0  # how long a revocation waits for attempts under way
PAUSE_AFTER_S: Final = 1.0  # pausing throws away what was prefetched, so short waits only skip polling
Spot = tuple[str, int]


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane reads and how much of it at once. `room` is a further condition for taking more."""

    name: str  # live, retry or replay; also the metric's label
    group: str
    topics: tuple[topics.Topic[Delivery], ...]
    window: int  # deliveries held in memory, for each topic
    window_bytes: int
    room: Callable[[], bool] = lambda: True
    owns: bool = False  # who reads a partition of it owns its endpoints' order and backlog


class Lane:
    """Runs a LaneSpec in a thread of its own. Only that thread touches the consumer."""

    def __init__(
        self, spec: LaneSpec, *, kafka: Kafka, codec: Codec, health: Health, submit: Callable[[Sequence[News]], None]
    ) -> None:
        self.spec = spec
        self._codec, self._health, self._submit = codec, health, submit
        self._consumer: Consumer = kafka.consumer(spec.group, static_member=True, on_commit=self._committed)
        self._topics = {kafka.name(t): t for t in spec.topics}
        self._tiers: dict[str, Tier] = {kafka.name(tier.topic): tier for tier in topics.TIERS}
        self._trackers: dict[Spot, Tracker] = {}
        self._paused: set[str] = set()
        self._full_since: dict[str, float] = {}
        self._stop = threading.Event()
        self._drained = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lane {spec.name}", daemon=True)

    def start(self) -> None:
        """Join the group and begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more."""
        self._stop.set()

    def finish(self) -> None:
        """What was taken is settled as far as it will be: commit, leave the group, end."""
        self._drained.set()
        self._thread.join(DRAIN_S + 5)

    @property
    def held(self) -> int:
        """Deliveries in memory."""
        return sum(tracker.held[0] for tracker in list(self._trackers.values()))

    # --- the thread

    def _run(self) -> None:
        try:
            self._consumer.subscribe(list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            self._loop()
            self._drained.wait(DRAIN_S + 1)
            self._commit(asynchronous=False)
            self._consumer.close()
        except Exception:
            log.critical("a lane failed, ending the process", exc_info=True, extra={"lane": self.spec.name})
            os._exit(70)

    def _loop(self) -> None:
        next_commit = next_lag = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            self._hold_back(now)
            if self._may_poll():
                self._take()
            else:
                time.sleep(0.005)
            if now >= next_commit:
                next_commit = now + COMMIT_EVERY_S
                self._commit(asynchronous=True)
                self._health.report(f"lane {self.spec.name}", ok=True, good_for_s=30)
            if now >= next_lag:
                next_lag = now + LAG_EVERY_S
                self._measure_lag()

    def _take(self) -> None:
        first = self._consumer.poll(0.1)
        if first is None:
            return
        messages = [first, *self._consumer.consume(BATCH, 0)]
        items = [item for item in map(self._item, messages) if item is not None]
        if items:
            self._submit(items)

    def _item(self, message: Message) -> Item | Poison | None:
        error = message.error()
        if error is not None:
            if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(error)
            log.warning("kafka", extra={"lane": self.spec.name, "error": str(error)})
            return None
        topic, partition = message.topic() or "", message.partition() or 0
        tracker = self._trackers[topic, partition]
        value = message.value()
        held: HeldFields = {
            "topic": topic,
            "partition": partition,
            "tracker": tracker,
            "entry": tracker.received(message.offset() or 0),
            "size": len(value or b"") + OVERHEAD,
        }
        try:
            delivery = self._codec.decode(value, Delivery)
        except (DecodeError, LookupError) as e:
            return Poison(str(e), **held)
        return Item(delivery, message.timestamp()[1], self._tiers.get(topic), live=self.spec.owns, **held)

    # --- holding back

    def _full(self, topic: str) -> bool:
        count, size = self._held(topic)
        return count >= self.spec.window or size >= self.spec.window_bytes

    def _held(self, topic: str) -> tuple[int, int]:
        held = [tracker.held for (name, _), tracker in self._trackers.items() if name == topic]
        return sum(count for count, _ in held), sum(size for _, size in held)

    def _may_poll(self) -> bool:
        """Whether a poll brings only what there is room for: every full topic is paused, and the lane may go on."""
        everything_paused = len(self._paused) == len(self._topics)
        return everything_paused or (self.spec.room() and all(not self._full(t) or t in self._paused for t in self._topics))

    def _hold_back(self, now: float) -> None:
        """Pause topics that stay full, so that polling, and with it group membership, goes on; resume half-empty ones."""
        for topic in self._topics:
            if self._full(topic) or not self.spec.room():
                since = self._full_since.setdefault(topic, now)
                if topic not in self._paused and now - since > PAUSE_AFTER_S:
                    self._paused.add(topic)
                    self._consumer.pause(self._partitions(topic))
            else:
                self._full_since.pop(topic, None)
                if topic in self._paused and self._held(topic)[0] <= self.spec.window // 2:
                    self._paused.discard(topic)
                    self._consumer.resume(self._partitions(topic))

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(t, p) for t, p in self._trackers if t == topic]

    # --- committing

    def _commit(self, *, asynchronous: bool, only: set[Spot] | None = None) -> None:
        offsets = []
        for (topic, partition), tracker in self._trackers.items():
            position = tracker.position()
            if (only is None or (topic, partition) in only) and position is not None and position != tracker.committed:
                offsets.append(TopicPartition(topic, partition, position))
                tracker.committed = position
        if not offsets:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as e:
            # What was not committed comes again: a duplicate under the same webhook-id, never a loss.
            log.warning("commit failed", extra={"lane": self.spec.name, "error": str(e)})
            self._commit_again(offsets)

    def _committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        if error is not None and error.code() != KafkaError._NO_OFFSET:  # noqa: SLF001 - librdkafka's local codes start with _
            log.warning("commit failed", extra={"lane": self.spec.name, "error": str(error)})
            self._commit_again(offsets)

    def _commit_again(self, offsets: list[TopicPartition]) -> None:
        for spot in offsets:
            tracker = self._trackers.get((spot.topic, spot.partition))
            if tracker is not None:
                tracker.committed = None

    # --- assignment

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for p in partitions:
            self._trackers[p.topic, p.partition] = Tracker()
        if self.spec.owns:
            self._submit([Assigned(p.partition, self._trackers[p.topic, p.partition]) for p in partitions])
        consumer.incremental_assign(partitions)
        paused = [p for p in partitions if p.topic in self._paused]
        if paused:
            consumer.pause(paused)
        log.info("assigned", extra={"lane": self.spec.name, "partitions": [f"{p.topic}/{p.partition}" for p in partitions]})

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        spots = {(p.topic, p.partition) for p in partitions} & set(self._trackers)
        for spot in spots:
            self._trackers[spot].revoked = True
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline and any(self._trackers[s].unsettled for s in spots):
            time.sleep(0.01)
        self._commit(asynchronous=False, only=spots)
        self._forget(spots)
        consumer.incremental_unassign(partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Somebody else owns them already: committing now could undo their commits."""
        log.warning("partitions lost", extra={"lane": self.spec.name, "count": len(partitions)})
        self._forget({(p.topic, p.partition) for p in partitions} & set(self._trackers))

    def _forget(self, spots: set[Spot]) -> None:
        for spot in spots:
            tracker = self._trackers.pop(spot)
            tracker.revoked = tracker.gone = True
        if self.spec.owns:
            self._submit([Revoked(partition) for _, partition in spots])

    def _measure_lag(self) -> None:
        metrics.HELD.labels(self.spec.name).set(self.held)
        lag: dict[str, int] = dict.fromkeys(self._topics, 0)
        for (topic, partition), tracker in self._trackers.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            at = tracker.position()
            if at is not None and end >= 0:
                lag[topic] += max(0, end - at)
        for topic, count in lag.items():
            metrics.LAG.labels(self.spec.group, topic).set(count)
