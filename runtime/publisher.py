"""A producer for an event loop: acknowledgements are gathered in a thread and cross to the loop in batches.

A loop whose callers wait for each acknowledgement is best served so; for one that only counts them there is `runtime.sender`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.kafka import KafkaError, KafkaException, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.kafka import Kafka
    from schemas.records import Record
    from schemas.topics import Topic

log = logging.getLogger(__name__)
Headers = list[tuple[str, str | bytes | None]]
BUSY: Final = 16  # acknowledgements at once from which on it pays to wait a moment for more


class Ack(NamedTuple):
    """Kafka's answer to one record: where it lies, or why it does not."""

    error: str | None
    partition: int
    offset: int


class PublishError(RuntimeError):
    """Kafka did not acknowledge a record. It may still have been written: identity must make that harmless."""


class Publisher:
    """Sends records and reports each acknowledgement on the event loop, in the order Kafka gave them.

    Start it on a running loop; `close` flushes. Not for use from other threads.
    """

    def __init__(self, kafka: Kafka, **overrides: object) -> None:
        self._kafka = kafka
        self._producer = kafka.producer(**overrides)
        self._names: dict[str, str] = {}
        self._acked: list[tuple[Callable[[Ack], None], Ack]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._poll, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to report acknowledgements to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def warm(self, topics: Sequence[Topic[Record]], timeout_s: float = 10) -> None:
        """Fetch metadata and the producer's id now: the first record would wait half a second for them.

        Raises KafkaException when the broker does not answer within `timeout_s`, for each topic.
        """
        loop = asyncio.get_running_loop()
        for topic in topics:
            await loop.run_in_executor(None, self._producer.list_topics, self._name(topic), timeout_s)

    def send(
        self,
        topic: Topic[Record],
        key: str,
        value: bytes | None,
        done: Callable[[Ack], None],
        headers: Headers | None = None,
    ) -> None:
        """Hand one record to the producer; `done` is called on the loop. Raises BufferError when the queue is full."""
        self._producer.produce(
            self._name(topic),
            value,
            key.encode(),
            headers=headers or [],
            on_delivery=lambda e, m: self._on_ack(done, e, m),
        )

    async def publish(self, topic: Topic[Record], key: str, value: bytes | None, headers: Headers | None = None) -> Ack:
        """Send one record, or a tombstone, and wait for its acknowledgement. Raises PublishError, also when the queue is full."""
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        try:
            self.send(topic, key, value, lambda ack: None if future.done() else future.set_result(ack), headers)
        except BufferError as e:
            raise PublishError("the producer's queue is full: Kafka does not take records fast enough") from e
        except KafkaException as e:
            raise PublishError(str(e)) from e
        ack = await future
        if ack.error is not None:
            raise PublishError(ack.error)
        return ack

    @property
    def waiting(self) -> int:
        """Records not yet acknowledged."""
        return len(self._producer)

    async def close(self, timeout_s: float = 10) -> int:
        """Flush, stop the thread, report what is left. Returns the number of records never acknowledged."""
        left: int = await asyncio.get_running_loop().run_in_executor(None, self._producer.flush, timeout_s)
        self._stop.set()
        if self._thread.is_alive():
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 2)
        self._deliver()
        return left

    def _name(self, topic: Topic[Record]) -> str:
        name = self._names.get(topic.name)
        if name is None:
            name = self._names[topic.name] = self._kafka.name(topic)
        return name

    def _on_ack(self, done: Callable[[Ack], None], error: KafkaError | None, message: Message) -> None:
        if error is None:
            ack = Ack(None, message.partition() or 0, message.offset() or 0)
        else:
            ack = Ack(f"{error.name()}: {error.str()}", -1, -1)
        with self._lock:
            self._acked.append((done, ack))

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.2)
            count = len(self._acked)
            if count and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._deliver)
                if count >= BUSY:
                    time.sleep(0.001)  # under load: let acknowledgements gather instead of waking for each

    def _deliver(self) -> None:
        with self._lock:
            acked, self._acked = self._acked, []
        for done, ack in acked:
            try:
                done(ack)
            except Exception:  # one caller's fault must not cost the others their acknowledgements
                log.exception("a caller failed to take an acknowledgement")
