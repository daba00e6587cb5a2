"""A live in-memory view of a compacted topic: read to the end at start, followed from then on."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from typing import TYPE_CHECKING, Generic, TypeVar

from runtime.kafka import OFFSET_BEGINNING, KafkaException, TopicPartition
from schemas.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.kafka import Consumer, Kafka, Message
    from schemas.codec import Codec
    from schemas.topics import Topic

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Record)
V = TypeVar("V")


class LiveView(Generic[R, V]):
    """Newest value by key of a one-partition compacted topic, each record passed through `load` once.

    `items` is replaced, never changed, so readers need no lock; `version` grows with each replacement.
    A record that cannot be read keeps the previous value and is logged: configuration never vanishes by a bad write.
    """

    def __init__(self, kafka: Kafka, codec: Codec, topic: Topic[R], load: Callable[[R], V]) -> None:
        self.items: Mapping[str, V] = {}
        self.version = 0
        self._kafka, self._codec, self._topic, self._load = kafka, codec, topic, load
        self._position = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"view {topic.name}", daemon=True)

    def start(self) -> None:
        """Begin to read, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(5)

    @property
    def ready(self) -> bool:
        """Whether everything that was in the topic at the start has been read."""
        return self._ready.is_set()

    def wait_ready(self, timeout_s: float) -> None:
        """Block until `ready`. Raises TimeoutError naming the topic."""
        if not self._ready.wait(timeout_s):
            cause = f" ({self._failure})" if self._failure else ""
            raise TimeoutError(f"could not read {self._kafka.name(self._topic)} within {timeout_s:g} s{cause}")

    def wait_offset(self, offset: int, timeout_s: float) -> bool:
        """Block until the record at `offset` has been applied; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._position > offset, timeout_s)

    async def reached(self, offset: int, timeout_s: float = 5) -> bool:
        """`wait_offset` for an event loop: read your own writes."""
        return await asyncio.get_running_loop().run_in_executor(None, self.wait_offset, offset, timeout_s)

    async def catch_up(self, timeout_s: float = 2) -> None:
        """Read what is in the topic now: before a lookup is answered with "unknown"."""
        await asyncio.get_running_loop().run_in_executor(None, self._catch_up, timeout_s)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` from the view's thread after each replacement of `items`."""
        self._listeners.append(listener)

    def _catch_up(self, timeout_s: float) -> None:
        probe = self._consumer()
        try:
            _, end = probe.get_watermark_offsets(TopicPartition(self._kafka.name(self._topic), 0), timeout=timeout_s)
        except KafkaException as e:
            log.warning("cannot ask for the end of a configuration topic", extra={"topic": self._topic.name, "error": str(e)})
            return
        finally:
            probe.close()
        self.wait_offset(end - 1, timeout_s)

    def _consumer(self) -> Consumer:
        return self._kafka.consumer(f"view-{uuid.uuid4()}")

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = self._consumer()
            try:
                self._follow(consumer)
            except KafkaException as e:
                self._failure = e
                log.warning("view interrupted", extra={"topic": self._topic.name, "error": str(e)})
                self._stop.wait(0.5)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        partition = TopicPartition(self._kafka.name(self._topic), 0, self._position or OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(partition, timeout=10)
        consumer.assign([partition])
        self._advance([], end if end == 0 else self._position, end)
        while not self._stop.is_set():
            first = consumer.poll(0.5)
            batch = [] if first is None else [first, *consumer.consume(1000, 0)]
            messages = [m for m in batch if m.error() is None]
            if messages:
                self._advance(messages, (messages[-1].offset() or 0) + 1, end)
            elif not self._ready.is_set():
                # Compaction can leave nothing at the very end: the position says how far the client has read.
                at = consumer.position([partition])[0].offset
                self._advance([], max(self._position, at), end)

    def _advance(self, messages: list[Message], position: int, end: int) -> None:
        if messages:
            self.items = self._apply(messages)
            self.version += 1
            self._tell_listeners()
        with self._changed:
            self._position = position
            self._changed.notify_all()
        if position >= end:
            self._ready.set()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # a listener's fault must not stop the view: configuration would silently stand still
                log.exception("a listener failed", extra={"topic": self._topic.name})

    def _apply(self, messages: list[Message]) -> Mapping[str, V]:
        items = dict(self.items)
        for message in messages:
            key = (message.key() or b"").decode("utf-8", "replace")
            value = message.value()
            if value is None:
                items.pop(key, None)
                continue
            try:
                items[key] = self._load(self._codec.decode(value, self._topic.record))
            except Exception as e:  # noqa: BLE001 - `load` raises what it likes; the view must go on
                log.error("configuration record ignored", extra={"topic": self._topic.name, "key": key, "error": str(e)})  # noqa: TRY400
        return items
