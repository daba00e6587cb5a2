"""Records to write, encoded and addressed: which topic, which key, which headers. Pure."""

from __future__ import annotations

from collections.abc import Iterable  # noqa: TC003 - NamedTuple fields
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from schemas import topics
from schemas.records import Record  # noqa: TC001 - NamedTuple fields
from schemas.topics import Topic  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.codec import Codec
    from schemas.records import Delivery, Event, EventQuarantined, EventUnrouted, OrderFact, OrderState

Headers = list[tuple[str, str | bytes | None]]
MADE_AT: Final = "made-at"  # header of a state: the offset of the fact that made it
LARGEST: Final = 4 * 1024 * 1024 - 64 * 1024  # bytes; Kafka takes 4 MiB with its own overhead


class InvalidRecordError(ValueError):
    """A record does not fit its schema or is larger than Kafka takes."""


class Output(NamedTuple):
    """A record to write. `partition` None: by the key. `label`: what it is counted by."""

    topic: Topic[Record]
    key: str
    value: bytes
    headers: Headers
    label: str = ""
    partition: int | None = None


class Work(NamedTuple):
    """What comes of one incoming record: its outputs, made one by one as they are sent, and what to count."""

    outputs: Iterable[Output]
    outcome: str
    received_at: int


class Writer:
    """Makes outputs. `trace` is the incoming record's traceparent, passed on."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def event(self, event: Event, trace: Headers) -> Output:
        """A canonical event. Raises InvalidRecordError."""
        topic = topics.COMMERCE[type(event)]
        key = f"{event.tenant}/{event.object_id}"
        label = "custom" if topic is topics.CUSTOM else event.type  # own types are the senders' choice: too many for a label
        return Output(topic, key, self._encode(event), [("event-type", event.type), *trace], label)

    def fact(self, fact: OrderFact, trace: Headers, order: Output | None = None) -> Output:
        """A fact of the order workflow; `order`: the output of the order event in it. Raises InvalidRecordError."""
        data = self._encode(fact) if order is None else self._encode(msgspec.structs.replace(fact, order=None), order)
        return Output(topics.ORDER_FACTS, f"{fact.tenant}/{fact.order_id}", data, trace)

    def state(self, state: OrderState, partition: int, offset: int, released: Output | None = None) -> Output:
        """A state, beside the fact that made it: in the partition of the same number. Raises InvalidRecordError.

        `released`: the output of the release in it.
        """
        data = self._encode(state) if released is None else self._encode(msgspec.structs.replace(state, released=None), released)
        key = f"{state.tenant}/{state.order_id}"
        return Output(topics.ORDER_STATES, key, data, [(MADE_AT, str(offset))], "", partition)

    def delivery(self, delivery: Delivery, trace: Headers) -> Output:
        """A delivery. Raises InvalidRecordError."""
        headers: Headers = [("event-type", delivery.event_type), *trace]
        return Output(topics.DELIVERIES, delivery.endpoint_id, self._encode(delivery), headers)

    def unrouted(self, record: EventUnrouted, trace: Headers) -> Output:
        """An event that goes nowhere. Raises InvalidRecordError."""
        return Output(topics.UNROUTED, record.tenant, self._encode(record), [("event-type", record.type), *trace], record.reason)

    def quarantined(self, record: EventQuarantined) -> Output:
        """A record that is set aside. Raises InvalidRecordError."""
        return Output(topics.QUARANTINED, record.source, self._encode(record), [], record.cause)

    def _encode(self, record: Record, ending: Output | None = None) -> bytes:
        try:
            data = self._codec.encode(record) if ending is None else self._codec.encode_ending(record, ending.value)
        except ValueError as e:
            raise InvalidRecordError(str(e)) from e
        if len(data) > LARGEST:
            raise InvalidRecordError(f"{type(record).__name__} has {len(data)} bytes, at most {LARGEST} can be kept")
        return data


def followed_by(first: list[Output], deliveries: list[Delivery], writer: Writer, trace: Headers) -> Iterator[Output]:
    """What is ready, then the deliveries one by one: an event for thousands must not lie in memory thousands of times."""
    yield from first
    for delivery in deliveries:
        yield writer.delivery(delivery, trace)
