"""Keeps refused requests in webhooks.rejected, within bounds, and never makes the answer wait.

Anybody can send what is refused, so what is kept is capped in size and rate, per source and in total; what the
bounds leave out is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ingress.bucket import TokenBucket
from ingress.doors import Door  # noqa: TC001 - msgspec resolves the annotations
from runtime import metrics
from runtime.kafka import KafkaException
from schemas import topics
from schemas.records import WebhookRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingress.refusals import Refusal
    from runtime.clock import Clock
    from runtime.publisher import Ack, Publisher
    from schemas.codec import Codec

BODY_MAX: Final = 16 * 1024
HEADERS_MAX: Final = 16 * 1024
PER_SOURCE: Final = (5.0, 50.0)  # a second, at once
IN_TOTAL: Final = (20.0, 200.0)
SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


class Incoming(msgspec.Struct):
    """What is known of a request while it is judged."""

    source: str
    remote: str
    headers: Mapping[str, str]
    door: Door | None = None
    body: bytes = b""


class Rejections:
    """Counts every refusal and publishes those the bounds allow."""

    def __init__(self, *, publisher: Publisher, codec: Codec, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._publisher, self._codec, self._clock, self._new_id = publisher, codec, clock, new_id
        self._total = TokenBucket(clock, rate=IN_TOTAL[0], burst=IN_TOTAL[1])
        self._buckets: dict[str | None, TokenBucket] = {}

    def record(self, incoming: Incoming, refusal: Refusal) -> None:
        """Count a refusal and, within the bounds, keep it."""
        config = incoming.door.source.config if incoming.door else None
        metrics.REJECTED.labels(config.provider if config else "unknown", refusal.reason).inc()
        # Names of unknown sources are the sender's choice: they share one bucket, or each name would have a fresh one.
        if not (self._bucket(config.id if config else None).take() and self._total.take()):
            metrics.REJECTED_UNKEPT.labels("rate").inc()
            return
        body = incoming.body or refusal.head
        record = WebhookRejected(
            id=self._new_id("rej_"),
            source=incoming.source[:128],
            tenant=config.tenant if config else None,
            provider=config.provider if config else None,
            reason=refusal.reason,
            detail=refusal.detail,
            remote=incoming.remote,
            size=refusal.size or len(body),
            headers=_capped(incoming.headers),
            body=body[:BODY_MAX],
            received_at=self._clock.now_ms(),
        )
        try:
            self._publisher.send(topics.REJECTED, record.source, self._codec.encode(record), _count)
        except (BufferError, KafkaException):
            metrics.REJECTED_UNKEPT.labels("queue").inc()

    def _bucket(self, source: str | None) -> TokenBucket:
        found = self._buckets.get(source)
        if found is None:
            found = self._buckets[source] = TokenBucket(self._clock, rate=PER_SOURCE[0], burst=PER_SOURCE[1])
        return found


def _count(ack: Ack) -> None:
    if ack.error is None:
        metrics.PUBLISHED.labels(topics.REJECTED.name).inc()
    else:
        metrics.PUBLISH_FAILED.labels(topics.REJECTED.name).inc()
        metrics.REJECTED_UNKEPT.labels("kafka").inc()


def _capped(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers up to a total size, credentials blanked."""
    left = HEADERS_MAX
    kept = {}
    for name, value in headers.items():
        left -= len(name) + len(value)
        if left < 0:
            break
        kept[name] = "[redacted]" if name in SECRET else value
    return kept
