"""A producer for an event loop that only counts acknowledgements, such as Faust's: a timer looks for them.

A thread that waited for them, as the Publisher has, would fight the loop for the interpreter.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.kafka import Kafka, KafkaError, Message
    from schemas.records import Record
    from schemas.topics import Topic

    Headers = list[tuple[str, str | bytes | None]]
    Confirm = Callable[[KafkaError | None, Message], None]
POLL_S: Final = 0.005  # nothing waits for acknowledgements but the offsets


class Sender:
    """Sends records. Start it on a running loop; `close` flushes. Not for use from other threads."""

    def __init__(self, kafka: Kafka, **overrides: object) -> None:
        self._kafka = kafka
        self._producer = kafka.producer(**overrides)
        self._names: dict[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look for acknowledgements on the running loop."""
        self._loop = asyncio.get_running_loop()

    async def warm(self, topics: Sequence[Topic[Record]], timeout_s: float = 10) -> None:
        """Fetch metadata and the producer's id now: the first record would wait half a second for them.

        Raises KafkaException when the broker does not answer within `timeout_s`, for each topic.
        """
        loop = asyncio.get_running_loop()
        for topic in topics:
            await loop.run_in_executor(None, self._producer.list_topics, self._kafka.name(topic), timeout_s)

    def send(
        self, topic: Topic[Record], key: str, value: bytes, confirm: Confirm, headers: Headers, partition: int | None = None
    ) -> None:
        """Hand one record to the producer; `confirm` is called on the loop, or by `close`, with an error or None and the record.

        `partition` None lets the key decide. Raises BufferError when the queue is full.
        """
        name = self._names.get(topic.name)
        if name is None:
            name = self._names[topic.name] = self._kafka.name(topic)
        self._producer.produce(
            name, value, key.encode(), -1 if partition is None else partition, headers=headers, on_delivery=confirm
        )
        if self._timer is None:
            self._set_timer()

    async def close(self, timeout_s: float = 10) -> int:
        """Flush, report what is left. Returns the number of records never acknowledged."""
        left: int = await asyncio.get_running_loop().run_in_executor(None, self._producer.flush, timeout_s)
        if self._timer is not None:
            self._timer.cancel()
        return left

    def _set_timer(self) -> None:
        assert self._loop is not None  # noqa: S101 - started
        self._timer = self._loop.call_later(POLL_S, self._look)

    def _look(self) -> None:
        self._producer.poll(0)
        self._timer = None
        if len(self._producer):
            self._set_timer()
