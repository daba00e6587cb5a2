"""Setting aside what cannot be understood: the cause, the words, and where the raw record lies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.output import Work
from schemas.records import EventQuarantined

if TYPE_CHECKING:
    from processors.normalize import Pointer
    from processors.output import Writer
    from schemas.records import OrderFact, WebhookReceived

DETAIL: Final = 1000  # characters; a message may quote what it found


def undecodable(writer: Writer, at: Pointer, written_at: int, error: Exception) -> Work:
    """A value that is no record at all: nothing is known but its place."""
    record = EventQuarantined(
        id=f"{at.topic}/{at.partition}/{at.offset}",
        tenant="",
        source="",
        provider="",
        topic="",
        cause="undecodable",
        detail=_words(error),
        raw_topic=at.topic,
        raw_partition=at.partition,
        raw_offset=at.offset,
        received_at=written_at,
    )
    return Work([writer.quarantined(record)], "quarantined", written_at)


def webhook(writer: Writer, at: Pointer, found: WebhookReceived, cause: str, error: Exception) -> Work:
    """A webhook that cannot be turned into events."""
    record = EventQuarantined(
        id=found.id,
        tenant=found.tenant,
        source=found.source,
        provider=found.provider,
        topic=found.topic,
        cause=cause,
        detail=_words(error),
        raw_topic=at.topic,
        raw_partition=at.partition,
        raw_offset=at.offset,
        received_at=found.received_at,
    )
    return Work([writer.quarantined(record)], "quarantined", found.received_at)


def fact(writer: Writer, at: Pointer, found: OrderFact, written_at: int, error: Exception) -> Work:
    """A fact the order workflow cannot take; its order event, where it has one, tells where it came from."""
    record = EventQuarantined(
        id=found.id,
        tenant=found.tenant,
        source=found.order.source if found.order else "",
        provider=found.order.provider if found.order else "",
        topic=f"{found.kind} {found.order_id}",
        cause="invalid_event",
        detail=_words(error),
        raw_topic=at.topic,
        raw_partition=at.partition,
        raw_offset=at.offset,
        received_at=written_at,
    )
    return Work([writer.quarantined(record)], "quarantined", written_at)


def _words(error: Exception) -> str:
    """The error as text that can be written, whatever it quotes."""
    return str(error)[:DETAIL].encode(errors="replace").decode()
