"""One raw webhook to everything that comes of it: canonical events, facts of the order workflow, deliveries. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors import quarantine
from processors.facts import fact
from processors.normalize import MappingError, Unmapped, normalize
from processors.output import InvalidRecordError, Work, followed_by
from processors.route import Unrouted, route, unrouted
from schemas import topics
from schemas.codec import DecodeError, SchemaUnavailableError
from schemas.records import EventUnrouted, WebhookReceived

if TYPE_CHECKING:
    from processors.normalize import Pointer
    from processors.output import Headers, Output, Writer
    from processors.route import Index
    from schemas.codec import Codec
    from schemas.records import Delivery


def receive(
    value: bytes | None, at: Pointer, written_at: int, *, codec: Codec, writer: Writer, index: Index, trace: Headers
) -> Work:
    """What comes of the value of one record of webhooks.received. `written_at`: the record's own time, in ms."""
    try:
        found = codec.decode(value, WebhookReceived)
    except SchemaUnavailableError:
        raise  # the record may be good: it is read again when the registry answers
    except (DecodeError, LookupError) as e:
        return quarantine.undecodable(writer, at, written_at, e)
    try:
        return _work(found, at, writer, index, trace)
    except MappingError as e:
        return quarantine.webhook(writer, at, found, e.cause, e)
    except InvalidRecordError as e:
        return quarantine.webhook(writer, at, found, "invalid_event", e)
    except Exception as e:  # noqa: BLE001 - all of this is pure: what fails once fails always, and must not stop the flow
        return quarantine.webhook(writer, at, found, "invalid_event", ValueError(f"{type(e).__name__}: {e}"))


def _work(found: WebhookReceived, at: Pointer, writer: Writer, index: Index, trace: Headers) -> Work:
    events = normalize(found, at)
    if isinstance(events, Unmapped):
        return Work([writer.unrouted(_unmapped(found, events, at), trace)], "unrouted", found.received_at)
    first: list[Output] = []
    deliveries: list[Delivery] = []
    for event in events:
        written = writer.event(event, trace)
        first.append(written)
        told = fact(event)
        if told is not None:
            first.append(writer.fact(told, trace, written if told.order else None))
        there = route(event, index)
        if isinstance(there, Unrouted):
            first.append(writer.unrouted(unrouted(event, there), trace))
        else:
            # The first is tried here, where it may still fail; the others differ from it by ids only.
            first.append(writer.delivery(there[0], trace))
            deliveries += there[1:]
    outcome = "routed" if any(output.topic is topics.DELIVERIES for output in first) else "unrouted"
    return Work(followed_by(first, deliveries, writer, trace), outcome, found.received_at)


def _unmapped(found: WebhookReceived, unmapped: Unmapped, at: Pointer) -> EventUnrouted:
    return EventUnrouted(
        id=found.id,
        tenant=found.tenant,
        source=found.source,
        provider=found.provider,
        type=unmapped.topic,
        object_id=found.object_id,
        reason="unmapped",
        reasons={},
        raw_topic=at.topic,
        raw_partition=at.partition,
        raw_offset=at.offset,
        received_at=found.received_at,
    )
