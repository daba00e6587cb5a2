"""One replay: scan a range, keep what the filter lets through, hand deliveries to the replay lane, remember how far.

Its consumer group holds its progress, committed only behind what Kafka acknowledged, so that a replay that was
cut short goes on where it stopped; what is handed over twice by that has the same webhook-id.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Final

import msgspec

from hub.replay import scan, where
from hub.replay.pick import Filter, newest
from processors.route import deliveries_for, mismatch
from runtime.kafka import TopicPartition
from schemas import topics
from schemas.records import ReplayJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.replay.scan import Found
    from hub.replay.where import Range
    from runtime.config import Endpoint
    from runtime.kafka import Consumer, KafkaError
    from runtime.process import Process

FLUSH_S: Final = 30


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay. `rate` in deliveries per second, 0 for as fast as the lane takes them."""

    start: str = "earliest"
    end: str = "now"
    last: int | None = None
    filter: Filter = Filter()
    rate: float = 0.0


class Progress(msgspec.Struct):
    """How far a replay has come."""

    total: int = 0  # records in the range
    scanned: int = 0
    matched: int = 0  # events the filter let through
    unreadable: int = 0
    queued: int = 0  # deliveries handed to the lane, or that would be
    endpoints: dict[str, int] = {}  # deliveries by endpoint


class ReplayError(RuntimeError):
    """A replay cannot go on; the message says why and what to do."""


