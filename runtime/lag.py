"""How far a consumer group is behind, and an alarm when it stands still while records wait.

It runs in a thread with a client of its own, so that it also notices an event loop that is stuck. Frameworks log such a
stall at best; ending the process is what gets it going again.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.kafka import KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runtime.health import Health
    from runtime.kafka import Consumer, Kafka
    from schemas.topics import Topic

log = logging.getLogger(__name__)
EVERY_S: Final = 5.0
STALLED_S: Final = 60.0
TIMEOUT_S: Final = 10.0


class LagWatch:
    """Watches `group` on the topics of `progress`: topic to a counter that grows with each record done here.

    `on_stall` is called with words when a counter stood still for STALLED_S while records waited in partitions that are
    this process's by `owned`, (full topic name, partition): another member's lag is that member's alarm.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        group: str,
        progress: Mapping[Topic[Any], Callable[[], int]],
        owned: Callable[[], Collection[tuple[str, int]]],
        health: Health,
        on_stall: Callable[[str], object],
        every_s: float = EVERY_S,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._kafka, self._group, self._progress, self._owned, self._health = kafka, group, progress, owned, health
        self._on_stall, self._every_s, self._stalled_s = on_stall, every_s, stalled_s
        self._seen: dict[str, tuple[int, float]] = {}  # topic: the counter, and when it was first seen so with records waiting
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lag of {group}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        consumer = self._kafka.consumer(self._group)  # never subscribes: it only asks
        try:
            while not self._stop.wait(self._every_s):
                self._look(consumer)
        finally:
            consumer.close()

    def _look(self, consumer: Consumer) -> None:
        try:
            lags = {topic: self._lags(consumer, topic) for topic in self._progress}
        except KafkaException as e:
            self._seen.clear()  # nobody can make progress without Kafka
            self._health.report("lag", ok=False, detail=f"Kafka does not answer: {e}")
            return
        owned = self._owned()
        for topic, by_partition in lags.items():
            metrics.LAG.labels(self._group, topic.name).set(sum(by_partition.values()))
            self._judge(topic, sum(lag for spot, lag in by_partition.items() if spot in owned))
        words = ", ".join(f"{topic.name}: {sum(found.values())} waiting" for topic, found in lags.items())
        self._health.report("lag", ok=True, detail=words, good_for_s=self._every_s * 2 + TIMEOUT_S)

    def _lags(self, consumer: Consumer, topic: Topic[Any]) -> dict[tuple[str, int], int]:
        name = self._kafka.name(topic)
        spots = [TopicPartition(name, p) for p in self._kafka.partitions([name], consumer).get(name, [])]
        lags = {}
        for spot in consumer.committed(spots, timeout=TIMEOUT_S):
            first, end = consumer.get_watermark_offsets(spot, timeout=TIMEOUT_S)
            lags[name, spot.partition] = max(end - max(spot.offset, first), 0)
        return lags

    def _judge(self, topic: Topic[Any], lag: int) -> None:
        now, count = time.monotonic(), self._progress[topic]()
        before, since = self._seen.get(topic.name, (-1, now))
        if lag == 0 or count != before:
            since = now
        self._seen[topic.name] = (count, since)
        if now - since >= self._stalled_s:
            self._on_stall(f"{self._group} made no progress on {topic.name} for {now - since:.0f} s while {lag} records wait")
