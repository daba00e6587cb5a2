"""Outcome and decision to the records that are written: the attempt, and the delivery's next life. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from delivery.outcome import Outcome
from schemas.records import Attempt, Delivery

if TYPE_CHECKING:
    from delivery.item import Due


def attempt_record(
    item: Due, outcome: Outcome, state: str, *, url: str, next_attempt_at: int | None, batch_id: str | None = None
) -> Attempt:
    """What the console shows of this attempt; `state` is the delivery's after it."""
    d = item.delivery
    return Attempt(
        delivery_id=d.id,
        webhook_id=d.webhook_id,
        tenant=d.tenant,
        endpoint_id=d.endpoint_id,
        event_id=d.event_id,
        event_type=d.event_type,
        object_key=d.object_key,
        attempt=d.attempt,
        state=state,
        status=outcome.status,
        error_class=outcome.error_class,
        error=outcome.error,
        url=url,
        started_at=outcome.started_at,
        dns_ms=outcome.dns_ms,
        connect_ms=outcome.connect_ms,
        tls_ms=outcome.tls_ms,
        first_byte_ms=outcome.first_byte_ms,
        total_ms=outcome.total_ms,
        response_headers=outcome.headers,
        response_head=outcome.head,
        response_cut=outcome.cut,
        next_attempt_at=next_attempt_at,
        lane=d.lane,
        received_at=d.received_at,
        queued_at=d.queued_at,
        delivery_topic=item.topic,
        delivery_partition=item.partition,
        delivery_offset=item.offset,
        replay_id=d.replay_id,
        batch_id=batch_id,
    )


def superseded(item: Due, now_ms: int) -> Attempt:
    """That a delivery was not sent, because a newer event of its object was there: an attempt that never left."""
    return attempt_record(item, Outcome(started_at=now_ms), "superseded", url="", next_attempt_at=None)


def next_try(delivery: Delivery, outcome: Outcome, not_before: int) -> Delivery:
    """The delivery as it waits for its next attempt."""
    return msgspec.structs.replace(
        delivery,
        attempt=delivery.attempt + 1,
        step=delivery.step + 1,
        not_before=not_before,
        last_status=outcome.status,
        last_error=outcome.error,
        command=None,
    )


def moved(delivery: Delivery, not_before: int) -> Delivery:
    """The delivery as it waits without having been tried: no attempt is spent."""
    return msgspec.structs.replace(delivery, not_before=not_before)


def buried(delivery: Delivery, cause: str, outcome: Outcome | None = None) -> Delivery:
    """The delivery as it lies among the dead. After an attempt that attempt is counted."""
    if outcome is None:
        return msgspec.structs.replace(delivery, cause=cause)
    return msgspec.structs.replace(
        delivery, cause=cause, attempt=delivery.attempt + 1, last_status=outcome.status, last_error=outcome.error
    )
