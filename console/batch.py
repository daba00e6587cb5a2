"""Records of the topics gathered into what one transaction writes. Pure but for the decoding."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from console import standing
from console.histogram import bucket_of
from console.standing import Place, Standing
from schemas import topics
from schemas.codec import DecodeError, SchemaUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec import Codec
    from schemas.records import Record
    from schemas.topics import Topic

PROJECTED: Final[tuple[Topic[Record], ...]] = (
    topics.RECEIVED, topics.REJECTED, topics.UNROUTED, topics.QUARANTINED,
    topics.DELIVERIES, topics.REPLAY, topics.ATTEMPTS, topics.DEAD,
)  # fmt: skip
UNMEASURED: Final = -1  # bucket of what is counted, but whose duration says nothing
MINUTE_MS: Final = 60_000
UNROUTED: Final = (
    "id", "tenant", "source", "provider", "type", "object_id", "reason", "reasons",
    "raw_topic", "raw_partition", "raw_offset", "received_at",
)  # fmt: skip
QUARANTINED: Final = (
    "id", "tenant", "source", "provider", "topic", "cause", "detail", "raw_topic", "raw_partition", "raw_offset", "received_at",
)  # fmt: skip
REJECTED: Final = ("id", "source", "tenant", "provider", "reason", "detail", "remote", "size", "received_at")
ATTEMPTS: Final = (
    "delivery_id", "endpoint_id", "attempt", "state", "status", "error_class", "error", "started_at", "total_ms", "next_attempt_at",
)  # fmt: skip
DELIVERY_UNREAD: Final = frozenset({"payload", "sequence", "step", "last_status", "last_error"})
ATTEMPT_UNREAD: Final = frozenset(
    {"url", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "response_headers", "response_head", "response_cut", "batch_id"}
)
_attempt_columns: Final = itemgetter(*ATTEMPTS)

Activity = tuple[int | None, int | None]
"""When an endpoint last took a delivery, and when it last failed to."""


class Batch:
    """What a run of records comes to. Payloads and responses are dropped here."""

    def __init__(self, codec: Codec, prefix: str) -> None:
        self.deliveries: dict[str, Standing] = {}
        self.attempts: list[tuple[Any, ...]] = []
        self.unrouted: list[tuple[Any, ...]] = []
        self.quarantined: list[tuple[Any, ...]] = []
        self.rejected: list[tuple[Any, ...]] = []
        self.counts: Counter[tuple[str, int, str, int]] = Counter()  # endpoint or "", minute, kind, bucket
        self.activity: dict[str, Activity] = {}
        self.types: dict[str, int] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.taken: Counter[str] = Counter()  # records by topic
        self.skipped: list[tuple[str, int, int, str]] = []  # topic, partition, offset, why
        self._codec = codec
        self._prefix = prefix
        self._takers: dict[str, Callable[[bytes | None, Place, int], None]] = {
            topics.RECEIVED.name: self._received,
            topics.REJECTED.name: self._rejected,
            topics.UNROUTED.name: self._unrouted,
            topics.QUARANTINED.name: self._quarantined,
            topics.DELIVERIES.name: self._delivery,
            topics.REPLAY.name: self._delivery,
            topics.ATTEMPTS.name: self._attempt,
            topics.DEAD.name: self._dead,
        }

    def __len__(self) -> int:
        return self.taken.total()

    def add(self, topic: str, partition: int, offset: int, written_ms: int, value: bytes | None) -> None:
        """Take one record; `topic` is without prefix. What cannot be read is noted in `skipped`.

        Raises SchemaUnavailableError, with the batch unchanged.
        """
        try:
            self._takers[topic](value, Place(topic, partition, offset), written_ms)
        except SchemaUnavailableError:
            raise
        except (DecodeError, LookupError, ValueError, TypeError, OverflowError) as e:
            self.skipped.append((topic, partition, offset, f"{type(e).__name__}: {e}"))
        self.taken[topic] += 1
        self.positions[topic, partition] = offset + 1

    def _received(self, _: bytes | None, __: Place, written_ms: int) -> None:
        self._count("", written_ms, "received")

    def _rejected(self, value: bytes | None, place: Place, written_ms: int) -> None:
        f = self._codec.fields(value, topics.REJECTED.record)
        self.rejected.append((*(f[name] for name in REJECTED), place.partition, place.offset))
        self._count("", written_ms, "rejected")

    def _unrouted(self, value: bytes | None, place: Place, written_ms: int) -> None:
        f = self._codec.fields(value, topics.UNROUTED.record)
        f["reasons"] = msgspec.json.encode(f["reasons"]).decode()
        self.unrouted.append((*(f[name] for name in UNROUTED), place.partition, place.offset))
        self._count("", written_ms, "unrouted")

    def _quarantined(self, value: bytes | None, place: Place, written_ms: int) -> None:
        f = self._codec.fields(value, topics.QUARANTINED.record)
        self.quarantined.append((*(f[name] for name in QUARANTINED), place.partition, place.offset))
        self._count("", written_ms, "quarantined")

    def _delivery(self, value: bytes | None, place: Place, written_ms: int) -> None:
        f = self._codec.fields(value, topics.DELIVERIES.record, DELIVERY_UNREAD)
        if f["command"] is not None:
            return  # what a person asks of the worker, not a delivery that is queued
        self._merge(standing.of_delivery(f, place, written_ms))
        self._count(f["endpoint_id"], written_ms, "queued")
        event_type = f["event_type"]
        if written_ms > self.types.get(event_type, 0):
            self.types[event_type] = written_ms

    def _dead(self, value: bytes | None, place: Place, written_ms: int) -> None:
        f = self._codec.fields(value, topics.DEAD.record, DELIVERY_UNREAD)
        self._merge(standing.of_dead(f, place, written_ms))
        self._count(f["endpoint_id"], written_ms, "dead")

    def _attempt(self, value: bytes | None, place: Place, _: int) -> None:
        f = self._codec.fields(value, topics.ATTEMPTS.record, ATTEMPT_UNREAD)
        self._merge(standing.of_attempt(f, f["delivery_topic"].removeprefix(self._prefix)))
        self.attempts.append((*_attempt_columns(f), place.partition, place.offset))
        endpoint_id, ended = f["endpoint_id"], standing.finished_at(f)
        if f["state"] == "superseded":
            self._count(endpoint_id, ended, "superseded")
            if f["error_class"] is None:
                return  # nothing was sent: no failure, no duration
        success, failure = self.activity.get(endpoint_id, (None, None))
        if f["state"] == "delivered":
            # A replayed event was received long ago: how long it took says nothing about the hub.
            latency = bucket_of(ended - f["received_at"]) if f["lane"] == "live" else UNMEASURED
            self._count(endpoint_id, ended, "delivered", latency)
            self.activity[endpoint_id] = (max(ended, success or 0), failure)
        else:
            self._count(endpoint_id, ended, "failed")
            self.activity[endpoint_id] = (success, max(ended, failure or 0))
        self._count(endpoint_id, ended, "duration", bucket_of(f["total_ms"]))

    def _merge(self, fact: Standing) -> None:
        known = self.deliveries.setdefault(fact.identity[0], fact)
        if known is not fact:
            standing.merge(known, fact)

    def _count(self, endpoint_id: str, at_ms: int, kind: str, bucket: int = 0) -> None:
        self.counts[endpoint_id, at_ms - at_ms % MINUTE_MS, kind, bucket] += 1