class Replay:
    """A replay in the making: `plan`, then `run`. Call `close` in the end."""

    def __init__(self, process: Process, endpoints: Sequence[Endpoint], job: ReplayJob) -> None:
        self.job = job
        self.spec = msgspec.json.decode(job.spec, type=Spec)
        self.progress = Progress()
        self._process, self._kafka, self._codec = process, process.kafka, process.codec
        self._endpoints = [e for e in endpoints if e.config.tenant == job.tenant and e.config.state != "disabled"]
        self._consumer: Consumer = self._kafka.consumer(f"replay-{job.id}")
        self._producer = self._kafka.producer(linger_ms=5)
        self._failure: KafkaError | None = None
        self._started = time.monotonic()

    @classmethod
    def new(cls, process: Process, endpoints: Sequence[Endpoint], spec: Spec, tenant: str) -> Replay:
        """A new job. Raises ValueError naming the part of the spec that cannot be used."""
        now = process.clock.now_ms()
        start, end = where.parse(spec.start, now), where.parse(spec.end, now)
        job = ReplayJob(
            id=f"rpl_{uuid.uuid4().hex[:20]}",
            tenant=tenant,
            spec=msgspec.json.encode(spec).decode(),
            ranges=[],
            state="running",
            scanned=0,
            queued=0,
            created_at=now,
            updated_at=now,
        )
        replay = cls(process, endpoints, job)
        ranges = where.resolve(replay._consumer, scan.spots(replay._kafka, replay._consumer), start, end, replay._kafka.prefix)
        replay.job = msgspec.structs.replace(job, ranges=[str(r) for r in ranges])
        return replay

    def run(self, *, dry: bool, on_progress: Callable[[Progress], None]) -> Progress:
        """Scan and hand over; a dry run only counts. Raises ReplayError, TimeoutError, KafkaException."""
        ranges = [where.Range.parse(text) for text in self.job.ranges]
        wanted = self._newest(ranges) if self.spec.last is not None else None
        if not dry:
            self._write("running")
            ranges = self._left(ranges)
        self.progress.total = sum(r.end - r.start for r in ranges)
        for batch in scan.scan(self._kafka, self._codec, self._consumer, ranges):
            self._take(batch, wanted, dry=dry)
            on_progress(self.progress)
        if not dry:
            self._write("done")
        return self.progress

    def cancel(self) -> None:
        """Remember that a person stopped it."""
        self._write("cancelled")

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _newest(self, ranges: list[Range]) -> set[tuple[str, int, int]]:
        """Where the newest events lie that the filter lets through and some endpoint takes."""
        return newest(
            lambda part: scan.scan(self._kafka, self._codec, self._consumer, part),
            ranges,
            self.spec.last or 0,
            lambda found: bool(self._receivers(found)),
        )

    def _receivers(self, found: Found) -> list[Endpoint]:
        event = found.event
        if event is None or event.tenant != self.job.tenant or not self.spec.filter.lets_through(event):
            return []
        asked = [e for e in self._endpoints if self.spec.filter.endpoint in (None, e.config.id)]
        return [e for e in asked if mismatch(e.config, event.type, event.channel) is None]

    def _take(self, batch: list[Found], wanted: set[tuple[str, int, int]] | None, *, dry: bool) -> None:
        for found in batch:
            self.progress.scanned += 1
            self.progress.unreadable += found.event is None
            if wanted is not None and (found.topic, found.partition, found.offset) not in wanted:
                continue
            receivers = self._receivers(found)
            self.progress.matched += bool(receivers)
            for endpoint in receivers:
                self.progress.queued += 1
                self.progress.endpoints[endpoint.config.id] = self.progress.endpoints.get(endpoint.config.id, 0) + 1
                if not dry:
                    self._hand_over(found, endpoint)
        if not dry:
            self._commit(batch)

    def _hand_over(self, found: Found, endpoint: Endpoint) -> None:
        assert found.event is not None  # noqa: S101 - only readable events have receivers
        delivery = deliveries_for(found.event, endpoint.config, lane="replay", replay_id=self.job.id)
        self._pace()
        while True:
            try:
                self._producer.produce(
                    self._kafka.name(topics.REPLAY),
                    self._codec.encode(delivery),
                    delivery.endpoint_id.encode(),
                    headers=[("event-type", delivery.event_type)],
                    on_delivery=self._acknowledged,
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def _pace(self) -> None:
        """Wait until this delivery's turn at the asked rate."""
        if self.spec.rate > 0:
            due = self._started + (self.progress.queued - 1) / self.spec.rate
            time.sleep(max(0.0, due - time.monotonic()))

    def _acknowledged(self, error: KafkaError | None, _message: object) -> None:
        self._failure = self._failure or error

    def _commit(self, batch: list[Found]) -> None:
        left = self._producer.flush(FLUSH_S)
        if left or self._failure is not None:
            raise ReplayError(
                f"Kafka did not take {left or 'some'} deliveries ({self._failure or 'no answer'}): "
                f"go on later with `hub replay --resume {self.job.id}`"
            )
        ends = {(f.topic, f.partition): f.offset + 1 for f in batch}
        self._consumer.commit(offsets=[TopicPartition(t, p, o) for (t, p), o in ends.items()], asynchronous=False)

    def _left(self, ranges: list[Range]) -> list[Range]:
        """What an earlier run of this job has not covered."""
        committed = self._consumer.committed([TopicPartition(r.topic, r.partition) for r in ranges], timeout=10) if ranges else []
        reached = {(c.topic, c.partition): c.offset for c in committed}
        left = [where.Range(r.topic, r.partition, max(r.start, reached[r.topic, r.partition]), r.end) for r in ranges]
        return [r for r in left if r.start < r.end]

    def _write(self, state: str) -> None:
        self.job = msgspec.structs.replace(
            self.job,
            state=state,
            scanned=self.progress.scanned,
            queued=self.progress.queued,
            updated_at=self._process.clock.now_ms(),
        )
        self._producer.produce(self._kafka.name(topics.JOBS), self._codec.encode(self.job), self.job.id.encode())
        if self._producer.flush(FLUSH_S):
            raise ReplayError("Kafka did not take the job's state: is the broker up?")


def show(progress: Progress) -> str:
    """Progress as JSON text."""
    return json.dumps(msgspec.to_builtins(progress))
