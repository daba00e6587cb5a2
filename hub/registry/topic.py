"""The compacted topic `_schemas`: read whole at the start, followed for ever, written with acks=all."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package re-exports without saying so
    ConfigResource,
    NewTopic,
    ResourceType,
)

from hub.errors import HubError
from hub.registry.service import RegistryError
from runtime.kafka import OFFSET_BEGINNING

if TYPE_CHECKING:
    from confluent_kafka import Message

    from hub.registry.view import View
    from runtime.kafka import Kafka

NAME: Final = "_schemas"
ACK_MS: Final = 10_000
log = logging.getLogger(__name__)


class SchemasTopic:
    """A `Log` over Kafka that feeds the view from one thread of its own."""

    def __init__(self, kafka: Kafka, view: View) -> None:
        self._name = kafka.prefix + NAME
        self._kafka = kafka
        self._view = view
        self._producer = kafka.producer(delivery_timeout_ms=ACK_MS, request_timeout_ms=ACK_MS // 2)
        self._next = 0  # offset behind the last record taken in
        self._caught_up = False
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="schemas topic", daemon=True)

    def start(self, patience_s: float = 60.0) -> None:
        """Return with the view complete. Raises HubError when Kafka stays away or the topic is not compacted."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self._ensure()
                break
            except KafkaException as e:
                if time.monotonic() > deadline:
                    raise HubError(f"Kafka at {self._kafka.bootstrap} does not answer ({e.args[0].str()}).") from e
                time.sleep(0.2)
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._caught_up, max(deadline - time.monotonic(), 1.0)):
                raise HubError(f"The topic {self._name} could not be read within {patience_s:.0f} s.")

    def stop(self) -> None:
        """End the following thread."""
        self._stop.set()
        self._thread.join(5.0)

    def append(self, key: bytes, value: bytes | None) -> None:
        """Produce, wait for the acknowledgement, wait until the view has it."""
        reports: list[tuple[KafkaError | None, Message]] = []
        self._producer.produce(self._name, value, key, on_delivery=lambda e, m: reports.append((e, m)))
        deadline = time.monotonic() + 2 * ACK_MS / 1000
        while not reports and time.monotonic() < deadline:
            self._producer.poll(0.1)
        error, message = reports[0] if reports else (KafkaError(KafkaError._MSG_TIMED_OUT), None)  # noqa: SLF001
        if error or message is None:
            raise RegistryError(50002, f"Kafka did not take the record: {error}")
        offset = message.offset()
        with self._changed:
            if offset is None or not self._changed.wait_for(lambda: self._next > offset, ACK_MS / 1000):
                raise RegistryError(50002, "The record was written but did not come back in time; ask again.")

    def _ensure(self) -> None:
        """Create the topic, or see that it is compacted: with deletion, ids would vanish."""
        admin = self._kafka.admin()
        if self._name not in admin.list_topics(timeout=5).topics:
            wanted = NewTopic(self._name, 1, -1, config={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"})
            try:
                admin.create_topics([wanted])[self._name].result(10)
            except KafkaException as e:
                if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        resource = ConfigResource(ResourceType.TOPIC, self._name)
        policy = admin.describe_configs([resource])[resource].result(10)["cleanup.policy"].value
        if policy != "compact":
            raise HubError(f"The topic {self._name} has cleanup.policy {policy}: set it to compact, or schema ids get lost.")

    def _follow(self) -> None:
        consumer = self._kafka.consumer("hookstream-registry", enable_partition_eof=True, fetch_wait_max_ms=100)
        consumer.assign([TopicPartition(self._name, 0, OFFSET_BEGINNING)])
        while not self._stop.is_set():
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                log.warning("reading the schemas topic", extra={"error": error.str()})
                continue
            with self._changed:
                if error:
                    self._caught_up = True
                else:
                    self._view.apply(message.key(), message.value())
                    self._next = (message.offset() or 0) + 1
                self._changed.notify_all()
        consumer.close()
