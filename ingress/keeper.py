"""Puts a verified webhook on Kafka and returns only when Kafka has acknowledged it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingress.answers import unavailable
from runtime import metrics
from runtime.publisher import PublishError
from schemas import topics
from schemas.own_events import key_of

if TYPE_CHECKING:
    from runtime.clock import Clock
    from runtime.publisher import Headers, Publisher
    from schemas.codec import Codec
    from schemas.records import WebhookReceived

_SCHEMA: Final = ("content-schema", b"hookstream.WebhookReceived")
TRACE: Final = "traceparent"


class Keeper:
    """Keeps records in webhooks.received."""

    def __init__(self, *, publisher: Publisher, codec: Codec, clock: Clock) -> None:
        self._publisher, self._codec, self._clock = publisher, codec, clock
        name = topics.RECEIVED.name
        self._published = metrics.PUBLISHED.labels(name)
        self._failed = metrics.PUBLISH_FAILED.labels(name)
        self._seconds = metrics.ACK_SECONDS.labels(name)

    async def keep(self, record: WebhookReceived, traceparent: str | None) -> None:
        """Write one record. Raises Problem 503 when Kafka does not acknowledge in time.

        The record may land all the same; its id makes a repeat by the sender harmless.
        """
        value = self._codec.encode(record)
        headers: Headers = [("event-type", record.topic.encode()), _SCHEMA]
        if traceparent:
            headers.append((TRACE, traceparent.encode("latin-1")))
        started = self._clock.monotonic()
        try:
            await self._publisher.publish(topics.RECEIVED, key_of(record), value, headers)
        except PublishError as e:
            self._failed.inc()
            raise unavailable(f"Kafka did not take the record ({e}): send it again later") from e
        self._published.inc()
        self._seconds.observe(self._clock.monotonic() - started)
